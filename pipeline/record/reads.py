"""What is read from the record of one company, sealed as it lies there. Blocks; any thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from pipeline.record import fencing
from pipeline.record.entries import RecordRow
from pipeline.record.rows import record_of
from pipeline.record.sealed import SealedEvent, SealedOriginal, SealedSound
from pipeline.record.tables import calls, events, holds, originals, segments, wrap_ups
from suggest.store.database import writing


class RecordReads:
    """Reads the record.

    Args:
        engine: of its database.
        node: name of this node, where several write the record.
    """

    def __init__(self, engine: sa.Engine, node: str | None) -> None:
        self.engine, self.node = engine, node

    def originals(self, record_id: str, kind: str) -> Iterator[SealedOriginal]:
        """Yield what was hidden of a call, events or sound, in its order."""
        query = (
            sa.select(originals)
            .where(originals.c.record_id == record_id, originals.c.kind == kind)
            .order_by(originals.c.channel, originals.c.number)
        )
        with self.engine.connect() as connection:
            for row in connection.execute(query):
                yield SealedOriginal(channel=row.channel, number=row.number, start=row.start, body=row.body)

    def row(self, record_id: str) -> RecordRow | None:
        """Return a call; None where there is none."""
        return next(iter(self.rows(calls.c.record_id == record_id)), None)

    def rows(self, *wanted: sa.ColumnElement[bool], limit: int | None = None) -> list[RecordRow]:
        """Return the calls that meet all of some conditions, the newest first."""
        held = sa.exists().where(holds.c.record_id == calls.c.record_id, holds.c.released_at.is_(None))
        kept = (
            wrap_ups.c.resolution,
            wrap_ups.c.topics,
            wrap_ups.c.closed,
            wrap_ups.c.saved_at,
            wrap_ups.c.follow_up_at,
        )
        query = (
            sa.select(calls, held.label("held"), *kept)
            .join(wrap_ups, wrap_ups.c.record_id == calls.c.record_id, isouter=True)
            .where(*wanted)
        )
        query = query.order_by(calls.c.started_at.desc(), calls.c.n.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [record_of(row) for row in connection.execute(query)]

    def events(self, record_id: str) -> Iterator[SealedEvent]:
        """Yield the events of a call in their order."""
        yield from self._events(events.c.record_id == record_id, order=(events.c.seq, events.c.n))

    def events_behind(self, n: int, limit: int) -> list[SealedEvent]:
        """Return at most ``limit`` events of all calls that were written behind number ``n``.

        Where several nodes write, those alone before which none will come any more.
        """
        wanted = events.c.n > n
        if self.node is not None:
            with writing(self.engine) as connection:
                wanted = sa.and_(wanted, events.c.n <= fencing.whole_upto(connection))
        return list(self._events(wanted, order=(events.c.n,), limit=limit))

    def _events(
        self, wanted: sa.ColumnElement[bool], order: Iterable[Any], limit: int | None = None
    ) -> Iterator[SealedEvent]:
        query = sa.select(events).where(wanted).order_by(*order).limit(limit)
        with self.engine.connect() as connection:
            for row in connection.execute(query):
                yield SealedEvent(n=row.n, record_id=row.record_id, seq=row.seq, kind=row.kind, body=row.body)

    def events_at(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], SealedEvent]:
        """Return events by record id and number; those that are not there, or no more, are left out."""
        if not places:
            return {}
        wanted = sa.or_(  # SQLite does not use its index for a list of pairs
            *(sa.and_(events.c.record_id == record_id, events.c.seq == seq) for record_id, seq in places)
        )
        return {(event.record_id, event.seq): event for event in self._events(wanted, order=(events.c.n,))}

    def sound(self, record_id: str, channel: int, *wanted: sa.ColumnElement[bool]) -> Iterator[SealedSound]:
        """Yield the pieces of a channel's sound that meet all of some conditions, in their order."""
        query = (
            sa.select(segments)
            .where(segments.c.record_id == record_id, segments.c.channel == channel, *wanted)
            .order_by(segments.c.number)
        )
        with self.engine.connect() as connection:
            for row in connection.execute(query):
                yield SealedSound(
                    channel=row.channel,
                    number=row.number,
                    version=row.version,
                    start=row.start,
                    length=row.length,
                    codec=row.codec,
                    body=row.body,
                )

    def frames(self, record_id: str) -> int:
        """Return how many samples the longest channel of a call has."""
        ends = sa.select(sa.func.max(segments.c.start + segments.c.length)).where(
            segments.c.record_id == record_id
        )
        with self.engine.connect() as connection:
            return int(connection.scalar(ends) or 0)

    def names(self) -> set[str]:
        """Return the record ids of all calls."""
        with self.engine.connect() as connection:
            return set(connection.scalars(sa.select(calls.c.record_id)))

    def counts(self, record_id: str) -> tuple[int, int]:
        """Return how many events and pieces of sound a call must have."""
        with self.engine.connect() as connection:
            row = connection.execute(
                sa.select(calls.c.events, calls.c.segments).where(calls.c.record_id == record_id)
            ).one()
        return int(row.events), int(row.segments)
