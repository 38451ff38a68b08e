"""Stretches of speech as the tracker keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from diarization.base import SpeakerTurn, Vector
from diarization.local import Span


@dataclass(slots=True, kw_only=True, eq=False)
class SpeechSegment:
    """A local speaker, or, without spans, everything that is left of an old voice."""

    key: int
    vector: Vector | None
    seconds: float
    spans: tuple[Span, ...]
    label: str = ""
    sure: bool = False
    rivals: list[SpeechSegment] = field(default_factory=list)


def mean_directions(
    vectors: np.ndarray, seconds: np.ndarray, voices: np.ndarray, names: np.ndarray
) -> np.ndarray:
    """Return the mean direction of each voice, shape (names, size)."""
    weighted = vectors * np.sqrt(seconds)[:, None]
    means = np.stack([weighted[voices == name].sum(axis=0) for name in names])
    return np.asarray(means / (np.linalg.norm(means, axis=1, keepdims=True) + 1e-9))


def turn_of(item: SpeechSegment, span: Span) -> SpeakerTurn:
    """Return a span with its label."""
    return SpeakerTurn(
        speaker=item.label, start=span.start, end=span.end, overlapped=span.overlapped, sure=item.sure
    )


def at_once(first: SpeechSegment, second: SpeechSegment) -> bool:
    """Tell whether two speak at the same time."""
    return any(a.start < b.end and b.start < a.end for a in first.spans for b in second.spans)
