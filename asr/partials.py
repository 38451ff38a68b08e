"""Partials from a CTC head: text, word times and confidence of the encoder's states."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asr import guards
from asr.base import AsrRequest, Transcript
from asr.committing import written
from asr.ctc import CtcHead
from asr.vocabulary import Vocabulary
from asr.wordtimes import STATE_SAMPLES, TokenTimes, timed_words


class PartialReader:
    """Reads partials; thread-safe.

    Args:
        head: of the model.
        vocabulary: of the model.
        settings: thresholds against invented text.
    """

    def __init__(self, head: CtcHead, vocabulary: Vocabulary, settings: guards.GuardSettings) -> None:
        self._head = head
        self._vocabulary = vocabulary
        self._settings = settings

    def read(self, request: AsrRequest, states: NDArray[np.float32], language: str) -> Transcript:
        """Return the partial of one utterance.

        Args:
            request: what was asked for.
            states: of the encoder, without those of padding, shape (states, width).
            language: Whisper code.
        """
        found = self._head.read(states)
        sure = math.exp(found.log_probability)
        starts = [min(len(request.pcm), state * STATE_SAMPLES) for state in found.at] + [len(request.pcm)]
        times = TokenTimes(starts, [sure] * len(found.tokens))
        words = timed_words(self._vocabulary.groups(found.tokens), times)
        text = "".join(written(word.text) for word in words)
        reason = guards.inaudible(request.pcm) or guards.rejection(
            text,
            seconds=len(request.pcm) / 16_000,
            log_probability=found.log_probability,
            no_speech=0.0,
            settings=self._settings,
        )
        return Transcript(
            text="" if reason else text,
            language=language,
            confidence=min(1.0, sure),
            no_speech=0.0,
            words=() if reason else words,
            rejected=reason,
        )
