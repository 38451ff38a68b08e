"""One line copied to both channels: recorders that know one party only fill both with it. Pure.

A copy has the same wave form, at any small lag and at any level, whoever speaks; noise of its own may lie
on each. An echo is softer than its source, and who is echoed changes with who speaks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diarization.base import Pcm

PIECE = 4096
"""Samples at 8 kHz that are compared at once: half a second."""
_BAND = slice(200 * 2 * PIECE // 8000, 1200 * 2 * PIECE // 8000)
"""200 to 1,200 Hz."""
SILENT = 1e-6
"""Power in that band below which a piece is digital silence."""
LONGEST_LAG = 240
"""Samples at 8 kHz, 30 ms: two legs of one switch."""
LEAST_LIKENESS = 0.6
"""Normalised correlation of a copy. Noise of its own 5 dB below the speech on each channel leaves 0.76; two
people who speak at once had less than 0.35."""
LIKENESS_OF_SOFTER = 0.95
"""The same where one channel is much softer: else it may be an echo while the other party is silent."""
SOFTER_DB = 6.0
"""Difference of level from which one channel counts as much softer."""
MORE_OF_SOFTER = 2.5
"""How much more speech is needed then."""
STEADY_DB = 5.0
"""A copy keeps its level; two microphones in one room do not, when the other person speaks."""
MOST_KEPT = 64
"""Pieces remembered: half a minute of speech."""
MOST_OTHERS = 0.1
"""Share of pieces that may be unlike: messages were lost on one channel."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two channels were for a piece in which somebody spoke.

    Attributes:
        correlation: normalised, at the best lag, in [0, 1].
        lag: samples at 8 kHz by which the second channel comes later.
        gain_db: of the second channel against the first.
    """

    correlation: float
    lag: int
    gain_db: float


UNLIKE = Likeness(0.0, 0, 0.0)


def likeness(first: Pcm, second: Pcm) -> Likeness:
    """Compare two pieces of :data:`PIECE` samples at 8 kHz.

    Only the band is compared in which speech is strongest: below lies hum that both may have, above mostly
    noise.
    """
    a, b = (np.fft.rfft(pcm, 2 * PIECE)[_BAND] for pcm in (first, second))
    power_a, power_b = float(np.vdot(a, a).real), float(np.vdot(b, b).real)
    if min(power_a, power_b) < SILENT:
        return UNLIKE
    spectrum = np.zeros(PIECE + 1, np.complex128)
    spectrum[_BAND] = np.conj(a) * b
    wrapped = np.fft.irfft(spectrum) * PIECE
    around = np.concatenate([wrapped[-LONGEST_LAG:], wrapped[: LONGEST_LAG + 1]])
    at = int(np.argmax(around))
    correlation = max(0.0, float(around[at]) / float(np.sqrt(power_a * power_b)))
    return Likeness(min(1.0, correlation), at - LONGEST_LAG, 10 * float(np.log10(power_b / power_a)))


class CopyWatch:
    """Remembers how alike two channels were, piece by piece."""

    def __init__(self) -> None:
        self._found: deque[tuple[float, Likeness]] = deque(maxlen=MOST_KEPT)

    def note(self, at_s: float, found: Likeness) -> None:
        """A piece in which somebody spoke, ending at ``at_s``, was so."""
        self._found.append((at_s, found))

    def are_same(self, now_s: float, *, seconds: float, least_s: float) -> bool | None:
        """Tell whether both channels carried the same lately; None if too little was said to tell.

        Args:
            now_s: end of what was heard.
            seconds: to look back.
            least_s: of speech without which nothing is told.
        """
        pieces = [found for at, found in self._found if at > now_s - seconds]
        spoken_s = len(pieces) * PIECE / 8000
        if spoken_s < least_s:
            return None
        gains = np.array([piece.gain_db for piece in pieces])
        softer = abs(float(np.median(gains))) > SOFTER_DB
        if softer and spoken_s < MORE_OF_SOFTER * least_s:
            return None
        return _alike(pieces, LIKENESS_OF_SOFTER if softer else LEAST_LIKENESS)


def _alike(pieces: list[Likeness], least: float) -> bool:
    lag = float(np.median([piece.lag for piece in pieces]))
    alike = [piece for piece in pieces if piece.correlation >= least and abs(piece.lag - lag) <= 2]
    if len(alike) < (1 - MOST_OTHERS) * len(pieces):
        return False
    low, high = np.percentile([piece.gain_db for piece in alike], [10, 90])
    return bool(high - low <= STEADY_DB)


def envelopes_alike(first: NDArray[np.float32], second: NDArray[np.float32], least: float = 0.5) -> bool:
    """Tell whether levels rise and fall together at any small lag: cheap, to ask first.

    Args:
        first: dB of 10 ms frames, shape (n,).
        second: the same of the other channel, shape (n,).
        least: correlation.
    """
    inner = first[2:-2]
    return any(_correlation(inner, second[shift : shift + len(inner)]) >= least for shift in (0, 2, 4))


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
