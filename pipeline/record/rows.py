"""Rows of the record's tables, from what is written and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from diarization import Role
from pipeline.calls.codec import encode
from pipeline.calls.events import Envelope
from pipeline.calls.info import Arrival, CallInfo, Continues, Direction
from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import (
    BeginRecord,
    CutSoundEntry,
    EventEntry,
    RecordRow,
    RecordState,
    Resolution,
    SoundEntry,
    WrappedUp,
)
from pipeline.record.kept import agitation_of, is_alert, is_utterance

MULAW = "mulaw"
EVENT, SOUND = "event", "sound"
"""Kinds of originals."""
_DIRECTIONS = frozenset(map(str, Direction))
_ROLES, _STATES = frozenset(map(str, Role)), frozenset(map(str, RecordState))


@dataclass(slots=True)
class Totals:
    """What a batch adds to a call's row."""

    seq: int = 0
    events: int = 0
    segments: int = 0
    utterances: int = 0
    alerts: int = 0
    agitation: float | None = None
    settled: dict[int, int] = field(default_factory=dict)


def call_row(entry: BeginRecord) -> dict[str, Any]:
    """Return the row of a call that begins."""
    info = entry.info
    continues = info.continues
    return {
        "record_id": entry.record_id,
        "call_id": info.call_id,
        "queue": info.queue,
        "team": info.team,
        "agent_id": info.agent_id,
        "customer": entry.customer,
        "profile": info.profile,
        "sender": info.sender,
        "continues": f"{continues.at_ms} {continues.call_id}" if continues else None,
        "roles": ",".join(entry.roles),
        "rate": entry.rate,
        "started_at": info.started_at,
        "state": RecordState.LIVE.value,
        "retention": entry.retention,
        "notice_given": entry.notice_given,
        "with_sound": entry.with_sound,
        "expires_at": entry.keep_s,  # counted from the end, which is not known yet
        "least_until": entry.least_s,
        "original_until": entry.original_s or None,
        "direction": entry.arrival.direction.value,
        "waited_ms": entry.arrival.waited_ms,
        "transferred_from": entry.arrival.transferred_from,
        "epoch": entry.epoch,
        "node": entry.node,
        "stored_seq": 0,
        "stored_audio": 0,
        "utterances": 0,
        "alerts": 0,
        "lost": 0,
        "segments": 0,
        "events": 0,
    }


def event_row(entry: EventEntry, cipher: CallCipher) -> dict[str, Any]:
    """Return the row of an event, sealed."""
    envelope = entry.envelope
    kind = type(envelope.event).__name__
    return {
        "record_id": entry.record_id,
        "seq": envelope.server_seq,
        "kind": kind,
        "body": cipher.seal_event(envelope.server_seq, kind, encode(envelope)),
    }


def sound_row(entry: SoundEntry, cipher: CallCipher) -> dict[str, Any]:
    """Return the row of a piece of sound, sealed."""
    return {
        "record_id": entry.record_id,
        "channel": entry.channel,
        "number": entry.number,
        "version": 0,
        "start": entry.start,
        "length": len(entry.data),
        "codec": MULAW,
        "body": cipher.seal_sound(entry.channel, entry.number, 0, entry.data),
    }


def original_event_row(entry: EventEntry, original: Envelope, cipher: CallCipher) -> dict[str, Any]:
    """Return the row of an event with what was hidden of it, sealed."""
    sealed = event_row(replace(entry, envelope=original), cipher)
    return {
        "record_id": entry.record_id,
        "kind": EVENT,
        "channel": 0,
        "number": original.server_seq,
        "start": 0,
        "body": sealed["body"],
    }


def cut_sound_row(entry: CutSoundEntry, cipher: CallCipher) -> dict[str, Any]:
    """Return the row of sound that was silenced, sealed."""
    return {
        "record_id": entry.record_id,
        "kind": SOUND,
        "channel": entry.channel,
        "number": entry.number,
        "start": entry.start,
        "body": cipher.seal_sound(entry.channel, entry.number, 0, entry.data),
    }


def totals_of(told: Iterable[EventEntry], heard: Iterable[SoundEntry]) -> dict[str, Totals]:
    """Return what a batch adds to the row of each call, by record id."""
    found: dict[str, Totals] = {}
    for entry in told:
        total, event = found.setdefault(entry.record_id, Totals()), entry.envelope.event
        total.seq = entry.envelope.server_seq
        total.events += 1
        total.utterances += is_utterance(event)
        total.alerts += is_alert(event)
        agitation = agitation_of(event)
        if agitation is not None:
            total.agitation = max(total.agitation or 0.0, agitation)
    for piece in heard:
        total = found.setdefault(piece.record_id, Totals())
        total.segments += 1
        total.settled[piece.channel] = piece.settled
    return found


def wrapped_of(row: sa.Row[Any]) -> WrappedUp | None:
    """Return what an agent keeps of a call, from a row that has it; None where there is nothing."""
    if row.resolution is None:
        return None
    return WrappedUp(
        resolution=Resolution(row.resolution),
        topics=tuple(json.loads(row.topics)),
        closed=bool(row.closed),
        at=row.saved_at,
        follow_up_at=row.follow_up_at,
    )


def arrival_of(row: sa.Row[Any]) -> Arrival:
    """Return how a call came to its agent, from a row that has it."""
    return Arrival(
        direction=Direction(row.direction) if row.direction in _DIRECTIONS else Direction.UNKNOWN,
        waited_ms=row.waited_ms,
        transferred_from=row.transferred_from,
    )


def record_of(row: sa.Row[Any]) -> RecordRow:
    """Return a call from its row, and whether it is held."""
    at_ms, _, before = (row.continues or "").partition(" ")
    return RecordRow(
        n=row.n,
        record_id=row.record_id,
        info=CallInfo(
            call_id=row.call_id,
            queue=row.queue,
            team=row.team,
            agent_id=row.agent_id,
            profile=row.profile,
            started_at=row.started_at,
            sender=row.sender,
            continues=Continues(call_id=before, at_ms=int(at_ms)) if before else None,
        ),
        roles=tuple(Role(role) if role in _ROLES else Role.UNKNOWN for role in row.roles.split(",")),
        rate=row.rate,
        state=RecordState(row.state) if row.state in _STATES else RecordState.INTERRUPTED,
        ended_at=row.ended_at,
        reason=row.reason,
        retention=row.retention,
        notice_given=row.notice_given,
        with_sound=row.with_sound,
        expires_at=None if row.ended_at is None else row.expires_at,
        least_until=None if row.ended_at is None else row.least_until,
        original_until=None if row.ended_at is None else row.original_until,
        audio=row.stored_audio,
        utterances=row.utterances,
        alerts=row.alerts,
        agitation=row.agitation,
        lost=row.lost,
        held=bool(row.held),
        arrival=arrival_of(row),
        transferred_to=row.transferred_to,
        wrapped=wrapped_of(row),
    )
