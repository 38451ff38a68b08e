"""The sound of a call as a WAV file of G.711 µ-law, of which parts can be asked for."""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from yuetone.v1 import record_service_pb2 as pb

MULAW = 7
"""Format tag of G.711 µ-law in WAV (RFC 2361)."""
SILENCE = b"\xff"
_HEAD = struct.Struct("<4sI4s4sIHHIIHHH4sI")
_RANGE = re.compile(r"bytes=(\d{1,12})-(\d{0,12})")


def rate_of(call: pb.RecordedCall) -> int:
    """Return the samples a second of a call's sound: what the server told, or telephone quality."""
    return call.sample_rate_hz or 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where what is in the file.

    Attributes:
        channels: interleaved.
        rate: samples a second and channel.
        ms: of sound.
    """

    channels: int
    rate: int
    ms: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return _HEAD.size + self._frames * self.channels

    @property
    def _frames(self) -> int:
        return self.ms * self.rate // 1000

    def wanted(self, header: str | None) -> tuple[int, int]:
        """Return the first and the last byte of a request; all of them where the header is none of ours."""
        found = _RANGE.fullmatch(header or "")
        if found is None or int(found[1]) >= self.size:
            return 0, self.size - 1
        last = int(found[2]) if found[2] else self.size - 1
        return int(found[1]), max(int(found[1]), min(last, self.size - 1))

    def ms_at(self, byte: int) -> int:
        """Return where in the call to begin reading for a byte of the file."""
        return max(0, byte - _HEAD.size) // self.channels * 1000 // self.rate

    def head(self) -> bytes:
        """Return the head of the file."""
        data = self._frames * self.channels
        return _HEAD.pack(
            b"RIFF", _HEAD.size - 8 + data, b"WAVE", b"fmt ", 18, MULAW, self.channels, self.rate,
            self.rate * self.channels, self.channels, 8, 0, b"data", data,
        )  # fmt: skip

    async def body(
        self, pieces: AsyncIterator[pb.StreamRecordingResponse], first: int, last: int
    ) -> AsyncIterator[bytes]:
        """Yield the bytes from the first to the last one; what the record lacks at its end is silence.

        Args:
            pieces: of the sound, from :meth:`ms_at` of the first byte on.
            first: byte.
            last: byte.
        """
        at = first
        if at < _HEAD.size:
            part = self.head()[at : last + 1]
            yield part
            at += len(part)
        begins: int | None = None  # where in the file the next piece begins; they follow one another
        async for piece in pieces:
            if begins is None:
                begins = _HEAD.size + piece.start_ms * self.rate // 1000 * self.channels
            if at > last:
                return
            data = piece.data[max(0, at - begins) :][: last + 1 - at]
            begins += len(piece.data)
            if data:
                yield data
                at += len(data)
        while at <= last:
            gap = min(65_536, last + 1 - at)
            yield SILENCE * gap
            at += gap
