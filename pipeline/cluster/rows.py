"""What nodes read and write of each other and of their calls."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.calls.info import NO_TERMS, CallInfo, Carrier, InForce, RecordTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A node as others see it.

    Attributes:
        name: of it.
        address: where it is reached.
        silent_s: since it last said so.
        live: calls that it has.
        room: calls that it has room for; None where that is not known yet.
        draining: it takes no new calls.
    """

    name: str
    address: str
    silent_s: float
    live: int
    room: int | None
    draining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A call that begins.

    Attributes:
        uid: of it.
        info: whose call it is.
        session_id: the secret that lets a new stream take it over.
        form: what a resumed call must keep of its audio.
        carrier: stream of a gateway that brings it.
        record_terms: what is said of its record.
    """

    uid: str
    info: CallInfo
    session_id: str
    form: str
    carrier: Carrier | None = None
    record_terms: RecordTerms = NO_TERMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody shows who wants to go on with a call.

    Attributes:
        info: whose call it is said to be.
        session_id: the secret from Started.
        form: what a resumed call must keep of its audio.
        carrier: stream of a gateway that brings it.
    """

    info: CallInfo
    session_id: str
    form: str
    carrier: Carrier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenCall:
    """A call that a node has taken over.

    Attributes:
        uid: of it.
        epoch: that the node writes with.
        acked: samples of the call that are safe.
        seq: number of the last event that may have been told.
        in_force: controls at the last safe sample; None where nothing was written yet.
        info: whose call it is, as its first StartCall said.
        record_terms: what that said of its record.
    """

    uid: str
    epoch: int
    acked: int
    seq: int
    in_force: InForce | None
    info: CallInfo
    record_terms: RecordTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWrite:
    """What a node writes of one call at once.

    Attributes:
        uid: of it.
        epoch: of the node.
        acked: samples that are safe with this.
        seq: number of the last event that was told, or is told with this.
        in_force: controls at ``acked``.
        told: numbers and bodies of events.
        ended: the call is over.
    """

    uid: str
    epoch: int
    acked: int
    seq: int
    in_force: InForce
    told: tuple[tuple[int, bytes], ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LostCall:
    """A call that ended with its node.

    Attributes:
        uid: of it.
        call_id: the same, as in StartCall.
        acked: samples that were safe.
        seq: number of its last event.
    """

    uid: str
    call_id: str
    acked: int
    seq: int
