"""Alerts and undelivered webhook calls in the service's database: what a restart must not lose.

All methods block; one thread at a time calls them. A record and the deliveries that it causes are written
in one transaction. There is no speech in here: evidence comes with digits and rude words hidden.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.alerts.cursors import KEY_BYTES, Cursors
from pipeline.alerts.jumps import Jump
from pipeline.alerts.record import AlertRecord
from pipeline.calls.codec import event_from_json, event_to_json
from pipeline.calls.events import AlertEvent, AlertState
from pipeline.calls.info import CallInfo
from pipeline.storage.database import open_storage
from pipeline.storage.tables import alerts, deliveries, meta
from suggest.store.database import overwrite_deleted, writing

_COLUMNS = (
    alerts.c.seq, alerts.c.at, alerts.c.call_id, alerts.c.tenant, alerts.c.queue, alerts.c.team,
    alerts.c.agent_id, alerts.c.profile, alerts.c.event, alerts.c.expire_s,
    alerts.c.verdict, alerts.c.note,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """A record that a webhook has not acknowledged yet."""

    webhook: str
    attempts: int
    record: AlertRecord


class AlertStore:
    """The store.

    Args:
        store: path of a SQLite file, created with its folder; ``:memory:``, or a URL of SQLAlchemy.
        max_pending: deliveries of one webhook; when full, the oldest is given up.

    Attributes:
        id: drawn when the store was made.
        cursors: of this store.

    Raises:
        SettingsError: it cannot be opened, or is not ours.
    """

    def __init__(self, store: Path | str, max_pending: int = 10_000) -> None:
        self._max_pending = max_pending
        self._engine = open_storage(store, "alerts.store")
        with writing(self._engine) as connection:
            self.id = _meta(connection, "id", secrets.token_hex(4))
            self.cursors = Cursors(self.id, _cursor_key(connection))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # ---------------------------------------------------------------- records

    def add(self, record: AlertRecord, webhooks: Sequence[str]) -> tuple[AlertRecord | None, int]:
        """Store a record and what it sends.

        An acknowledgement cancels what was still to be sent of the alert.
        What comes too late is left out: an alert that is acknowledged or expired changes no more, and one
        that is closed cannot expire.

        Returns:
            the record with its number, None if it came too late; and how many deliveries were given up
            because the outbox is full.
        """
        event, dropped = record.event, 0
        mine = alerts.c.alert_id == event.alert_id
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":  # numbered as committed
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(2107714414)"))
            if _too_late(event, _newest(connection, event.alert_id)):
                return None, 0
            if event.state is AlertState.ACKNOWLEDGED:
                numbers = sa.select(alerts.c.seq).where(mine)
                connection.execute(sa.delete(deliveries).where(deliveries.c.seq.in_(numbers)))
            connection.execute(sa.update(alerts).where(mine).values(is_open=0))
            key = connection.execute(sa.insert(alerts).values(_row(record))).inserted_primary_key
            seq = int(key[0]) if key else 0
            for webhook in webhooks:
                dropped += self._enqueue(connection, webhook, seq, record.at)
        return replace(record, seq=seq), dropped

    def _enqueue(self, connection: sa.Connection, webhook: str, seq: int, at: float) -> int:
        """Add a delivery; return how many older ones of its webhook were given up for it."""
        row = {"webhook": webhook, "seq": seq, "attempts": 0, "next_at": at}
        connection.execute(sa.insert(deliveries).values(row))
        mine = deliveries.c.webhook == webhook
        kept = sa.select(deliveries.c.seq).where(mine).order_by(deliveries.c.seq.desc())
        oldest_kept = connection.execute(kept.offset(self._max_pending - 1).limit(1)).scalar()
        if oldest_kept is None:
            return 0
        return connection.execute(sa.delete(deliveries).where(mine, deliveries.c.seq < oldest_kept)).rowcount

    def after(self, seq: int, limit: int = 200) -> list[AlertRecord]:
        """Return the records behind number ``seq``, oldest first."""
        query = sa.select(*_COLUMNS).where(alerts.c.seq > seq).order_by(alerts.c.seq).limit(limit)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def last_seq(self) -> int:
        """Return the number of the newest record, 0 if there is none."""
        with self._engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.max(alerts.c.seq))).scalar() or 0)

    def newest(self, alert_id: str) -> AlertRecord | None:
        """Return the last state of an alert, None if it is not known."""
        with self._engine.connect() as connection:
            return _newest(connection, alert_id)

    def open(self, tenant: str | None) -> list[AlertRecord]:
        """Return the newest state of alerts that nobody has taken, the oldest first.

        Args:
            tenant: only this company's; None for those of all. They are few: each expires.
        """
        query = sa.select(*_COLUMNS).where(alerts.c.is_open == 1).order_by(alerts.c.seq)
        if tenant is not None:
            query = query.where(alerts.c.tenant == tenant)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def of_call(
        self, tenant: str | None, call_id: str, since: float, until: float, limit: int
    ) -> list[AlertRecord]:
        """Return the newest state of each alert of a call that was raised in a time, in their order.

        Args:
            tenant: only this company's; None for those of all, which may have calls of one id.
            call_id: the call.
            since: s since 1970 UTC.
            until: the same; behind it.
            limit: number of alerts, at most.
        """
        its = (
            sa.select(sa.func.min(alerts.c.seq).label("first"), sa.func.max(alerts.c.seq).label("last"))
            .where(alerts.c.call_id == call_id, *([] if tenant is None else [alerts.c.tenant == tenant]))
            .group_by(alerts.c.alert_id)
            .having(sa.func.min(alerts.c.at) >= since, sa.func.min(alerts.c.at) < until)
            .order_by(sa.func.min(alerts.c.seq))
            .limit(limit)
            .subquery()
        )
        query = sa.select(*_COLUMNS).join(its, alerts.c.seq == its.c.last).order_by(its.c.first)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def taken(self, tenant: str | None, since: float, until: float) -> list[tuple[str, float]]:
        """Return call id and s from raised to taken, of each alert that was raised in a time and taken."""
        its = alerts.c.tenant == tenant if tenant is not None else alerts.c.tenant.is_(None)
        at = sa.func.max(sa.case((alerts.c.verdict.is_not(None), alerts.c.at)))
        raised = sa.func.min(alerts.c.at)
        query = (
            sa.select(alerts.c.call_id, at - raised)
            .where(its)
            .group_by(alerts.c.alert_id, alerts.c.call_id)
            .having(at.is_not(None), raised >= since, raised < until)
        )
        with self._engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def overdue(self, now: float, jump: Jump | None = None) -> list[AlertRecord]:
        """Return the open alerts that nobody took in time, counted from when they were raised.

        Args:
            now: s since 1970 UTC.
            jump: of the clock; an alert from before it has waited for so much less than it seems.
        """
        every = alerts.alias()
        first = sa.select(sa.func.min(every.c.at)).where(every.c.alert_id == alerts.c.alert_id)
        raised = first.scalar_subquery()
        waited = now - raised
        if jump is not None:
            waited -= sa.case((raised < jump.at, jump.by), else_=0.0)
        late = alerts.c.expire_s <= waited
        with self._engine.connect() as connection:
            query = sa.select(*_COLUMNS).where(alerts.c.is_open == 1, late)
            return [_record(row) for row in connection.execute(query)]

    def forget(self, before: float) -> int:
        """Delete what is older and not waiting for a webhook; return how many records."""
        open_ones = sa.select(alerts.c.alert_id).where(alerts.c.is_open == 1)
        old = sa.delete(alerts).where(
            alerts.c.at < before,
            alerts.c.seq.not_in(sa.select(deliveries.c.seq)),
            alerts.c.alert_id.not_in(open_ones),
        )
        with writing(self._engine) as connection:
            return connection.execute(old).rowcount

    def forget_call(self, tenant: str | None, call_id: str, since: float, until: float) -> int:
        """Delete the alerts of a call, and what was still to be sent of them; return how many records.

        Args:
            tenant: whose call.
            call_id: of it.
            since: of alerts then or later, s since 1970 UTC: another call may have had the same id.
            until: or earlier.
        """
        its = (alerts.c.tenant == tenant, alerts.c.call_id == call_id, alerts.c.at.between(since, until))
        with writing(self._engine) as connection:
            connection.execute(
                sa.delete(deliveries).where(deliveries.c.seq.in_(sa.select(alerts.c.seq).where(*its)))
            )
            gone = connection.execute(sa.delete(alerts).where(*its)).rowcount
        overwrite_deleted(self._engine, (alerts, deliveries))
        return gone

    # ---------------------------------------------------------------- deliveries

    def due(self, webhook: str, now: float) -> WebhookDelivery | None:
        """Return the oldest delivery that is due."""
        query = (
            sa.select(deliveries.c.attempts, *_COLUMNS)
            .join_from(deliveries, alerts, deliveries.c.seq == alerts.c.seq)
            .where(deliveries.c.webhook == webhook, deliveries.c.next_at <= now)
            .order_by(deliveries.c.seq)
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return WebhookDelivery(webhook=webhook, attempts=row.attempts, record=_record(row))

    def next_due(self, webhook: str) -> float | None:
        """Return when the next delivery is due, None if nothing waits."""
        query = sa.select(sa.func.min(deliveries.c.next_at)).where(deliveries.c.webhook == webhook)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else float(found)

    def pending(self) -> int:
        """Return how many deliveries wait, over all webhooks."""
        with self._engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(deliveries)
            return int(connection.execute(query).scalar_one())

    def delivered(self, delivery: WebhookDelivery) -> None:
        """The webhook has acknowledged it: neither it nor an earlier state of the alert is sent again."""
        record = delivery.record
        numbers = sa.select(alerts.c.seq).where(alerts.c.alert_id == record.event.alert_id)
        self._write(
            sa.delete(deliveries).where(
                deliveries.c.webhook == delivery.webhook,
                deliveries.c.seq <= record.seq,
                deliveries.c.seq.in_(numbers),
            )
        )

    def give_up(self, delivery: WebhookDelivery) -> None:
        """Send it no more, although nobody took it."""
        self._write(sa.delete(deliveries).where(_this(delivery)))

    def failed(self, delivery: WebhookDelivery, next_at: float) -> None:
        """Try again at ``next_at``, unless it was cancelled meanwhile."""
        change = {"attempts": deliveries.c.attempts + 1, "next_at": next_at}
        self._write(sa.update(deliveries).where(_this(delivery)).values(change))

    def hurry(self, webhook: str, now: float) -> None:
        """Make everything that waits for this webhook due: it works again."""
        waiting = sa.and_(deliveries.c.webhook == webhook, deliveries.c.next_at > now)
        self._write(sa.update(deliveries).where(waiting).values(next_at=now))

    def drop_unknown(self, webhooks: Sequence[str]) -> int:
        """Give up the deliveries of webhooks that are no longer configured; return how many."""
        return self._write(sa.delete(deliveries).where(deliveries.c.webhook.not_in(list(webhooks))))

    def _write(self, statement: sa.Delete | sa.Update) -> int:
        with writing(self._engine) as connection:
            return connection.execute(statement).rowcount


def _too_late(event: AlertEvent, before: AlertRecord | None) -> bool:
    if before is None:
        return False
    over = before.event.state in (AlertState.ACKNOWLEDGED, AlertState.EXPIRED)
    return over or (event.state is AlertState.EXPIRED and not before.open)


def _cursor_key(connection: sa.Connection) -> bytes:
    return bytes.fromhex(_meta(connection, "cursor_key", secrets.token_hex(KEY_BYTES)))


def _meta(connection: sa.Connection, key: str, fresh: str) -> str:
    """Return what the store keeps under a key; ``fresh``, from now on, where it keeps nothing."""
    kept = connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    if kept is None:
        connection.execute(meta.insert().values(key=key, value=fresh))
    return fresh if kept is None else str(kept)


def _newest(connection: sa.Connection, alert_id: str) -> AlertRecord | None:
    query = sa.select(*_COLUMNS).where(alerts.c.alert_id == alert_id).order_by(alerts.c.seq.desc()).limit(1)
    row = connection.execute(query).first()
    return _record(row) if row else None


def _this(delivery: WebhookDelivery) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.webhook == delivery.webhook, deliveries.c.seq == delivery.record.seq)


def _row(record: AlertRecord) -> dict[str, Any]:
    call = record.call
    return {
        "at": record.at,
        "alert_id": record.event.alert_id,
        "call_id": call.call_id,
        "tenant": call.tenant,
        "queue": call.queue,
        "team": call.team,
        "agent_id": call.agent_id,
        "profile": call.profile,
        "event": event_to_json(record.event),
        "expire_s": record.expire_s,
        "verdict": record.verdict,
        "note": record.note,
        "is_open": int(record.open),
    }


def _record(row: Any) -> AlertRecord:
    call = CallInfo(
        call_id=row.call_id,
        tenant=row.tenant,
        queue=row.queue,
        team=row.team,
        agent_id=row.agent_id,
        profile=row.profile or "default",
    )
    return AlertRecord(
        seq=int(row.seq),
        at=float(row.at),
        call=call,
        event=event_from_json(AlertEvent, row.event),
        expire_s=float(row.expire_s),
        verdict=row.verdict,
        note=row.note,
    )
