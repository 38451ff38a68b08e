"""Messages of audio of one call put together, before they go on to whoever has the call."""

from __future__ import annotations

from pipeline.audio.codecs import BYTES_PER_SAMPLE
from pipeline.calls.info import CallSpec
from pipeline.calls.messages import AudioChunk
from pipeline.rpc import requests
from pipeline.stages.joining import join_audio
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb


class Joiner:
    """Puts a call's audio together; forwards everything else at once and in order.

    Args:
        spec: of the call.
        max_bytes: of one message of audio.
    """

    def __init__(self, spec: CallSpec, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = BYTES_PER_SAMPLE[spec.codec]
        self._rate = spec.sample_rate
        self._channels = len(spec.roles)
        self._first = 0 if spec.resume is None else None
        self._expected: dict[int | None, int] = {}
        self._waiting: list[AudioChunk] = []

    def add(self, chunk: AudioChunk) -> None:
        """Keep a message of audio for the next :meth:`take`."""
        self._waiting.append(chunk)

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no more should be kept: the client sends faster than the server behind takes."""
        return len(self._waiting) >= requests.MAX_JOINED

    def chunks(self) -> list[AudioChunk]:
        """Return what was kept, put together."""
        waiting, self._waiting = self._waiting, []
        out = []
        for message in join_audio(waiting, self._next, self._length_ms, self._max_bytes):
            if isinstance(message, AudioChunk):
                behind = message.sequence + message.count
                self._expected[message.channel] = max(behind, self._expected.get(message.channel, 0))
                out.append(message)
        return out

    def take(self) -> list[bytes]:
        """Return what was kept, put together, as messages."""
        return [message_of(chunk).SerializeToString() for chunk in self.chunks()]

    def _next(self, channel: int | None) -> int | None:
        return self._expected.get(channel, self._first)

    def _length_ms(self, chunk: AudioChunk) -> float | None:
        size = self._bytes * (self._channels if chunk.channel is None else 1)
        return None if len(chunk.data) % size else len(chunk.data) / size * 1000 / self._rate


def message_of(chunk: AudioChunk) -> pb.StreamCallRequest:
    """Return a message of audio in its wire form."""
    audio = audio_pb2.Audio(
        sequence=chunk.sequence,
        data=chunk.data,
        offset_ms=chunk.offset_ms,
        channel=chunk.channel,
        joined=chunk.count if chunk.count > 1 else 0,
    )
    return pb.StreamCallRequest(audio=audio)


def audio_of(data: bytes) -> AudioChunk | None:
    """Return a message's audio; None for every other message, and for one that the server will refuse."""
    try:
        found = requests.client_message(pb.StreamCallRequest.FromString(data))
    except Exception:  # noqa: BLE001 (not for this process to judge)
        return None
    return found if isinstance(found, AudioChunk) else None
