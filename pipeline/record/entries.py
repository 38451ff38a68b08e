"""What is written into the record, and what is read from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from diarization import Role
from pipeline.calls.events import Envelope
from pipeline.calls.info import NOT_TOLD, Arrival, CallInfo


class RecordState(StrEnum):
    """What became of a recorded call."""

    LIVE = "live"
    CLOSED = "closed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRecord:
    """A call begins.

    Attributes:
        record_id: drawn for this record; never used again, unlike a call's own id.
        info: whose call it is.
        roles: by channel.
        rate: samples a second of the sound that is kept.
        retention: class.
        keep_s: how long it is kept behind its end, s.
        least_s: how long it must be kept, s.
        notice_given: the people on the line were told that the call is kept.
        with_sound: whether its sound is kept too.
        customer: who called, as the company names them; the writer makes a keyed hash of it.
        arrival: how it came to its agent.
        original_s: how long what is hidden of it is kept behind its end, s; 0 keeps nothing of that.
        epoch: part of the call that begins; 0 for a call that no other node can go on with.
        node: name of the node that has it; empty for a server that stands alone.
    """

    record_id: str
    info: CallInfo
    roles: tuple[Role, ...]
    rate: int
    retention: str
    keep_s: float
    least_s: float
    notice_given: bool
    with_sound: bool
    customer: str | None = None
    arrival: Arrival = NOT_TOLD
    original_s: float = 0.0
    epoch: int = 0
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueRecord:
    """Another node goes on with a call; entries of the parts before come too late from here on.

    Attributes:
        record_id: of the call.
        begin: how it would begin, where the node before has not written that.
        said_until: by channel, samples at 16 kHz of the call up to which speech is in finals.
        origin: sample at 16 kHz of the call where this part begins.
        last_seq: number of the last event that any part before may have told.
        committed: number of the last one that other nodes know.
    """

    record_id: str
    begin: BeginRecord
    said_until: tuple[int, ...]
    origin: int
    last_seq: int
    committed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """An event of a call; with its text redacted already.

    Attributes:
        record_id: of the call.
        envelope: the event.
        size: bytes that its text takes, about.
        original: the same with what was hidden, but for secrets; None where nothing was, or it is not kept.
        epoch: part of the call that brings it.
    """

    record_id: str
    envelope: Envelope
    size: int
    original: Envelope | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundEntry:
    """A piece of a channel's sound.

    Attributes:
        record_id: of the call.
        channel: whose.
        number: counts the channel's pieces from 0.
        start: first sample, at the record's rate.
        data: G.711 µ-law, one byte a sample.
        settled: samples at 16 kHz of the call up to which this channel is in pieces, with this one.
        epoch: part of the call that brings it.
    """

    record_id: str
    channel: int
    number: int
    start: int
    data: bytes
    settled: int
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSoundEntry:
    """What was silenced in a channel's sound; arguments as of :class:`SoundEntry`."""

    record_id: str
    channel: int
    number: int
    start: int
    data: bytes
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """A call has ended.

    Attributes:
        record_id: of the call.
        at: s since 1970 UTC.
        reason: as in Ended; None where its end was not seen.
        lost: events and pieces of sound that could not be kept.
        transferred_to: who it was handed to; None where nobody was.
        epoch: part of the call that brings it.
    """

    record_id: str
    at: float
    reason: str | None
    lost: int
    transferred_to: str | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRecord:
    """Nothing more comes of a call here, not even from a second look: its key is forgotten.

    Attributes:
        record_id: of the call.
        epoch: part of the call that brings it.
        lost: events and pieces of sound that a part which did not end the call could not keep.
    """

    record_id: str
    epoch: int = 0
    lost: int = 0


RecordEntry = BeginRecord | ContinueRecord | EventEntry | SoundEntry | CutSoundEntry | EndRecord | CloseRecord


class Resolution(StrEnum):
    """How a call ended for the customer."""

    NOT_TOLD = "not-told"
    RESOLVED = "resolved"
    FOLLOW_UP = "follow-up"
    TRANSFERRED = "transferred"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedUp:
    """What an agent keeps of a call, but for the note.

    Attributes:
        resolution: how it ended for the customer.
        topics: categories.
        closed: after-call work is over.
        at: when it was saved last, s since 1970 UTC.
        follow_up_at: when somebody will do something, the same.
    """

    resolution: Resolution
    topics: tuple[str, ...]
    closed: bool
    at: float
    follow_up_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A recorded call at a glance; times in s since 1970 UTC.

    Attributes:
        n: place in the order of writing.
        record_id: of the record.
        info: whose call it was.
        roles: by channel.
        rate: samples a second of the kept sound.
        state: what became of it.
        ended_at: when; None while it lives.
        reason: why it ended.
        retention: class.
        notice_given: the people on the line were told.
        with_sound: whether its sound is kept.
        expires_at: when it is erased; None while it lives.
        least_until: before which nobody may erase it.
        original_until: how long what was hidden of it is kept; None while it lives, or where nothing is.
        audio: samples at 16 kHz that are kept of all channels.
        utterances: finals with text.
        alerts: that were raised.
        agitation: the highest, in [0, 1]; None where it was not judged.
        lost: events and pieces of sound that could not be kept.
        held: whether somebody holds it.
        arrival: how it came to its agent.
        transferred_to: who it was handed to; None where nobody was.
        wrapped: what its agent keeps of it, without the note; None before.
    """

    n: int
    record_id: str
    info: CallInfo
    roles: tuple[Role, ...]
    rate: int
    state: RecordState
    ended_at: float | None
    reason: str | None
    retention: str
    notice_given: bool
    with_sound: bool
    expires_at: float | None
    least_until: float | None
    audio: int
    utterances: int
    alerts: int
    agitation: float | None
    lost: int
    held: bool = False
    arrival: Arrival = NOT_TOLD
    transferred_to: str | None = None
    original_until: float | None = None
    wrapped: WrappedUp | None = None
