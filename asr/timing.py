"""Word times of finals: by the CTC head where the model has one, else by warping the cross-attention."""

from __future__ import annotations

from collections.abc import Sequence

import ctranslate2

from asr.base import AsrRequest, Word
from asr.features import HOP_SAMPLES
from asr.forced_alignment import ForcedAligner
from asr.pooling import on_host, own_states
from asr.vocabulary import Vocabulary
from asr.wordtimes import TokenTimes, timed_words, warped


class WordTimer:
    """Times words; thread-safe.

    Args:
        model: that wrote the text.
        vocabulary: of the model.
        aligner: None where the model has no CTC head.
    """

    def __init__(
        self, model: ctranslate2.models.Whisper, vocabulary: Vocabulary, aligner: ForcedAligner | None
    ) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._aligner = aligner

    def words(
        self,
        states: ctranslate2.StorageView,
        requests: Sequence[AsrRequest],
        texts: Sequence[Sequence[int]],
        language: str,
    ) -> list[tuple[Word, ...]]:
        """Return the words of one batch.

        Args:
            states: of the encoder, shape (batch, states, width).
            requests: of the batch.
            texts: tokens of each; none, no words.
            language: Whisper code.
        """
        times = self._aligned(self._aligner, states, requests, texts) if self._aligner else None
        times = times or self._warped(states, requests, texts, language)
        return [
            timed_words(self._vocabulary.groups(tokens), placed)
            for tokens, placed in zip(texts, times, strict=True)
        ]

    @staticmethod
    def _aligned(
        aligner: ForcedAligner,
        states: ctranslate2.StorageView,
        requests: Sequence[AsrRequest],
        texts: Sequence[Sequence[int]],
    ) -> list[TokenTimes] | None:
        """Return the times, None where one of the texts cannot be placed."""
        placed = []
        for request, own, tokens in zip(requests, on_host(states), texts, strict=True):
            samples = len(request.pcm)
            times = aligner.place(own[: own_states(samples, len(own))], tokens, samples)
            if times is None:
                return None
            placed.append(times)
        return placed

    def _warped(
        self,
        states: ctranslate2.StorageView,
        requests: Sequence[AsrRequest],
        texts: Sequence[Sequence[int]],
        language: str,
    ) -> list[TokenTimes]:
        """Return times by dynamic time warping of the cross-attention."""
        results = self._model.align(
            states,
            self._vocabulary.start_sequence(language),
            [list(tokens) for tokens in texts],
            [max(2, len(request.pcm) // HOP_SAMPLES) for request in requests],
        )
        return [
            warped(result.alignments, result.text_token_probs, len(tokens), len(request.pcm))
            for result, tokens, request in zip(results, texts, requests, strict=True)
        ]
