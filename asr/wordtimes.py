"""From an alignment of tokens with encoder states to words with times."""

from __future__ import annotations

from collections.abc import Sequence

from asr.base import Word
from asr.features import HOP_SAMPLES
from asr.text.characters import fold_variants, is_han, to_traditional
from asr.text.spoken import MARKS
from asr.vocabulary import TokenGroup

STATE_SAMPLES = 2 * HOP_SAMPLES
"""Samples per encoder state: 20 ms."""


def token_starts(path: Sequence[tuple[int, int]], tokens: int, samples: int) -> list[int]:
    """Return the first sample of each token, and behind the last one, from a warping path.

    Args:
        path: pairs of token index and encoder state, both rising.
        tokens: how many text tokens there are.
        samples: length of the audio.
    """
    starts = [samples] * (tokens + 1)
    for token, state in reversed(path):
        if token <= tokens:
            starts[token] = min(samples, state * STATE_SAMPLES)
    for index in range(tokens - 1, -1, -1):
        starts[index] = min(starts[index], starts[index + 1])
    return starts


def words_of(group: TokenGroup, start: int, end: int, confidence: float) -> list[Word]:
    """Return the words of one token group: a Latin word, or one for each Chinese character."""
    text = fold_variants(to_traditional("".join(char for char in group.text if char not in MARKS))).strip()
    pieces = list(text) if any(map(is_han, text)) else [text]
    step = (end - start) / max(1, len(pieces))
    return [
        Word(
            text=piece,
            start=start + round(index * step),
            end=start + round((index + 1) * step),
            confidence=confidence,
        )
        for index, piece in enumerate(pieces)
        if piece
    ]
