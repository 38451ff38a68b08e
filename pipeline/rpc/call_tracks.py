"""Where a call's audio lies on its time line, before anybody has heard it. Pure."""

from __future__ import annotations

from pipeline.audio.codecs import BYTES_PER_SAMPLE
from pipeline.audio.timeline import Timeline
from pipeline.calls.info import SAMPLE_RATE, CallSpec
from pipeline.calls.messages import AudioChunk
from pipeline.config import LimitSettings
from pipeline.errors import CallError


class CallTracks:
    """The channels of one call; counts as the node does that will hear it.

    Args:
        spec: of the call.
        limits: of the server.

    Attributes:
        end_ms: end of what came so far, ms since the call began.
    """

    def __init__(self, spec: CallSpec, limits: LimitSettings) -> None:
        longest = int(limits.max_call_s * spec.sample_rate)
        self._lines = [Timeline(spec.sample_rate, longest) for _ in spec.roles]
        self._rate, self._size = spec.sample_rate, BYTES_PER_SAMPLE[spec.codec]
        self.end_ms = 0.0

    def place(self, chunk: AudioChunk) -> int | None:
        """Take a message; return where it begins, ms; None where only the node can tell."""
        lines = self._lines if chunk.channel is None else self._lines[chunk.channel : chunk.channel + 1]
        size = len(chunk.data) // (self._size * max(1, len(lines)))
        at = chunk.offset_ms
        for line in lines:
            try:
                placed = line.place(chunk.sequence, size, chunk.offset_ms, chunk.count)
            except CallError:
                return chunk.offset_ms  # the node says what is wrong with it
            if placed.late:
                return chunk.offset_ms  # the node knows its place by its number
        if lines:
            end_ms = max(line.position for line in lines) * 1000 / SAMPLE_RATE
            self.end_ms = max(self.end_ms, end_ms)
            at = max(0, round(end_ms - size * 1000 / self._rate))
        return at
