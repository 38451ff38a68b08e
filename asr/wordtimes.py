"""From an alignment of tokens with encoder states to words with times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.base import Word
from asr.features import HOP_SAMPLES
from asr.vocabulary import TokenGroup
from cantonese.characters import fold_variants, is_han, to_traditional
from cantonese.spoken import MARKS

STATE_SAMPLES = 2 * HOP_SAMPLES
"""Samples per encoder state: 20 ms."""


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Where the tokens of a text are.

    Attributes:
        starts: first sample of each, and behind the last one.
        probabilities: of each, in [0, 1].
    """

    starts: Sequence[int]
    probabilities: Sequence[float]


def warped(
    path: Sequence[tuple[int, int]], probabilities: Sequence[float], tokens: int, samples: int
) -> TokenTimes:
    """Return times from a warping path of the cross-attention.

    Args:
        path: pairs of token index and encoder state, both rising.
        probabilities: of each token.
        tokens: how many text tokens there are.
        samples: length of the audio.
    """
    starts = [samples] * (tokens + 1)
    for token, state in reversed(path):
        if token <= tokens:
            starts[token] = min(samples, state * STATE_SAMPLES)
    for index in range(tokens - 1, -1, -1):
        starts[index] = min(starts[index], starts[index + 1])
    return TokenTimes(starts, probabilities)


def timed_words(groups: Sequence[TokenGroup], times: TokenTimes) -> tuple[Word, ...]:
    """Return the words of a text, each as sure as its tokens are on average."""
    words: list[Word] = []
    for group in groups:
        sure = times.probabilities[group.first : group.last]
        confidence = min(1.0, sum(sure) / len(sure)) if sure else 0.0
        words += words_of(group, times.starts[group.first], times.starts[group.last], confidence)
    return tuple(words)


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
