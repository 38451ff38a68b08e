"""Streaming resampling to 16 kHz with libsoxr; what goes in at once or in pieces comes out the same."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from pipeline.calls.info import SAMPLE_RATE


class Resampler:
    """One channel of one call.

    The filter's delay is compensated by soxr: sample ``n`` out lies at the time of sample ``n`` in, and
    the last few milliseconds come with :meth:`flush`.

    Args:
        rate: of the input, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._stream = None
        if rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def accept(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is due, float32 at 16 kHz, shape (m,); m may be 0."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples), np.float32).reshape(-1)

    def flush(self) -> NDArray[np.float32]:
        """Return the rest; nothing may be accepted after."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        empty = np.zeros(0, np.float32)
        return np.asarray(self._stream.resample_chunk(empty, last=True), np.float32).reshape(-1)
