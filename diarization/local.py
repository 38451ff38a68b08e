"""One window of speech: its local speakers, where each speaks, and the voice of each as a vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diarization.base import SAMPLE_RATE, SHORTEST, Embedder, Pcm, SpeakerSegmentation, Vector

Active = NDArray[np.bool_]

ONSET = 0.5
FILL_S, DROP_S = 0.2, 0.1
"""Shorter pauses within a turn are filled, shorter bursts dropped."""
SOLO_S = 0.6
"""Seconds of speech with nobody else at the same time; with less, overlapped speech is taken as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Speech of one local speaker; samples since the start of the call."""

    start: int
    end: int
    overlapped: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalSpeaker:
    """One voice within a window.

    Attributes:
        vector: of length 1; None if too little was said for one.
        seconds: of speech behind the vector.
        spans: where it speaks, in the part that was asked for.
    """

    vector: Vector | None
    seconds: float
    spans: tuple[Span, ...]

    @property
    def length(self) -> int:
        """Samples of speech in the part that was asked for."""
        return sum(span.end - span.start for span in self.spans)


def hear_window(
    pcm: Pcm, origin: int, start: int, end: int, segmenter: SpeakerSegmentation, embedder: Embedder
) -> list[LocalSpeaker]:
    """Return who speaks between ``start`` and ``end``.

    Args:
        pcm: float32 mono at 16 kHz, shape (n,), n >= SHORTEST; may begin before ``start``: what is known of a
            voice from there helps.
        origin: sample that ``pcm`` begins with.
        start: first sample asked for.
        end: behind the last one, at most ``origin`` + n.
        segmenter: tells local speakers apart.
        embedder: makes vectors of them.
    """
    active = smoothed(segmenter.activity(pcm) > ONSET, segmenter.step)
    crowded = active.sum(axis=1) > 1
    grid = _Grid(first=segmenter.first, step=segmenter.step, samples=len(pcm))
    found = []
    for speaker in range(active.shape[1]):
        spans = grid.spans(active[:, speaker], crowded, origin, start, end)
        if not spans:
            continue
        speech = pcm[grid.stretch(active[:, speaker] & ~crowded)]
        if len(speech) < SOLO_S * SAMPLE_RATE:
            speech = pcm[grid.stretch(active[:, speaker])]
        vector = embedder.embed(speech) if len(speech) >= SHORTEST else None
        found.append(LocalSpeaker(vector=vector, seconds=len(speech) / SAMPLE_RATE, spans=spans))
    return found


def smoothed(active: Active, step: int) -> Active:
    """Return ``active``, shape (frames, speakers), with short pauses filled and short bursts dropped."""
    out = active.copy()
    for column in out.T:
        for value, seconds in ((False, FILL_S), (True, DROP_S)):
            for first, last in runs(column == value):
                inside = value or (first > 0 and last < len(column))
                if inside and (last - first) * step < seconds * SAMPLE_RATE:
                    column[first:last] = not value
    return out


def runs(flags: Active) -> list[tuple[int, int]]:
    """Return first and behind-last index of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Where the frames of an answer lie in a window."""

    first: int
    step: int
    samples: int

    def spans(self, active: Active, crowded: Active, origin: int, start: int, end: int) -> tuple[Span, ...]:
        """Return where a speaker speaks between ``start`` and ``end``, in spans alone and overlapped."""
        spans = []
        for flags, overlapped in ((active & ~crowded, False), (active & crowded, True)):
            for head, tail in runs(flags):
                begin = max(start, origin + self.first + head * self.step)
                stop = min(end, origin + self.first + tail * self.step)
                if stop > begin:
                    spans.append(Span(start=begin, end=stop, overlapped=overlapped))
        return tuple(sorted(spans, key=lambda span: span.start))

    def stretch(self, flags: Active) -> Active:
        """Return ``flags`` for samples instead of frames."""
        frames = (np.arange(self.samples) - self.first) // self.step
        return np.asarray(flags[np.clip(frames, 0, len(flags) - 1)])
