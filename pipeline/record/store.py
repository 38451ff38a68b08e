"""The record of one company: a SQLite file, or a schema of PostgreSQL. What was said comes here sealed.

All methods block; any thread may read, one writes (:mod:`pipeline.record.writer`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.calls.events import Envelope
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import SettingsError
from pipeline.record import fencing
from pipeline.record.batch import Batch, batch_of
from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import (
    BeginRecord,
    CloseRecord,
    ContinueRecord,
    EndRecord,
    EventEntry,
    RecordEntry,
    RecordState,
)
from pipeline.record.joints import SoundJoints
from pipeline.record.kept import final_of, is_kept
from pipeline.record.key_store import original_key
from pipeline.record.reads import RecordReads
from pipeline.record.rows import (
    EVENT,
    Totals,
    call_row,
    cut_sound_row,
    event_row,
    original_event_row,
    sound_row,
    totals_of,
)
from pipeline.record.tables import (
    calls,
    events,
    holds,
    original_requests,
    originals,
    reviews,
    segments,
    wordings,
    wrap_ups,
)
from suggest.store.database import Schema, overwrite_deleted, writing

SCHEMA = Schema(
    migrations=Path(__file__).with_name("migrations"),
    version_table="record_migrations",
    purpose="a record of calls",
    error=SettingsError,
    durable=True,
    forgets=True,
)
FILE = "record.db"
OF_CALLS = (events, segments, originals, original_requests, wrap_ups, wordings, reviews, holds, calls)
"""Tables with something of calls; what is erased leaves all of them."""


def _at_least(column: sa.Column[Any], name: str) -> sa.ColumnElement[Any]:
    """Return a value that never falls; nothing changes it where nothing is given."""
    given = sa.cast(sa.bindparam(name, type_=column.type), column.type)  # PostgreSQL asks what NULL is
    higher = sa.and_(given.is_not(None), sa.or_(column.is_(None), column < given))
    return sa.case((higher, given), else_=column)


_ADD_UP = (
    sa.update(calls)
    .where(calls.c.record_id == sa.bindparam("of"))
    .values(
        events=calls.c.events + sa.bindparam("more_events"),
        segments=calls.c.segments + sa.bindparam("more_segments"),
        utterances=calls.c.utterances + sa.bindparam("more_utterances"),
        alerts=calls.c.alerts + sa.bindparam("more_alerts"),
        stored_seq=_at_least(calls.c.stored_seq, "newest"),
        stored_audio=_at_least(calls.c.stored_audio, "heard"),
        agitation=_at_least(calls.c.agitation, "highest"),
    )
)


def _count_lost(connection: sa.Connection, entries: Iterable[RecordEntry]) -> None:
    """Count what parts could not keep that went to another node."""
    for entry in entries:
        if isinstance(entry, CloseRecord) and entry.lost:
            its = sa.update(calls).where(calls.c.record_id == entry.record_id)
            connection.execute(its.values(lost=calls.c.lost + entry.lost))


def _hidden_rows(batch: Batch, ciphers: Mapping[str, CallCipher]) -> list[dict[str, Any]]:
    """Return rows of what was hidden, sealed under keys of their own."""
    told = [
        original_event_row(entry, entry.original, ciphers[original_key(entry.record_id)])
        for entry in batch.told
        if entry.original is not None
    ]
    return told + [cut_sound_row(entry, ciphers[original_key(entry.record_id)]) for entry in batch.cut]


class RecordStore(RecordReads):
    """The store.

    Args:
        folder: of the company: for its search index.
        engine: of its database.
        clock: s since 1970 UTC.
        node: name of this node, where several write the record.
    """

    def __init__(
        self,
        folder: Path,
        engine: sa.Engine,
        clock: Callable[[], float] = time.time,
        node: str | None = None,
    ) -> None:
        super().__init__(engine, node)
        self.folder = folder
        self._clock = clock
        self._inode: int | None = None
        self._joints = SoundJoints()
        self._settled: dict[str, dict[int, int]] = {}  # of live calls, by channel
        self._finals: dict[str, dict[str, int]] = {}  # of live calls: where each final stands now

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    # ---------------------------------------------------------------- in

    def write(
        self, entries: Sequence[RecordEntry], ciphers: Mapping[str, CallCipher], *, again: bool = False
    ) -> None:
        """Write entries in one transaction; they are on disk when this returns.

        Args:
            entries: in the order in which they came.
            ciphers: of their calls.
            again: an attempt before may have come to the disk, and its answer got lost.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: they could not be written; none of them was.
        """
        self._check_file()
        places: dict[tuple[str, str], int] = {}
        with writing(self.engine) as connection:
            batch = self._timely(connection, entries)
            if again or self.node is not None:
                batch = fencing.without_known(connection, batch)
            heard = self._joints.joined(batch.heard)
            told = [event_row(entry, ciphers[entry.record_id]) for entry in batch.told]
            hidden = _hidden_rows(batch, ciphers)
            if hidden:
                connection.execute(sa.insert(originals), hidden)
            if told:
                connection.execute(sa.insert(events), told)
                places = self._replace(connection, batch.told)
            if heard:
                rows = [sound_row(entry, ciphers[entry.record_id]) for entry in heard]
                connection.execute(sa.insert(segments), rows)
            self._add_up(connection, totals_of(batch.told, heard))
            for entry in batch.ended:
                self._end(connection, entry)
            _count_lost(connection, entries)
        for (record_id, utterance_id), seq in places.items():
            self._finals.setdefault(record_id, {})[utterance_id] = seq
        for piece in heard:
            self._settled.setdefault(piece.record_id, {})[piece.channel] = piece.settled
        self._joints.written(heard)
        for done in entries:
            if isinstance(done, EndRecord | CloseRecord):
                self._forget(done)

    def _timely(self, connection: sa.Connection, entries: Sequence[RecordEntry]) -> Batch:
        """Write the rows of calls that begin; return the entries that no other node has made void."""
        begun = [entry for entry in entries if isinstance(entry, BeginRecord)]
        batch = batch_of(entries)
        if self.node is None:
            if begun:
                connection.execute(sa.insert(calls), [call_row(entry) for entry in begun])
            return batch
        for entry in begun:
            fencing.begin_row(connection, entry)
        newest = fencing.epochs(connection, entries)
        return batch.without(lambda entry: fencing.is_late(entry, newest))

    def take_over(self, entry: ContinueRecord) -> None:
        """Let this node go on with a call."""
        with writing(self.engine) as connection:
            ends = fencing.take_over(connection, entry)
        step = SAMPLE_RATE // entry.begin.rate
        self._joints.begin(entry.record_id, entry.begin.epoch, ends)
        self._settled[entry.record_id] = {channel: end * step for channel, end in enumerate(ends)}

    def missing(self, record_id: str, epoch: int, told: Sequence[Envelope]) -> list[EventEntry]:
        """Return what was told of a call and did not come to be kept.

        Args:
            record_id: of the call.
            epoch: part of the call that brings it now.
            told: all that must not be lost, redacted, in order.
        """
        with self.engine.connect() as connection:
            query = sa.select(events.c.seq).where(events.c.record_id == record_id)
            seqs: set[int] = set(connection.scalars(query))
        newest = {final_of(envelope.event): envelope.server_seq for envelope in told}
        kept = {
            name: seq
            for known in told
            if (seq := known.server_seq) in seqs and (name := final_of(known.event))
        }
        self._finals.setdefault(record_id, {}).update(kept)
        return [
            EventEntry(record_id=record_id, envelope=envelope, size=0, epoch=epoch)
            for envelope in told
            if envelope.server_seq not in seqs
            and is_kept(envelope.event)
            and (final_of(envelope.event) is None or newest[final_of(envelope.event)] == envelope.server_seq)
        ]

    def _forget(self, entry: EndRecord | CloseRecord) -> None:
        """Forget where a call stands that is over here; not if it has come back meanwhile."""
        if self._joints.end(entry.record_id, entry.epoch):
            self._settled.pop(entry.record_id, None)
            self._finals.pop(entry.record_id, None)

    def _check_file(self) -> None:
        """Look whether the file that is written is still the one in its folder.

        Raises:
            OSError: it was moved, deleted or replaced: what is written into it is lost.
        """
        file = self.folder / FILE
        if self.engine.dialect.name != "sqlite":
            return
        there = file.stat().st_ino
        if self._inode is None:
            self._inode = there
        if there != self._inode:
            raise OSError("the file of the record was replaced")

    def _replace(
        self, connection: sa.Connection, entries: Iterable[EventEntry]
    ) -> dict[tuple[str, str], int]:
        """Delete finals of which more or less is hidden now: what was hidden late must not stay readable.

        Returns:
            Where each final stands once this is committed: a transaction that fails is tried again.
        """
        places: dict[tuple[str, str], int] = {}
        for entry in entries:
            utterance_id, seq = final_of(entry.envelope.event), entry.envelope.server_seq
            if utterance_id is None:
                continue
            name = entry.record_id, utterance_id
            before = places.get(name) or self._finals.get(entry.record_id, {}).get(utterance_id)
            if before is not None and before < seq:
                its = (events.c.record_id == entry.record_id, events.c.seq == before)
                gone = connection.execute(sa.delete(events).where(*its)).rowcount
                connection.execute(
                    sa.delete(originals).where(
                        originals.c.record_id == entry.record_id,
                        originals.c.kind == EVENT,
                        originals.c.number == before,
                    )
                )
                connection.execute(
                    sa.update(calls)
                    .where(calls.c.record_id == entry.record_id)
                    .values(events=calls.c.events - gone)
                )
            places[name] = seq
        return places

    def _add_up(self, connection: sa.Connection, totals: Mapping[str, Totals]) -> None:
        if totals:
            connection.execute(
                _ADD_UP,
                [
                    {
                        "of": record_id,
                        "more_events": total.events,
                        "more_segments": total.segments,
                        "more_utterances": total.utterances,
                        "more_alerts": total.alerts,
                        "newest": total.seq,
                        "highest": total.agitation,
                        "heard": min((self._settled.get(record_id, {}) | total.settled).values(), default=0),
                    }
                    for record_id, total in totals.items()
                ],
            )

    def _end(self, connection: sa.Connection, entry: EndRecord) -> None:
        closed = RecordState.INTERRUPTED if entry.reason is None else RecordState.CLOSED
        connection.execute(
            sa.update(calls)
            .where(calls.c.record_id == entry.record_id, calls.c.state == RecordState.LIVE.value)
            .values(
                state=closed.value,
                reason=entry.reason,
                ended_at=entry.at,
                lost=calls.c.lost + entry.lost,
                transferred_to=entry.transferred_to,
                expires_at=entry.at + calls.c.expires_at,
                least_until=entry.at + calls.c.least_until,
                original_until=entry.at + calls.c.original_until,
            )
        )

    def interrupt(self) -> list[str]:
        """Close the calls that the process before this one left alive; return their record ids.

        They end when they were last written to: at the time of their last event or sound, or at their start.
        """
        with writing(self.engine) as connection:
            live = connection.execute(
                sa.select(calls.c.record_id, calls.c.started_at, calls.c.stored_audio).where(
                    calls.c.state == RecordState.LIVE.value
                )
            ).all()
            for row in live:
                at = min(self._clock(), row.started_at + row.stored_audio / 16_000)
                self._end(connection, EndRecord(record_id=row.record_id, at=at, reason=None, lost=0))
        return [str(row.record_id) for row in live]

    def empty_log(self) -> None:
        """Let nothing of what was deleted stay in the write-ahead log, or in dead rows."""
        overwrite_deleted(self.engine, OF_CALLS)
