"""A telephony client: streams a recording over gRPC, paced, and measures what comes back."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import soundfile as sf
from google.protobuf.message import Message

from pipeline.errors import SettingsError
from yuetone.v1 import assist_pb2, audio_pb2, call_service_pb2_grpc, transcript_pb2
from yuetone.v1 import call_service_pb2 as pb

ROLES = {
    "customer": audio_pb2.ROLE_CUSTOMER,
    "agent": audio_pb2.ROLE_AGENT,
    "unknown": audio_pb2.ROLE_UNSPECIFIED,
}
_CONNECT_S = 10.0
_PROBE_MS = 20
_SUBTYPES = {"ULAW": audio_pb2.CODEC_MULAW, "ALAW": audio_pb2.CODEC_ALAW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A file as it goes over the wire.

    Attributes:
        codec: of ``data``.
        rate: samples a second.
        channels: 1 or 2, interleaved.
        data: all bytes.
        frame_bytes: bytes of one sample on all channels.
    """

    codec: audio_pb2.Codec.ValueType
    rate: int
    channels: int
    data: bytes
    frame_bytes: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.data) / self.frame_bytes / self.rate


def read_recording(path: Path) -> Recording:
    """Read WAV, FLAC, OGG or MP3; µ-law and A-law stay as they are, the rest becomes L16.

    Raises:
        SettingsError: no such file, not audio, or more than two channels.
    """
    if not path.is_file():
        raise SettingsError(f"no recording at {path}")
    try:
        with sf.SoundFile(path) as file:
            subtype, rate, channels = file.subtype, file.samplerate, file.channels
            samples = file.read(dtype="int16", always_2d=True)
    except sf.SoundFileError as error:
        raise SettingsError(f"{path.name} is not audio that can be read (WAV, FLAC, OGG, MP3)") from error
    if channels > 2:
        raise SettingsError(f"{path.name} has {channels} channels; a call has one or two")
    if not len(samples):
        raise SettingsError(f"{path.name} has no samples")
    codec = _SUBTYPES.get(subtype, audio_pb2.CODEC_L16)
    if codec == audio_pb2.CODEC_L16:
        return Recording(
            codec=codec,
            rate=rate,
            channels=channels,
            data=samples.astype("<i2").tobytes(),
            frame_bytes=2 * channels,
        )
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate, subtype=subtype, format="RAW")
    return Recording(codec=codec, rate=rate, channels=channels, data=buffer.getvalue(), frame_bytes=channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """How to stream.

    Attributes:
        call_id: of the call.
        roles: by channel, names of :data:`ROLES`.
        speed: 1 is real time, 2 twice as fast, 0 as fast as the server accepts.
        chunk_ms: audio in one message.
        language: BCP 47 hint, or None.
        profile: of the server, or None.
        hotwords: likely words.
    """

    call_id: str
    roles: Sequence[str]
    speed: float = 1.0
    chunk_ms: int = 60
    language: str | None = None
    profile: str | None = None
    hotwords: Sequence[str] = ()


@dataclass(slots=True)
class Latencies:
    """What the client saw, in seconds.

    Attributes:
        finals: from sending the last speech sample to receiving the final.
        partial_ages: from sending a sample to the first partial that covers it.
        suggestions: from sending the last speech sample of an utterance to the first suggestion for it.
        early_suggestions: how many came while the customer still spoke.
    """

    finals: list[float] = field(default_factory=list)
    partial_ages: list[float] = field(default_factory=list)
    suggestions: list[float] = field(default_factory=list)
    early_suggestions: int = 0


class LatencyMeter:
    """Times server messages against when their audio was sent.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: list[tuple[int, float]] = []  # (ms behind the chunk, when it was sent)
        self._speech_end: dict[str, int] = {}
        self._covered: dict[str, int] = {}
        self._finished: dict[str, int] = {}  # utterance -> end of its speech, ms
        self._suggested: set[str] = set()
        self.latencies = Latencies()

    def sent(self, until_ms: int) -> None:
        """Audio up to ``until_ms`` has gone out."""
        self._sent.append((until_ms, self._clock()))

    def _sent_at(self, ms: int) -> float | None:
        low, high = 0, len(self._sent)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._sent[middle][0] < ms else (low, middle)
        return self._sent[low][1] if low < len(self._sent) else None

    def received(self, message: pb.StreamCallResponse) -> None:
        """Take a message from the server."""
        kind = message.WhichOneof("event")
        if kind == "speech" and message.speech.edge == transcript_pb2.SpeechEvent.EDGE_END:
            self._speech_end[message.speech.utterance_id] = message.speech.at_ms
        elif kind == "transcript":
            self._transcript(message.transcript)
        elif kind == "suggestion" and message.suggestion.state == assist_pb2.Suggestion.STATE_PROPOSED:
            self._suggestion(message.suggestion.utterance_id)

    def _suggestion(self, key: str) -> None:
        if key in self._suggested:
            return
        self._suggested.add(key)
        if key not in self._finished:
            self.latencies.early_suggestions += 1
        elif (sent := self._sent_at(self._finished[key])) is not None:
            self.latencies.suggestions.append(self._clock() - sent)

    def _transcript(self, transcript: transcript_pb2.Transcript) -> None:
        now, key = self._clock(), transcript.utterance_id
        if transcript.is_final:
            end = self._speech_end.pop(key, transcript.end_ms)
            self._covered.pop(key, None)
            self._finished[key] = end
            if not transcript.from_finalize and (sent := self._sent_at(end)) is not None:
                self.latencies.finals.append(now - sent)
            return
        start = self._covered.get(key, transcript.start_ms)
        for ms in range(start + _PROBE_MS, transcript.end_ms, _PROBE_MS):
            if (sent := self._sent_at(ms)) is not None:
                self.latencies.partial_ages.append(now - sent)
        self._covered[key] = max(start, transcript.end_ms)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the ``share`` quantile of ``values``, None if there are none."""
    return float(np.quantile(np.asarray(values), share)) if values else None


def call_stub(channel: grpc.aio.Channel) -> call_service_pb2_grpc.CallServiceAsyncStub:
    """Return the typed client of CallService."""
    stub: object = call_service_pb2_grpc.CallServiceStub(channel)
    # The generated module has one class for both worlds; only its type stubs tell them apart.
    return cast("call_service_pb2_grpc.CallServiceAsyncStub", stub)


async def stream_call(
    channel: grpc.aio.Channel, recording: Recording, options: CallOptions, meter: LatencyMeter
) -> AsyncIterator[pb.StreamCallResponse]:
    """Stream a recording as one call and yield what the server says.

    Raises:
        grpc.aio.AioRpcError: the server refused or ended the call with an error.
    """
    call = call_stub(channel).StreamCall()
    sender = asyncio.create_task(_send(call, recording, options, meter), name="send")
    try:
        async for message in call:
            meter.received(message)
            yield message
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        call.cancel()


async def _send(
    call: grpc.aio.StreamStreamCall[pb.StreamCallRequest, pb.StreamCallResponse],
    recording: Recording,
    options: CallOptions,
    meter: LatencyMeter,
) -> None:
    await call.write(pb.StreamCallRequest(start_call=_start(recording, options)))
    step = max(1, recording.rate * options.chunk_ms // 1000)
    frames = len(recording.data) // recording.frame_bytes
    began = time.monotonic()
    for sequence, first in enumerate(range(0, frames, step)):
        last = min(frames, first + step)
        if options.speed > 0:
            due = began + last / recording.rate / options.speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        data = recording.data[first * recording.frame_bytes : last * recording.frame_bytes]
        offset = first * 1000 // recording.rate
        await call.write(
            pb.StreamCallRequest(audio=audio_pb2.Audio(sequence=sequence, offset_ms=offset, data=data))
        )
        meter.sent(last * 1000 // recording.rate)
    await call.write(pb.StreamCallRequest(end_call=audio_pb2.EndCall()))
    await call.done_writing()


def _start(recording: Recording, options: CallOptions) -> audio_pb2.StartCall:
    roles = [*options.roles, *["unknown"] * recording.channels][: recording.channels]
    return audio_pb2.StartCall(
        call_id=options.call_id,
        codec=recording.codec,
        sample_rate_hz=recording.rate,
        channels=[audio_pb2.ChannelConfig(index=i, role=ROLES[role]) for i, role in enumerate(roles)],
        language_hint=options.language,
        profile=options.profile,
        hotwords=[audio_pb2.Hotword(text=word) for word in options.hotwords],
    )


async def connect(address: str, certificate: Path | None = None) -> grpc.aio.Channel:
    """Return a channel to ``address`` (host:port) that is known to work.

    Args:
        address: of the server.
        certificate: PEM authorities for TLS; None connects without.

    Raises:
        SettingsError: nobody answers there.
    """
    if certificate:
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        channel = grpc.aio.secure_channel(address, credentials)
    else:
        channel = grpc.aio.insecure_channel(address)
    try:
        async with asyncio.timeout(_CONNECT_S):
            await channel.channel_ready()
    except TimeoutError:
        await channel.close()
        raise SettingsError(f"no server answers at {address}; start one with 'yuetone serve'") from None
    return channel


def as_json(message: Message) -> dict[str, object]:
    """Return a message as a JSON object: proto field names, enum names, integers as numbers.

    Fields without presence are always there, unset optional and oneof fields are not.
    """
    out: dict[str, object] = {}
    for descriptor in message.DESCRIPTOR.fields:
        if descriptor.has_presence and not message.HasField(descriptor.name):
            continue
        value = getattr(message, descriptor.name)
        if descriptor.is_repeated:
            if descriptor.message_type and descriptor.message_type.GetOptions().map_entry:
                out[descriptor.name] = dict(value)
            else:
                out[descriptor.name] = [_json_value(descriptor, item) for item in value]
        else:
            out[descriptor.name] = _json_value(descriptor, value)
    return out


def _json_value(descriptor: Any, value: object) -> object:
    if isinstance(value, Message):
        return as_json(value)
    if descriptor.enum_type is not None and isinstance(value, int):
        known = descriptor.enum_type.values_by_number.get(value)
        return known.name if known else value
    return round(value, 4) if isinstance(value, float) else value
