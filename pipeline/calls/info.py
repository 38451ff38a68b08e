"""Whose call it is, and how its audio is coded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from diarization import Role

SAMPLE_RATE = 16_000
"""Samples a second inside the product; positions of a call count them from its first sample."""


class Codec(StrEnum):
    """How audio bytes are coded."""

    MULAW = "mulaw"
    ALAW = "alaw"
    L16 = "l16"


class PauseReason(StrEnum):
    """Why audio is held back."""

    UNSPECIFIED = "unspecified"
    HOLD = "hold"
    PCI = "pci"
    IVR = "ivr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Continues:
    """Which call one goes on with: the same conversation, forgotten by the server that had it.

    Attributes:
        call_id: of the part before.
        at_ms: ms from the first sample of that part to the first of this one.
        said_until_ms: by channel, ms of this part up to which speech is in finals of the one before.
    """

    call_id: str
    at_ms: int
    said_until_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """Whose call it is; known from its first moment to its record.

    Attributes:
        call_id: unique among live calls of the same tenant.
        tenant: the company that it belongs to; None where one server serves one company.
        queue: the hotline that it came in on.
        team: the team of the agent.
        agent_id: who answers.
        profile: name of the settings profile.
        started_at: wall-clock time of its start on the server, s since 1970 UTC; for people and records only.
        sender: principal that sends its audio, as the connection proves; never from a message.
        continues: the part of the same conversation before; None for its first.
    """

    call_id: str
    tenant: str | None = None
    queue: str | None = None
    team: str | None = None
    agent_id: str | None = None
    profile: str = "default"
    started_at: float = 0.0
    sender: str = ""
    continues: Continues | None = None


class Direction(StrEnum):
    """Who rang whom."""

    UNKNOWN = "unknown"
    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a call came to its agent, as the telephony system knows it.

    Attributes:
        direction: who rang whom.
        waited_ms: ms that the customer waited for an agent; None where nobody knows.
        transferred_from: who handed it over; None where nobody did.
    """

    direction: Direction = Direction.UNKNOWN
    waited_ms: int | None = None
    transferred_from: str | None = None


NOT_TOLD = Arrival()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a broken call goes on.

    Attributes:
        session_id: the secret from Started.
        last_server_seq: number of the last event that the client has.
    """

    session_id: str
    last_server_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What the controls of a call have come to at one sample: needed to go on with it somewhere else.

    Attributes:
        language: BCP 47.
        hotwords: likely words, those of the profile included.
        roles: by channel.
        paused: audio counts as time only and is not heard.
        sensitive: category of what must not be read or heard; None for nothing.
    """

    language: str
    hotwords: tuple[str, ...]
    roles: tuple[Role, ...]
    paused: bool = False
    sensitive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A stream of a gateway, which goes on with its call at another node by itself.

    Attributes:
        id: drawn for each stream of a client.
        again: the gateway goes on by itself; its client has not asked.
    """

    id: str
    again: bool = False


IDS_A_PART = 10_000
"""Utterances and suggestions of one part of a call, at most: the next part's numbers begin behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTerms:
    """What a StartCall says of the record of its call.

    Attributes:
        unrecorded: nothing of it may be kept.
        retention: class; None for the profile's.
        notice_given: the people on the line were told.
    """

    unrecorded: bool = False
    retention: str | None = None
    notice_given: bool = False


NO_TERMS = RecordTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidBefore:
    """What was said in a part before, as everybody may read it.

    Attributes:
        utterance_id: of it.
        channel: on which.
        role: of who said it.
        text: redacted.
        start: first sample, counted from where the new part begins: below 0.
        end: behind the last one, the same.
    """

    utterance_id: str
    channel: int
    role: Role
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPart:
    """One stretch of a call on one node of a cluster: a node that takes a call over begins a new one.

    Attributes:
        uid: of the call; unlike its call_id never used again.
        epoch: counts parts from 1. Whoever has the highest one has the call.
        origin: sample of the call where this part begins.
        last_seq: number of the last event that any part before may have told.
        committed: number of the last event that is safe with all nodes.
        said_until: by channel, samples of this part up to which speech is in finals of the parts before.
        in_force: at the origin; None for the first part.
        said: the last of what was said before, in order.
    """

    uid: str
    epoch: int = 1
    origin: int = 0
    last_seq: int = 0
    committed: int = 0
    said_until: tuple[int, ...] = ()
    in_force: InForce | None = None
    said: tuple[SaidBefore, ...] = ()

    @property
    def first_id(self) -> int:
        """What counts utterances and suggestions of this part begins behind it."""
        return (self.epoch - 1) * IDS_A_PART


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """A validated StartCall.

    Attributes:
        info: whose call it is.
        codec: of all audio.
        sample_rate: samples a second and channel, as sent.
        roles: one for each channel, by index.
        language: BCP 47 hint, or None.
        hotwords: likely words.
        resume: present when an earlier stream broke.
        earlier_calls: of this customer about the same matter, 0 if not known.
        retention: class of its record; None for the profile's.
        notice_given: the people on the line were told that the call is kept.
        unrecorded: nothing of it may be kept.
        customer: who calls, as the company's own systems name them; kept as a keyed hash alone.
        arrival: how it came to its agent.
        past: it is a recording of a call of then (``info.started_at``): nobody waits for what is found in it.
        part: of a call in a cluster; None on a server that stands alone.
        carrier: stream of a gateway of a cluster that brings it; None for any other.
        traceparent: trace that the client is in (W3C Trace Context); None for none.
    """

    info: CallInfo
    codec: Codec
    sample_rate: int
    roles: tuple[Role, ...]
    language: str | None = None
    hotwords: tuple[str, ...] = ()
    resume: ResumePoint | None = None
    earlier_calls: int = 0
    retention: str | None = None
    notice_given: bool = False
    unrecorded: bool = False
    customer: str | None = None
    arrival: Arrival = NOT_TOLD
    past: bool = False
    part: CallPart | None = None
    carrier: Carrier | None = None
    traceparent: str | None = None

    @property
    def call_id(self) -> str:
        """Id of the call."""
        return self.info.call_id

    @property
    def record_terms(self) -> RecordTerms:
        """What it says of the record."""
        return RecordTerms(
            unrecorded=self.unrecorded, retention=self.retention, notice_given=self.notice_given
        )

    @property
    def first_id(self) -> int:
        """What counts utterances and suggestions begins behind it."""
        return 0 if self.part is None else self.part.first_id
