"""A conversation as one call, or as several when servers forget it: what each StartCall says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client.audio import AudioFormat
from client.in_force import InForce
from client.journal import Journal
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

ROLES = {
    "customer": audio_pb2.ROLE_CUSTOMER,
    "agent": audio_pb2.ROLE_AGENT,
    "unknown": audio_pb2.ROLE_UNSPECIFIED,
}
DIRECTIONS = {
    None: audio_pb2.CALL_DIRECTION_UNSPECIFIED,
    "inbound": audio_pb2.CALL_DIRECTION_INBOUND,
    "outbound": audio_pb2.CALL_DIRECTION_OUTBOUND,
}
_NAMES = {number: name for name, number in ROLES.items()}
LONGEST_ID = 128
"""Characters of a call_id (audio.proto)."""


def role_name(role: audio_pb2.Role.ValueType) -> str:
    """Return a role of the API by its name in :data:`ROLES`; ``unknown`` for one of a newer server."""
    return _NAMES.get(role, "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What a call is.

    Attributes:
        call_id: unique among live calls.
        roles: by channel, names of :data:`ROLES`; missing ones are unknown.
        language: BCP 47 hint, or None.
        profile: of the server, or None.
        hotwords: likely words.
        tenant: the company, or None.
        queue: the hotline, or None.
        team: the agent's team, or None.
        agent_id: who answers, or None.
        retention: class of its record, or None for the profile's.
        notice_given: the people on the line were told that the call is kept.
        unrecorded: nothing of it may be kept.
        customer_ref: who calls, as your own systems name them, or None.
        direction: inbound, outbound, or None where it is not known.
        waited_ms: ms that the customer waited for an agent, or None.
        transferred_from: who handed the call over, or None.
        recorded_at_ms: it is a recording of a call of then, ms since 1970 UTC; None for a live one.
    """

    call_id: str
    roles: Sequence[str] = ()
    language: str | None = None
    profile: str | None = None
    hotwords: Sequence[str] = ()
    tenant: str | None = None
    queue: str | None = None
    team: str | None = None
    agent_id: str | None = None
    retention: str | None = None
    notice_given: bool = False
    unrecorded: bool = False
    customer_ref: str | None = None
    direction: str | None = None
    waited_ms: int | None = None
    transferred_from: str | None = None
    recorded_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A call that a server has accepted; its origin in ms of the conversation."""

    call_id: str
    origin_ms: int


class Conversation:
    """Follows what a server has said of a conversation, and says how its next line begins.

    Args:
        options: what the call is.
        audio: how its audio is coded.

    Attributes:
        journal: what was sent.
        parts: calls that it has become, 1 at the beginning.
    """

    def __init__(self, options: CallOptions, audio: AudioFormat) -> None:
        self._options = options
        self._audio = audio
        self._session_id = ""
        self._last_seq = 0
        self._said_until_ms = [0] * audio.channels  # ends of finals
        self._before: _Part | None = None
        self.journal = Journal()
        self.parts = 1

    @property
    def call_id(self) -> str:
        """Id of the present part."""
        whole = self._options.call_id
        suffix = "" if self.parts == 1 else f".{self.parts}"
        return whole[: LONGEST_ID - len(suffix)] + suffix

    @property
    def origin_ms(self) -> int:
        """Ms from the first sample of the conversation to the first of the present part."""
        return int(self.journal.origin_ms)

    @property
    def accepted(self) -> bool:
        """Whether a server has ever accepted it."""
        return bool(self._session_id) or self._before is not None

    def note(self, message: pb.StreamCallResponse) -> None:
        """Take what the server says of the present part."""
        self._last_seq = max(self._last_seq, message.server_seq)
        if message.HasField("started"):
            self._session_id = message.started.session_id
            if message.started.resumed:
                self.journal.resume_at(message.started.received_audio_ms)
        final = message.transcript
        if message.HasField("transcript") and final.is_final:
            until_ms = final.end_ms + self.origin_ms
            self._said_until_ms[final.channel] = max(self._said_until_ms[final.channel], until_ms)
        self.journal.acknowledge(message.acked_audio_ms)

    def begin_anew(self) -> None:
        """Let the next line carry what is not safe as a call of its own."""
        if self._session_id:  # else the present part never began
            self._before = _Part(self.call_id, self.origin_ms)
        self.journal.begin_anew(self._audio)
        self.parts += 1
        self._session_id, self._last_seq = "", 0

    def start(self) -> audio_pb2.StartCall:
        """Return the first message of the next line."""
        options, audio = self._options, self._audio
        now = self.journal.in_force if self.parts > 1 else InForce()
        words = options.hotwords if now.hotwords is None else now.hotwords
        start = audio_pb2.StartCall(
            call_id=self.call_id,
            codec=audio.codec,
            sample_rate_hz=audio.rate,
            channels=self._channels(swapped=now.swapped),
            language_hint=now.language or options.language,
            profile=options.profile,
            hotwords=[audio_pb2.Hotword(text=word) for word in words],
            tenant=options.tenant,
            queue=options.queue,
            team=options.team,
            agent_id=options.agent_id,
            retention_class=options.retention,
            notice_given=options.notice_given,
            unrecorded=options.unrecorded,
            customer_ref=options.customer_ref,
            direction=DIRECTIONS[options.direction],
            waited_ms=options.waited_ms,
            transferred_from=options.transferred_from,
            recorded_at_unix_ms=options.recorded_at_ms,
        )
        if self._before is not None:
            start.continues_call_id = self._before.call_id
            start.continues_at_ms = self.origin_ms - self._before.origin_ms
        if self._session_id:
            start.resume.session_id, start.resume.last_server_seq = self._session_id, self._last_seq
        return start

    def _channels(self, *, swapped: bool) -> list[audio_pb2.ChannelConfig]:
        """Return who is on each channel, and how far its speech is in finals of the parts before."""
        roles = [*self._options.roles, *["unknown"] * self._audio.channels][: self._audio.channels]
        if swapped:
            roles.reverse()
        return [
            audio_pb2.ChannelConfig(index=i, role=ROLES[role], said_until_ms=max(0, until - self.origin_ms))
            for i, (role, until) in enumerate(zip(roles, self._said_until_ms, strict=True))
        ]
