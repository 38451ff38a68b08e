"""Recordings of every kind as they go over the wire."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from client.errors import BadAudio
from yuetone.v1 import audio_pb2

_SUBTYPES = {"ULAW": audio_pb2.CODEC_MULAW, "ALAW": audio_pb2.CODEC_ALAW}
_SAMPLE_BYTES = {audio_pb2.CODEC_MULAW: 1, audio_pb2.CODEC_ALAW: 1, audio_pb2.CODEC_L16: 2}
MOST_CHANNELS = 2


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
    """

    format: AudioFormat
    data: bytes

    @property
    def seconds(self) -> float:
        """Length in s."""
        return self.format.milliseconds(len(self.data)) / 1000


def read_audio(path: Path) -> CallAudio:
    """Read a recording of one or two channels; µ-law and A-law stay as they are, the rest becomes L16.

    Whatever libsndfile reads is taken: WAV (PCM, float, µ-law, A-law, GSM 6.10), FLAC, OGG, MP3, AIFF, AU.

    Raises:
        BadAudio: no such file, not audio, empty, or more than two channels.
    """
    if not path.is_file():
        raise BadAudio(f"no recording at {path}")
    try:
        with sf.SoundFile(path) as file:
            subtype, rate, channels = file.subtype, file.samplerate, file.channels
            samples = file.read(dtype="int16", always_2d=True)
    except sf.SoundFileError as error:
        raise BadAudio(f"{path.name} is not audio that can be read (WAV, FLAC, OGG, MP3)") from error
    if channels > MOST_CHANNELS:
        raise BadAudio(f"{path.name} has {channels} channels; a call has one or two")
    if not len(samples):
        raise BadAudio(f"{path.name} has no samples")
    codec = _SUBTYPES.get(subtype, audio_pb2.CODEC_L16)
    if codec == audio_pb2.CODEC_L16:
        data = samples.astype("<i2").tobytes()
    else:
        buffer = io.BytesIO()
        sf.write(buffer, samples, rate, subtype=subtype, format="RAW")
        data = buffer.getvalue()
    return CallAudio(format=AudioFormat(codec=codec, rate=rate, channels=channels), data=data)
