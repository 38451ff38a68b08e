"""One channel's time line: where each piece of audio belongs, and silence where a piece is missing.

Pure: no clock, no asyncio. Positions inside are samples at the rate the client sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.resample import Resampler
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import CallTooLong, InvalidRequest

Pcm = NDArray[np.float32]
TOLERANCE_MS = 60
"""Difference between a stated and the counted position that is taken for rounding or jitter."""
RESTART = 100
"""Messages by which a number must fall back to be of a counter that began anew (two seconds of 20 ms each),
and not of a message that comes late."""
ROUNDING_MS = 5
"""The same where a number says that a message is old: only one that goes right on is new."""
BLOCK_S = 1
"""Silence is made in blocks of this length, so that an hour of hold needs no hour of memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of one chunk.

    Attributes:
        missing: samples of silence to put before it, at the client's rate.
        skip: samples of it that were heard already.
        late: it belongs before what was heard; all of it is left out.
        jumped: messages that the sequence says are missing.
    """

    missing: int = 0
    skip: int = 0
    late: bool = False
    jumped: int = 0


class Timeline:
    """Turns chunks of one channel into gapless 16 kHz audio.

    Args:
        rate: samples a second, as sent.
        max_samples: longest call, at that rate.
    """

    def __init__(self, rate: int, max_samples: int) -> None:
        self._rate = rate
        self._max_samples = max_samples
        self._resampler = Resampler(rate)
        self._received = 0
        self._next_sequence: int | None = 0
        self._last_size = 0
        self._exact = False
        self.gap_samples = 0

    @property
    def position(self) -> int:
        """Samples taken so far, at 16 kHz."""
        return self._received * SAMPLE_RATE // self._rate

    def reconnect(self) -> None:
        """Accept any sequence number next: the client has a new stream."""
        self._next_sequence = None
        self._exact = True  # until new audio comes: what was sent twice must not be heard twice

    @property
    def next_sequence(self) -> int | None:
        """Number of the message that should come next; None when any may."""
        return self._next_sequence

    def place(
        self, sequence: int, size: int, offset_ms: int | None, count: int = 1, longest_gap_s: float = 1e9
    ) -> Placed:
        """Decide where a chunk of ``size`` samples, ``count`` messages in one, goes; count it as taken.

        A stated offset decides where a chunk goes, whatever its number. Without one, a number that falls far
        back is that of a counter which began anew (transfers, RTP behind 65,535): the chunk goes on.

        Raises:
            InvalidRequest: the offset lies before the call, or the chunk too far ahead.
            CallTooLong: the chunk ends behind the longest call.
        """
        expected = self._expected(sequence, offset_ms)
        if sequence + count <= expected:
            return Placed(late=True)
        jumped = max(0, sequence - expected)
        missing, skip = self._shift(jumped, size, offset_ms)
        skip = max(skip, size * max(0, expected - sequence) // count)  # what of a run was heard already
        if self._received + missing + size > self._max_samples:
            raise CallTooLong(
                f"audio passes the longest call of {self._max_samples // self._rate} s (limits.max_call_s)"
            )
        if missing > longest_gap_s * self._rate:
            raise InvalidRequest(
                f"audio jumps {missing // self._rate} s ahead, more than {longest_gap_s:.0f} s; check "
                "Audio.offset_ms and Audio.sequence, and send Pause for a hold"
            )
        self._next_sequence = sequence + count
        self._last_size = size // count
        self._received += missing + max(0, size - skip)
        self.gap_samples += missing
        if skip >= size > 0:
            return Placed(late=True, jumped=jumped)
        self._exact = False
        return Placed(missing=missing, skip=skip, jumped=jumped)

    def _expected(self, sequence: int, offset_ms: int | None) -> int:
        """Return the number that should come now: the chunk's own where its counter began anew."""
        if not self._last_size and sequence > RESTART:
            return sequence  # a counter need not begin at 0: that of RTP does not
        if self._next_sequence is None or sequence >= self._next_sequence:
            return sequence if self._next_sequence is None else self._next_sequence
        if offset_ms is None:
            return sequence if self._next_sequence - sequence > RESTART else self._next_sequence
        ahead = offset_ms * self._rate // 1000 - self._received
        new = ahead * 1000 >= -ROUNDING_MS * self._rate
        return sequence if new and not self._exact else self._next_sequence

    def _shift(self, jumped: int, size: int, offset_ms: int | None) -> tuple[int, int]:
        """Return samples missing before the chunk, and samples at its start that were heard already."""
        if offset_ms is None:
            return jumped * (self._last_size or size), 0
        if offset_ms < 0:
            raise InvalidRequest("Audio.offset_ms is negative; it counts from the first sample of the call")
        ahead = offset_ms * self._rate // 1000 - self._received
        if abs(ahead) * 1000 <= TOLERANCE_MS * self._rate and not jumped and not self._exact:
            return 0, 0
        return max(0, ahead), max(0, -ahead)

    def accept(self, samples: Pcm) -> Pcm:
        """Return 16 kHz audio for the next samples of a placed chunk, those that are not left out."""
        return self._resampler.accept(samples)

    def gap(self, placed: Placed) -> Iterator[Pcm]:
        """Yield 16 kHz silence for what is missing before a placed chunk, in blocks."""
        samples = placed.missing
        block = BLOCK_S * self._rate
        for start in range(0, samples, block):
            yield self._resampler.accept(np.zeros(min(block, samples - start), np.float32))

    def flush(self) -> Pcm:
        """Return the resampler's rest at the end of the call."""
        return self._resampler.flush()
