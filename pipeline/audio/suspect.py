"""Audio that is not coded as StartCall says: from its first seconds. Pure.

G.711 codes of soft sounds lie together and loud ones are rarer, so that their histogram rises and falls
once. Read as the other law, its parts change places: it rises and falls twice as much. Measured on 20
pieces of 3 s (meetings of real people, the bundled call, noise): right 0.3 to 0.9, wrong 1.6 to 2.9 times
that. In L16 the high bytes are few and the low bytes are any.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.codecs import decoded
from pipeline.calls.info import Codec

JUDGED_S = 3.0
"""Sound from which is judged, s; silence tells nothing."""
PATIENCE_S = 60.0
"""Audio, sound or not, behind which no more is looked at: each look decodes a message once more."""
LOUD = 10 ** (-50 / 20)
"""RMS from which a piece of audio is sound."""
CALMER = 0.65
"""Share of the histogram's ups and downs below which another way to read it is the right one."""
LEAST_ENTROPY = 1.0
"""Bits by which low bytes must be poorer than high ones, where the byte order is wrong."""
_PARTS = 32
_NAMES = {Codec.MULAW: "µ-law", Codec.ALAW: "A-law"}
_MAGNITUDE = {Codec.MULAW: 0x7F, Codec.ALAW: 0x55}
"""What codes are XORed with (ITU-T G.711), so that magnitudes count from 0."""


class CodingWatch:
    """Judges the coding of a call's audio once.

    Args:
        codec: that the client stated.
        rate: samples a second.
    """

    def __init__(self, codec: Codec, rate: int) -> None:
        self._codec = codec
        self._left = int(JUDGED_S * rate)
        self._patience = int(PATIENCE_S * rate)
        self._bytes = np.zeros((2, 256))  # how often each byte came: of codes, or of low and high bytes
        self._steps = np.zeros(2)  # how rough L16 is as it is, and with its bytes exchanged

    @property
    def done(self) -> bool:
        """Whether nothing more need be looked at."""
        return self._left <= 0 or self._patience <= 0

    def look(self, data: bytes, channels: int) -> str | None:
        """Take a message; return what it looks like, once, if that is not what was stated.

        Args:
            data: whole samples.
            channels: interleaved in it; the first one is judged.
        """
        stated = decoded(data, self._codec)[::channels]
        self._patience -= len(stated)
        if len(stated) < 2 or float(np.sqrt(np.mean(stated**2))) < LOUD:
            return None
        self._left -= len(stated)
        if self._codec is Codec.L16:
            self._count_l16(np.frombuffer(data, np.uint8).reshape(-1, 2 * channels)[:, :2])
        else:
            self._bytes[0] += np.bincount(np.frombuffer(data, np.uint8)[::channels], minlength=256)
        return self._judged() if self._left <= 0 else None

    def _count_l16(self, pairs: NDArray[np.uint8]) -> None:
        for order in (0, 1):
            self._bytes[order] += np.bincount(pairs[:, order], minlength=256)
        native = np.ascontiguousarray(pairs).view("<i2").ravel().astype(np.float32)
        swapped = np.ascontiguousarray(pairs).view(">i2").ravel().astype(np.float32)
        for order, pcm in enumerate((native, swapped)):
            self._steps[order] += float(np.abs(np.diff(pcm)).sum() / (np.abs(pcm).sum() + 1e-9))

    def _judged(self) -> str | None:
        if self._codec is Codec.L16:
            low, high = (_entropy(counts) for counts in self._bytes)
            wrong = high - low >= LEAST_ENTROPY and self._steps[1] < self._steps[0]
            return "big-endian; L16 is little-endian here" if wrong else None
        other = Codec.ALAW if self._codec is Codec.MULAW else Codec.MULAW
        as_stated, as_other = (_unrest(self._bytes[0], codec) for codec in (self._codec, other))
        if as_other >= CALMER * as_stated:
            return None
        return f"{_NAMES[other]}, and StartCall.codec says {_NAMES[self._codec]}"


def _unrest(counts: NDArray[np.float64], codec: Codec) -> float:
    """Return how much the histogram of magnitudes goes up and down, of a codec that the codes may be of."""
    magnitudes = (np.arange(256) ^ _MAGNITUDE[codec]) & 0x7F
    parts = np.bincount(magnitudes * _PARTS // 128, weights=counts, minlength=_PARTS) / counts.sum()
    return float(np.abs(np.diff(parts, prepend=parts[0], append=0.0)).sum())


def _entropy(counts: NDArray[np.float64]) -> float:
    """Return the entropy of bytes, in bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
