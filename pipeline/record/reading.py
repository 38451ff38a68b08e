"""A recorded call as it is read: opened, checked, and with every later correction in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pipeline.calls.codec import CodecError, decode
from pipeline.calls.events import (
    AttributionEvent,
    Envelope,
    RedactionEvent,
    TranscriptEvent,
)
from pipeline.record import opus
from pipeline.record.ciphers import CallCipher, Damaged
from pipeline.record.entries import RecordRow, RecordState
from pipeline.record.rows import EVENT, SOUND
from pipeline.record.sealed import SealedEvent, SealedSound
from pipeline.record.store import RecordStore

_KINDS = ("TranscriptEvent", "RedactionEvent")
"""Events of which something may have been hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPiece:
    """A piece of a channel's sound.

    Attributes:
        channel: whose.
        start: first sample, at the record's rate.
        data: G.711 µ-law, one byte a sample.
    """

    channel: int
    start: int
    data: bytes


def opened(cipher: CallCipher, event: SealedEvent) -> Envelope:
    """Return an event as it was.

    Raises:
        Damaged: it is not what was written.
    """
    try:
        return decode(cipher.open_event(event.seq, event.kind, event.body))
    except CodecError as error:
        raise Damaged(str(error)) from error


def opened_sound(cipher: CallCipher, piece: SealedSound) -> SoundPiece:
    """Return a piece of sound as it was.

    Raises:
        Damaged: it is not what was written.
    """
    data = cipher.open_sound(piece.channel, piece.number, piece.version, piece.body)
    if piece.codec == opus.CODEC:
        try:
            data = opus.unpacked(data)
        except ValueError as error:
            raise Damaged(str(error)) from error
    if len(data) != piece.length:
        raise Damaged("a piece of sound is not as long as it was")
    return SoundPiece(channel=piece.channel, start=piece.start, data=data)


def read_events(store: RecordStore, cipher: CallCipher, record_id: str) -> Iterator[Envelope]:
    """Yield the events of a call in their order.

    Raises:
        Damaged: one is not what was written.
    """
    for event in store.events(record_id):
        yield opened(cipher, event)


def numbered_finals(events: Iterable[Envelope]) -> dict[str, tuple[int, TranscriptEvent]]:
    """Return the finals of a call by their utterance, as they stand after every redaction and attribution.

    Each comes with the number of the event that holds it.
    """
    finals: dict[str, tuple[int, TranscriptEvent]] = {}
    told: dict[str, AttributionEvent] = {}
    for envelope in events:
        match envelope.event:
            case TranscriptEvent(final=True) as final:
                finals[final.utterance_id] = envelope.server_seq, final
            case RedactionEvent(final=final):
                finals[final.utterance_id] = envelope.server_seq, final
            case AttributionEvent() as attribution:
                told[attribution.utterance_id] = attribution
            case _:
                pass
    for name, attribution in told.items():
        if name in finals:
            seq, final = finals[name]
            finals[name] = seq, replace(final, role=attribution.role, speaker=attribution.speaker)
    return finals


def transcript(events: Iterable[Envelope]) -> list[TranscriptEvent]:
    """Return what was said in a call, by its start; see :func:`numbered_finals`."""
    finals = (final for _seq, final in numbered_finals(events).values())
    return sorted((final for final in finals if final.text), key=lambda final: final.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a check of a call found.

    Attributes:
        events: that could be read.
        pieces: of sound.
        problems: what is wrong, for people, without a word of the call.
    """

    events: int
    pieces: int
    problems: tuple[str, ...]


def verified(
    store: RecordStore, cipher: CallCipher | None, row: RecordRow, original: CallCipher | None = None
) -> Findings:
    """Read everything that is kept of a call, and tell what is not as it was written.

    Args:
        store: of its company.
        cipher: opens it; None where its key is gone.
        row: of the call.
        original: opens what was hidden of it; None where that is not kept.
    """
    if cipher is None:
        return Findings(events=0, pieces=0, problems=("its key is gone",))
    problems: list[str] = []
    told, heard = 0, 0
    seen = 0
    for event in store.events(row.record_id):
        told += 1
        try:
            opened(cipher, event)
        except Damaged:
            problems.append(f"event {event.seq} is damaged")
        if event.seq <= seen:
            problems.append(f"event {event.seq} is there twice")
        seen = event.seq
    for channel in range(len(row.roles)):
        heard += _verified_sound(store, cipher, row.record_id, channel, problems)
    if original is not None:
        problems += damaged_originals(store, original, row)
    if (told, heard) != store.counts(row.record_id):
        problems.append("events or pieces of sound are missing")
    if row.state is RecordState.CLOSED and row.lost:
        problems.append(f"{row.lost} events or pieces of sound could not be kept")
    return Findings(events=told, pieces=heard, problems=tuple(problems))


def from_sample(piece: SoundPiece, first: int) -> SoundPiece:
    """Return a piece of sound without what is before a sample, at the record's rate."""
    skipped = max(0, first - piece.start)
    return replace(piece, start=piece.start + skipped, data=piece.data[skipped:])


def _verified_sound(
    store: RecordStore, cipher: CallCipher, record_id: str, channel: int, problems: list[str]
) -> int:
    count, at, before = 0, 0, -1
    for piece in store.sound(record_id, channel):
        if piece.number <= before or piece.start != at:
            problems.append(f"sound of channel {channel} is missing before piece {piece.number}")
        count, at, before = count + 1, piece.start + piece.length, piece.number
        try:
            opened_sound(cipher, piece)
        except Damaged:
            problems.append(f"piece {piece.number} of channel {channel} is damaged")
    return count


def original_events(store: RecordStore, cipher: CallCipher, record_id: str) -> dict[int, Envelope]:
    """Return the events of a call of which something was hidden, as they were told, by their number.

    Raises:
        Damaged: one is not what was written.
    """
    return {
        sealed.number: _opened_event(cipher, sealed.number, sealed.body)
        for sealed in store.originals(record_id, EVENT)
    }


def cut_sound(store: RecordStore, cipher: CallCipher, record_id: str, channel: int) -> Iterator[SoundPiece]:
    """Yield what was silenced in a channel, in its order.

    Raises:
        Damaged: a piece is not what was written.
    """
    for sealed in store.originals(record_id, SOUND):
        if sealed.channel == channel:
            data = cipher.open_sound(channel, sealed.number, 0, sealed.body)
            yield SoundPiece(channel=channel, start=sealed.start, data=data)


def _opened_event(cipher: CallCipher, seq: int, body: bytes) -> Envelope:
    """Return an event of one of the kinds of which something may be hidden."""
    for kind in _KINDS:
        try:
            return decode(cipher.open_event(seq, kind, body))
        except Damaged:
            continue
        except CodecError as error:
            raise Damaged(str(error)) from error
    raise Damaged("what was hidden of an event is not what was written")


def damaged_originals(store: RecordStore, cipher: CallCipher, row: RecordRow) -> list[str]:
    """Return what is damaged of what was hidden of a call, for people, without a word of it."""
    problems: list[str] = []
    try:
        original_events(store, cipher, row.record_id)
        for channel in range(len(row.roles)):
            list(cut_sound(store, cipher, row.record_id, channel))
    except Damaged:
        problems.append("what was hidden of it is damaged")
    return problems
