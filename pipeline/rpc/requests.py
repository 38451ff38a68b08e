"""Requests of clients, checked and turned from protobuf into the domain's types."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from cantonese.personal import Category
from diarization import Role
from pipeline.calls import messages as msg
from pipeline.calls.info import (
    Arrival,
    CallInfo,
    CallSpec,
    Codec,
    Continues,
    PauseReason,
    ResumePoint,
)
from pipeline.errors import InvalidRequest, UnsupportedAudio
from pipeline.rpc.convert import DIRECTIONS, ROLES
from pipeline.stages.context import MAX_HOTWORDS
from yuetone.v1 import audio_pb2, call_service_pb2

RATES_TESTED = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
LONGEST_LABEL = 128
BESIDE_AUDIO_BYTES = 64 * 1024
"""What a message may hold beside its audio; StartCall and every other request are smaller than this."""
LATEST_MS = 24 * 3_600_000
"""A call that goes on with another one does so within a day."""
LONGEST_REPEATED_MS = 600_000
"""What one channel may have said behind the oldest open utterance of the other."""
EARLIEST, SKEW_S = 315_532_800.0, 60.0
"""1980, the earliest time of a recording, s since 1970 UTC; and what a clock may be ahead of ours."""
MAX_JOINED = 64
MIN_RATE, MAX_RATE, MAX_CHANNELS = 8000, 48000, 2
_CALL_ID = re.compile(r"[\w\-.:@]{1,128}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")

CODECS = {
    audio_pb2.CODEC_MULAW: Codec.MULAW,
    audio_pb2.CODEC_ALAW: Codec.ALAW,
    audio_pb2.CODEC_L16: Codec.L16,
}
PAUSES = {
    audio_pb2.PAUSE_REASON_UNSPECIFIED: PauseReason.UNSPECIFIED,
    audio_pb2.PAUSE_REASON_HOLD: PauseReason.HOLD,
    audio_pb2.PAUSE_REASON_PCI: PauseReason.PCI,
    audio_pb2.PAUSE_REASON_IVR: PauseReason.IVR,
}


def call_spec(request: call_service_pb2.StreamCallRequest, *, sender: str = "", now: float = 0.0) -> CallSpec:
    """Return the validated StartCall of a stream's first message.

    Args:
        request: the message.
        sender: who sent it, as the connection says.
        now: wall-clock time of the server, s since 1970 UTC.

    Raises:
        InvalidRequest: it is another message, or a field is missing or out of range.
        UnsupportedAudio: codec, rate or channels that are not taken.
    """
    if request.WhichOneof("message") != "start_call":
        raise InvalidRequest("the first message must be StartCall, before any audio")
    start = request.start_call
    if not _CALL_ID.fullmatch(start.call_id):
        raise InvalidRequest("StartCall.call_id must be 1 to 128 letters, digits, or - _ . : @")
    if start.codec not in CODECS:
        raise UnsupportedAudio(f"StartCall.codec {start.codec} is not known; use MULAW, ALAW or L16")
    if not MIN_RATE <= start.sample_rate_hz <= MAX_RATE:
        raise UnsupportedAudio(f"StartCall.sample_rate_hz must be {MIN_RATE} to {MAX_RATE}")
    return CallSpec(
        info=CallInfo(
            call_id=start.call_id,
            tenant=_label("tenant", start.tenant) if start.HasField("tenant") else None,
            queue=_label("queue", start.queue) if start.HasField("queue") else None,
            team=_label("team", start.team) if start.HasField("team") else None,
            agent_id=_label("agent_id", start.agent_id) if start.HasField("agent_id") else None,
            profile=start.profile if start.HasField("profile") else "default",
            started_at=_began(start, now),
            sender=sender,
            continues=_continues(start),
        ),
        codec=CODECS[start.codec],
        sample_rate=start.sample_rate_hz,
        roles=_roles(start.channels),
        language=_language(start.language_hint) if start.HasField("language_hint") else None,
        hotwords=_hotwords(start.hotwords),
        resume=_resume_point(start.resume) if start.HasField("resume") else None,
        earlier_calls=_earlier_calls(start.earlier_calls),
        retention=_label("retention_class", start.retention_class)
        if start.HasField("retention_class")
        else None,
        notice_given=start.notice_given,
        unrecorded=start.unrecorded,
        customer=_label("customer_ref", start.customer_ref),
        arrival=_arrival(start),
        past=start.HasField("recorded_at_unix_ms"),
    )


def _began(start: audio_pb2.StartCall, now: float) -> float:
    """Return when the call began: now, or when it was recorded."""
    if not start.HasField("recorded_at_unix_ms"):
        return now
    at = start.recorded_at_unix_ms / 1000
    if not EARLIEST <= at <= now + SKEW_S:
        raise InvalidRequest("StartCall.recorded_at_unix_ms must be in the past, ms since 1970 UTC")
    return at


def _continues(start: audio_pb2.StartCall) -> Continues | None:
    if not start.HasField("continues_call_id"):
        return None
    if not _CALL_ID.fullmatch(start.continues_call_id):
        raise InvalidRequest("StartCall.continues_call_id must be a call_id")
    if not 0 <= start.continues_at_ms <= LATEST_MS:
        raise InvalidRequest("StartCall.continues_at_ms must be 0 or more, and no more than a call's length")
    said = {channel.index: channel.said_until_ms for channel in start.channels}
    if any(not 0 <= until <= LONGEST_REPEATED_MS for until in said.values()):
        raise InvalidRequest(f"ChannelConfig.said_until_ms must be 0 to {LONGEST_REPEATED_MS}")
    return Continues(
        call_id=start.continues_call_id,
        at_ms=start.continues_at_ms,
        said_until_ms=tuple(said.get(index, 0) for index in range(len(said))),
    )


def _arrival(start: audio_pb2.StartCall) -> Arrival:
    waited = start.waited_ms if start.HasField("waited_ms") else None
    if waited is not None and not 0 <= waited <= LATEST_MS:
        raise InvalidRequest("StartCall.waited_ms must be 0 or more, and no more than a day")
    if start.direction not in DIRECTIONS:
        raise InvalidRequest("StartCall.direction: see CallDirection")
    return Arrival(
        direction=DIRECTIONS[start.direction],
        waited_ms=waited,
        transferred_from=_label("transferred_from", start.transferred_from),
    )


def _label(name: str, text: str, of: str = "StartCall") -> str | None:
    if len(text) > LONGEST_LABEL or not text.isprintable():
        raise InvalidRequest(f"{of}.{name} must be at most {LONGEST_LABEL} printable characters")
    return text or None


def _earlier_calls(count: int) -> int:
    if not 0 <= count <= 1000:
        raise InvalidRequest("StartCall.earlier_calls must be 0 to 1000")
    return count


def _roles(channels: Iterable[audio_pb2.ChannelConfig]) -> tuple[Role, ...]:
    configured = list(channels) or [audio_pb2.ChannelConfig(index=0)]
    if len(configured) > MAX_CHANNELS:
        raise UnsupportedAudio(f"StartCall.channels has {len(configured)} channels; at most {MAX_CHANNELS}")
    by_index = {channel.index: channel for channel in configured}
    if sorted(by_index) != list(range(len(configured))):
        raise InvalidRequest("StartCall.channels must have the indices 0, or 0 and 1, once each")
    return tuple(ROLES.get(by_index[i].role, Role.UNKNOWN) for i in range(len(configured)))


def _language(hint: str) -> str:
    if not _LANGUAGE.fullmatch(hint):
        raise InvalidRequest("language_hint must be a BCP 47 tag such as yue, zh-HK or en")
    return hint


def _hotwords(words: Iterable[audio_pb2.Hotword]) -> tuple[str, ...]:
    texts = tuple(word.text.strip() for word in words if word.text.strip())
    if len(texts) > MAX_HOTWORDS or any(len(text) > 64 for text in texts):
        raise InvalidRequest(f"hotwords: at most {MAX_HOTWORDS} of at most 64 characters")
    return texts


def _resume_point(point: audio_pb2.ResumePoint) -> ResumePoint:
    if not point.session_id:
        raise InvalidRequest("StartCall.resume needs the session_id from Started")
    return ResumePoint(session_id=point.session_id, last_server_seq=point.last_server_seq)


def client_message(request: call_service_pb2.StreamCallRequest, *, joined: bool = False) -> msg.ClientMessage:
    """Return a message behind the first one; ``joined`` where Audio.joined counts (from gateways).

    Raises:
        InvalidRequest: a second StartCall, an empty message, or a field out of range.
    """
    kind = request.WhichOneof("message")
    if kind == "audio":
        audio = request.audio
        if audio.sequence < 0:
            raise InvalidRequest("Audio.sequence is negative; it counts messages from 0")
        return msg.AudioChunk(
            sequence=audio.sequence,
            data=audio.data,
            offset_ms=audio.offset_ms if audio.HasField("offset_ms") else None,
            channel=audio.channel if audio.HasField("channel") else None,
            arrived=time.monotonic(),
            count=min(MAX_JOINED, max(1, audio.joined)) if joined else 1,
        )
    if kind == "control":
        return _control(request.control)
    if kind == "end_call":
        to = request.end_call.transferred_to
        return msg.EndCall(reason="client", transferred_to=_label("transferred_to", to, "EndCall"))
    raise InvalidRequest("StartCall comes once, first" if kind else "a message without content")


def _control(control: audio_pb2.Control) -> msg.ClientMessage:
    match control.WhichOneof("control"):
        case "pause":
            return msg.Pause(reason=PAUSES.get(control.pause.reason, PauseReason.UNSPECIFIED))
        case "finalize":
            finalize = control.finalize
            return msg.Finalize(channel=finalize.channel if finalize.HasField("channel") else None)
        case "update_config":
            return _update(control.update_config)
        case "sensitive":
            return sensitive(control.sensitive)
        case kind:
            return _bare_control(kind)


def _bare_control(kind: str | None) -> msg.ClientMessage:
    """Return a control that has no content, or none that is kept.

    Raises:
        InvalidRequest: it is none.
    """
    bare: dict[str | None, msg.ClientMessage] = {
        "resume": msg.Resume(),
        "dtmf": msg.Dtmf(),
        "ping": msg.Ping(),
    }
    if kind not in bare:
        raise InvalidRequest("a Control without content")
    return bare[kind]


_CATEGORIES = {category.value: category for category in Category}


def sensitive(control: audio_pb2.Sensitive) -> msg.Sensitive:
    """Return what is hidden from here on.

    Raises:
        InvalidRequest: there is no such category.
    """
    if not control.on:
        return msg.Sensitive(category=None)
    category = _CATEGORIES.get(control.category or Category.SENSITIVE.value)
    if category is None:
        raise InvalidRequest("Sensitive.category must be empty or one of those in docs/privacy.md")
    return msg.Sensitive(category=category)


def _update(update: audio_pb2.UpdateConfig) -> msg.UpdateConfig:
    return msg.UpdateConfig(
        language=_language(update.language_hint) if update.HasField("language_hint") else None,
        hotwords=_hotwords(update.hotwords.hotwords) if update.HasField("hotwords") else None,
        swap_roles=update.HasField("swap_roles") and update.swap_roles,
    )
