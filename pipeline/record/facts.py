"""What figures are counted from: of each recorded call who, when and how it ended. No words. Blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.calls.info import NOT_TOLD, Arrival, CallInfo
from pipeline.record.entries import RecordState, WrappedUp
from pipeline.record.rows import arrival_of, wrapped_of
from pipeline.record.store import RecordStore
from pipeline.record.tables import calls, erasures, wrap_ups

AT_ONCE = 1_000
"""Rows that are fetched at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFact:
    """A call that has ended; times in s since 1970 UTC.

    Attributes:
        info: whose call it was.
        ended_at: when.
        alerts: that were raised.
        agitation: the highest, in [0, 1]; None where it was not judged.
        known_customer: whether it is known who called.
        again_at: when the same customer called next; None where they did not.
        wrapped: what its agent keeps of it.
        arrival: how it came to its agent.
        transferred: whether the telephony system handed it on.
    """

    info: CallInfo
    ended_at: float
    alerts: int
    agitation: float | None
    known_customer: bool
    again_at: float | None
    wrapped: WrappedUp | None
    arrival: Arrival = NOT_TOLD
    transferred: bool = False


def facts(store: RecordStore, tenant: str | None, since: float, until: float) -> Iterator[CallFact]:
    """Yield the calls that began between two times and have ended, in the order of their beginning.

    Args:
        store: of the company.
        tenant: the company.
        since: from then on, s since 1970 UTC.
        until: before then.
    """
    again = sa.func.lead(calls.c.started_at).over(
        partition_by=calls.c.customer, order_by=(calls.c.started_at, calls.c.n)
    )
    ended = (
        calls.c.state != RecordState.LIVE.value,
        calls.c.ended_at.is_not(None),
        calls.c.record_id.not_in(sa.select(erasures.c.record_id)),
    )
    every = sa.select(
        calls.c.record_id, calls.c.n, calls.c.call_id, calls.c.queue, calls.c.team, calls.c.agent_id,
        calls.c.profile, calls.c.sender, calls.c.started_at, calls.c.ended_at, calls.c.alerts,
        calls.c.agitation, calls.c.customer, calls.c.direction, calls.c.waited_ms,
        calls.c.transferred_from, calls.c.transferred_to, again.label("again_at"),
    ).where(*ended, calls.c.started_at >= since).subquery()  # fmt: skip
    kept = (wrap_ups.c.resolution, wrap_ups.c.topics, wrap_ups.c.closed, wrap_ups.c.saved_at)
    query = (
        sa.select(every, *kept, wrap_ups.c.follow_up_at)
        .join(wrap_ups, wrap_ups.c.record_id == every.c.record_id, isouter=True)
        .where(every.c.started_at < until)
        .order_by(every.c.started_at, every.c.n)
    )
    with store.engine.connect() as connection:
        for row in connection.execution_options(yield_per=AT_ONCE).execute(query):
            yield CallFact(
                info=CallInfo(
                    call_id=row.call_id, tenant=tenant, queue=row.queue, team=row.team, agent_id=row.agent_id,
                    profile=row.profile, started_at=row.started_at, sender=row.sender,
                ),
                ended_at=row.ended_at,
                alerts=row.alerts,
                agitation=row.agitation,
                known_customer=row.customer is not None,
                again_at=row.again_at if row.customer is not None else None,
                wrapped=wrapped_of(row),
                arrival=arrival_of(row),
                transferred=row.transferred_to is not None,
            )  # fmt: skip
