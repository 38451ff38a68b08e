"""What nodes do that share a record.

What an earlier part of a call brings too late is left out (fencing by epoch: M. Kleppmann, "How to do
distributed locking", 2016), and the sound of a part joins where the one before stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from pipeline.calls.events import TranscriptEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.record.batch import Batch, PartEntry
from pipeline.record.entries import BeginRecord, CloseRecord, ContinueRecord, RecordEntry
from pipeline.record.rows import EVENT, call_row
from pipeline.record.tables import calls, erasures, events, originals, segments
from suggest.store.database import insert_of

FOREVER = 1 << 62
"""Newer than any part of a call."""
UNHEARD_S = 0.25
"""Sound that may be missing where a part joins before the record counts it as lost, s."""
_WRITERS = sa.text("SELECT pg_advisory_xact_lock_shared(1851880037, hashtext(current_schema()))")
_NO_WRITER = sa.text("SELECT pg_advisory_xact_lock(1851880037, hashtext(current_schema()))")
"""Held by who writes events of a company, and by who asks how far they are whole; the number was drawn."""


def begin_row(connection: sa.Connection, entry: BeginRecord) -> None:
    """Write the row of a call, unless another node has done so, or it is erased already."""
    gone = sa.select(erasures.c.n).where(erasures.c.record_id == entry.record_id).limit(1)
    if connection.execute(gone).first() is not None:
        return
    row = insert_of(connection.dialect, calls).values(**call_row(entry))
    connection.execute(row.on_conflict_do_nothing(index_elements=[calls.c.record_id]))


def take_over(connection: sa.Connection, entry: ContinueRecord) -> tuple[int, ...]:
    """Let a node go on with a call: what the parts before bring from now on is left out.

    Returns:
        by channel, sample behind the last one that is on disk, at the record's rate.
    """
    begin, record_id = entry.begin, entry.record_id
    begin_row(connection, replace(begin, epoch=0))
    its = (calls.c.record_id == record_id, calls.c.epoch < begin.epoch)
    fresh = sa.update(calls).where(*its).values(epoch=begin.epoch, node=begin.node)
    is_first = connection.execute(fresh).rowcount > 0
    if is_first:
        forget_untold(connection, record_id, entry.committed)
    query = (
        sa.select(segments.c.channel, sa.func.max(segments.c.start + segments.c.length))
        .where(segments.c.record_id == record_id)
        .group_by(segments.c.channel)
    )
    found = {int(row[0]): int(row[1]) for row in connection.execute(query)}
    ends = tuple(found.get(channel, 0) for channel in range(len(begin.roles)))
    holes = _holes(entry, ends) if begin.with_sound else 0
    if is_first and holes:
        lost = sa.update(calls).where(calls.c.record_id == record_id).values(lost=calls.c.lost + holes)
        connection.execute(lost)
    return ends


def _holes(entry: ContinueRecord, ends: Sequence[int]) -> int:
    """Return in how many channels sound is missing between two parts."""
    said = [*entry.said_until, *[entry.origin] * len(ends)]
    known = [max(until, entry.origin) for until in said]
    step = SAMPLE_RATE // entry.begin.rate
    return sum(until - end * step > UNHEARD_S * SAMPLE_RATE for until, end in zip(known, ends, strict=False))


def epochs(connection: sa.Connection, entries: Iterable[RecordEntry]) -> dict[str, int]:
    """Return the newest part of each call in a batch; nobody changes it before the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(_WRITERS)
    names = {entry.record_id for entry in entries if not isinstance(entry, CloseRecord)}
    query = (
        sa.select(calls.c.record_id, calls.c.epoch)
        .where(calls.c.record_id.in_(names))
        .order_by(calls.c.record_id)  # all lock in one order
        .with_for_update()
    )
    return {row.record_id: row.epoch for row in connection.execute(query)}


def is_late(entry: PartEntry, newest: Mapping[str, int]) -> bool:
    """Tell whether another node has gone on with the call of an entry, or it is erased."""
    return entry.epoch < newest.get(entry.record_id, FOREVER)


def without_known(connection: sa.Connection, batch: Batch) -> Batch:
    """Return what is not on disk yet: an answer that got lost, or another node, may have left some there."""
    names = {entry.record_id for entry in batch.told} | {entry.record_id for entry in batch.heard}
    if not names:
        return batch
    least = min((entry.envelope.server_seq for entry in batch.told), default=0)
    told = sa.select(events.c.record_id, events.c.seq).where(
        events.c.record_id.in_(names), events.c.seq >= least
    )
    heard = sa.select(segments.c.record_id, segments.c.channel, segments.c.number).where(
        segments.c.record_id.in_(names), segments.c.number >= min((s.number for s in batch.heard), default=0)
    )
    seqs = {tuple(row) for row in connection.execute(told)} if batch.told else set()
    pieces = {tuple(row) for row in connection.execute(heard)} if batch.heard else set()
    return replace(
        batch,
        told=tuple(e for e in batch.told if (e.record_id, e.envelope.server_seq) not in seqs),
        heard=tuple(e for e in batch.heard if (e.record_id, e.channel, e.number) not in pieces),
    )


def forget_untold(connection: sa.Connection, record_id: str, committed: int) -> None:
    """Delete events of a call that no other node knows: the next part says them again."""
    its = (events.c.record_id == record_id, events.c.seq > committed)
    kinds: list[str] = list(connection.scalars(sa.select(events.c.kind).where(*its)))
    if not kinds:
        return
    connection.execute(sa.delete(events).where(*its))
    connection.execute(
        sa.delete(originals).where(
            originals.c.record_id == record_id, originals.c.kind == EVENT, originals.c.number > committed
        )
    )
    gone = {
        "events": calls.c.events - len(kinds),
        "utterances": calls.c.utterances - kinds.count(TranscriptEvent.__name__),
    }
    connection.execute(sa.update(calls).where(calls.c.record_id == record_id).values(gone))


def whole_upto(connection: sa.Connection) -> int:
    """Return the event number up to which none will come any more: several nodes draw numbers and commit."""
    if connection.dialect.name == "postgresql":
        connection.execute(_NO_WRITER)
    return int(connection.scalar(sa.select(sa.func.max(events.c.n))) or 0)
