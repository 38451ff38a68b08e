"""Alerts and undelivered webhook calls in one SQLite file: what a restart must not lose.

All methods block; one thread at a time calls them. A record and the deliveries that it causes are written
in one transaction. There is no speech in here: evidence is masked before it arrives.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.alerts.record import AlertRecord, from_json, to_json
from pipeline.calls.events import AlertEvent, AlertState
from pipeline.calls.info import CallInfo
from pipeline.errors import SettingsError

MEMORY = ":memory:"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, alert_id TEXT NOT NULL, call_id TEXT NOT NULL,
  tenant TEXT, queue TEXT, agent_id TEXT, event TEXT NOT NULL, expire_s REAL NOT NULL,
  is_open INTEGER NOT NULL, verdict TEXT, note TEXT);
CREATE INDEX IF NOT EXISTS alerts_by_id ON alerts (alert_id);
CREATE TABLE IF NOT EXISTS deliveries (
  webhook TEXT NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL, next_at REAL NOT NULL,
  PRIMARY KEY (webhook, seq));
"""
_COLUMNS = "seq, at, call_id, tenant, queue, agent_id, event, expire_s"
VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """A record that a webhook has not acknowledged yet."""

    webhook: str
    attempts: int
    record: AlertRecord


class AlertStore:
    """The file.

    Args:
        path: of the file, created with its folder; :data:`MEMORY` keeps nothing.
        max_pending: deliveries of one webhook; when full, the oldest is given up.

    Raises:
        SettingsError: the file cannot be opened, or is not ours.
    """

    def __init__(self, path: Path | str, max_pending: int = 10_000) -> None:
        self._max_pending = max_pending
        self._database: sqlite3.Connection | None = None
        try:
            if str(path) != MEMORY:
                path = Path(path).expanduser()
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.touch(mode=0o600)
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise SettingsError(f"alerts.store: {path} cannot be used as a SQLite file: {error}") from error
        except SettingsError:
            self.close()
            raise

    def _prepare(self) -> None:
        database = self._db
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")  # a record survives a power cut
        database.execute("PRAGMA busy_timeout = 5000")
        database.executescript(_SCHEMA)
        database.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
        database.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (secrets.token_hex(4),))
        if self._meta("version") != VERSION:
            raise SettingsError("alerts.store: the file is of another version of Yuetone; move it away")
        self.id = self._meta("id")

    @property
    def _db(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the store is closed")
        return self._database

    def _meta(self, key: str) -> str:
        return str(self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    # ---------------------------------------------------------------- records

    def add(self, record: AlertRecord, webhooks: Sequence[str], verdict: str | None = None,
            note: str | None = None) -> tuple[AlertRecord | None, int]:  # fmt: skip
        """Store a record and what it sends.

        An acknowledgement cancels what was still to be sent of the alert.
        What comes too late is left out: an alert that is acknowledged or expired changes no more, and one
        that is closed cannot expire.

        Returns:
            the record with its number, None if it came too late; and how many deliveries were given up
            because the outbox is full.
        """
        call, event, dropped = record.call, record.event, 0
        with self._transaction() as database:
            if self._too_late(event):
                return None, 0
            if event.state is AlertState.ACKNOWLEDGED:
                database.execute(
                    "DELETE FROM deliveries WHERE seq IN (SELECT seq FROM alerts WHERE alert_id = ?)",
                    (event.alert_id,),
                )
            database.execute("UPDATE alerts SET is_open = 0 WHERE alert_id = ?", (event.alert_id,))
            seq = database.execute(
                "INSERT INTO alerts (at, alert_id, call_id, tenant, queue, agent_id, event, expire_s,"
                " is_open, verdict, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    record.at, event.alert_id, call.call_id, call.tenant, call.queue, call.agent_id,
                    to_json(event), record.expire_s, record.open, verdict, note,
                ),
            ).lastrowid  # fmt: skip
            for webhook in webhooks:
                dropped += self._enqueue(database, webhook, int(seq or 0), record.at)
        return replace(record, seq=int(seq or 0)), dropped

    def _too_late(self, event: AlertEvent) -> bool:
        before = self.newest(event.alert_id)
        if before is None:
            return False
        over = before.event.state in (AlertState.ACKNOWLEDGED, AlertState.EXPIRED)
        return over or (event.state is AlertState.EXPIRED and not before.open)

    def _enqueue(self, database: sqlite3.Connection, webhook: str, seq: int, at: float) -> int:
        database.execute("INSERT INTO deliveries VALUES (?, ?, 0, ?)", (webhook, seq, at))
        oldest = "SELECT seq FROM deliveries WHERE webhook = ? ORDER BY seq DESC LIMIT -1 OFFSET ?"
        return database.execute(
            f"DELETE FROM deliveries WHERE webhook = ? AND seq IN ({oldest})",  # noqa: S608 (no input in it)
            (webhook, webhook, self._max_pending),
        ).rowcount

    def after(self, seq: int, limit: int = 200) -> list[AlertRecord]:
        """Return the records behind number ``seq``, oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM alerts WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608
            (seq, limit),
        )
        return [_record(row) for row in rows]

    def last_seq(self) -> int:
        """Return the number of the newest record, 0 if there is none."""
        return int(self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM alerts").fetchone()[0])

    def newest(self, alert_id: str) -> AlertRecord | None:
        """Return the last state of an alert, None if it is not known."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM alerts WHERE alert_id = ? ORDER BY seq DESC LIMIT 1",  # noqa: S608
            (alert_id,),
        ).fetchone()
        return _record(row) if row else None

    def overdue(self, now: float) -> list[AlertRecord]:
        """Return the open alerts that nobody took in time, counted from when they were raised."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM alerts AS newest WHERE is_open = 1 AND expire_s + "  # noqa: S608
            "(SELECT MIN(at) FROM alerts WHERE alert_id = newest.alert_id) <= ?",
            (now,),
        )
        return [_record(row) for row in rows]

    def forget(self, before: float) -> int:
        """Delete what is older and not waiting for a webhook; return how many records."""
        with self._transaction() as database:
            return database.execute(
                "DELETE FROM alerts WHERE at < ? AND seq NOT IN (SELECT seq FROM deliveries)"
                " AND alert_id NOT IN (SELECT alert_id FROM alerts WHERE is_open = 1)",
                (before,),
            ).rowcount

    # ---------------------------------------------------------------- deliveries

    def due(self, webhook: str, now: float) -> WebhookDelivery | None:
        """Return the oldest delivery that is due."""
        row = self._db.execute(
            f"SELECT attempts, {', '.join('alerts.' + c for c in _COLUMNS.split(', '))} FROM deliveries "  # noqa: S608
            "JOIN alerts USING (seq) WHERE webhook = ? AND next_at <= ? ORDER BY seq LIMIT 1",
            (webhook, now),
        ).fetchone()
        return WebhookDelivery(webhook=webhook, attempts=row[0], record=_record(row[1:])) if row else None

    def next_due(self, webhook: str) -> float | None:
        """Return when the next delivery is due, None if nothing waits."""
        row = self._db.execute("SELECT MIN(next_at) FROM deliveries WHERE webhook = ?", (webhook,)).fetchone()
        return None if row[0] is None else float(row[0])

    def pending(self) -> int:
        """Return how many deliveries wait, over all webhooks."""
        return int(self._db.execute("SELECT COUNT(*) FROM deliveries").fetchone()[0])

    def delivered(self, delivery: WebhookDelivery) -> None:
        """The webhook has acknowledged it: neither it nor an earlier state of the alert is sent again."""
        record = delivery.record
        self._db.execute(
            "DELETE FROM deliveries WHERE webhook = ? AND seq <= ?"
            " AND seq IN (SELECT seq FROM alerts WHERE alert_id = ?)",
            (delivery.webhook, record.seq, record.event.alert_id),
        )

    def give_up(self, delivery: WebhookDelivery) -> None:
        """Send it no more, although nobody took it."""
        self._db.execute(
            "DELETE FROM deliveries WHERE webhook = ? AND seq = ?", (delivery.webhook, delivery.record.seq)
        )

    def failed(self, delivery: WebhookDelivery, next_at: float) -> None:
        """Try again at ``next_at``, unless it was cancelled meanwhile."""
        self._db.execute(
            "UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE webhook = ? AND seq = ?",
            (next_at, delivery.webhook, delivery.record.seq),
        )

    def hurry(self, webhook: str, now: float) -> None:
        """Make everything that waits for this webhook due: it works again."""
        self._db.execute(
            "UPDATE deliveries SET next_at = ? WHERE webhook = ? AND next_at > ?", (now, webhook, now)
        )

    def drop_unknown(self, webhooks: Sequence[str]) -> int:
        """Give up the deliveries of webhooks that are no longer configured; return how many."""
        marks = ", ".join("?" for _ in webhooks)
        condition = f"WHERE webhook NOT IN ({marks})" if webhooks else ""
        return self._db.execute(f"DELETE FROM deliveries {condition}", tuple(webhooks)).rowcount  # noqa: S608

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when the block fails."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        with closing(self._database.cursor()) as cursor:
            cursor.execute("COMMIT" if kind is None else "ROLLBACK")


def _record(row: Sequence[object]) -> AlertRecord:
    seq, at, call_id, tenant, queue, agent_id, event, expire_s = row
    call = CallInfo(call_id=str(call_id), tenant=_text(tenant), queue=_text(queue), agent_id=_text(agent_id))
    return AlertRecord(
        seq=int(str(seq)),
        at=float(str(at)),
        call=call,
        event=from_json(str(event)),
        expire_s=float(str(expire_s)),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
