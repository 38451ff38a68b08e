"""Recordings of every kind as they go over the wire."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from client.decoding import RawFormat, decode_file
from yuetone.v1 import audio_pb2

_CODECS = {"ulaw": audio_pb2.CODEC_MULAW, "alaw": audio_pb2.CODEC_ALAW}
_SAMPLE_BYTES = {audio_pb2.CODEC_MULAW: 1, audio_pb2.CODEC_ALAW: 1, audio_pb2.CODEC_L16: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """How a call's audio is coded.

    Attributes:
        codec: of every message.
        rate: samples a second and channel.
        channels: 1 or 2, interleaved.
    """

    codec: audio_pb2.Codec.ValueType
    rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample on all channels."""
        return _SAMPLE_BYTES[self.codec] * self.channels

    def milliseconds(self, data_bytes: int) -> float:
        """Return the length of so many bytes, in ms."""
        return data_bytes / self.frame_bytes * 1000 / self.rate


MULAW_8K_STEREO = AudioFormat(codec=audio_pb2.CODEC_MULAW, rate=8000, channels=2)
"""What most PBXs send: G.711 µ-law, both parties interleaved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAudio:
    """A whole recording.

    Attributes:
        format: how it is coded.
        data: all bytes, whole frames.
        remarks: what was odd about the file, for people.
    """

    format: AudioFormat
    data: bytes
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length in s."""
        return self.format.milliseconds(len(self.data)) / 1000


def read_audio(path: Path, raw: RawFormat | None = None) -> CallAudio:
    """Read a recording of one or two channels; µ-law and A-law stay as they are, the rest becomes L16.

    Args:
        path: of any kind that :mod:`client.decoding` reads.
        raw: how a file without a header is coded.

    Raises:
        BadAudio: no such file, not audio, empty, too long, or more than two channels.
    """
    found = decode_file(path, raw)
    codec = _CODECS.get(found.coding, audio_pb2.CODEC_L16)
    whole = (found.samples * 32768).round().clip(-32768, 32767).astype("<i2")
    if codec == audio_pb2.CODEC_L16:
        data = whole.tobytes()
    else:
        buffer = io.BytesIO()
        sf.write(buffer, whole, found.rate, subtype=found.coding.upper(), format="RAW")
        data = buffer.getvalue()
    audio = AudioFormat(codec=codec, rate=found.rate, channels=found.samples.shape[1])
    return CallAudio(format=audio, data=data, remarks=found.remarks)
