"""Forgetting calls: by age, at somebody's request, and again where a backup has brought them back. Blocks.

The order is what keeps a promise: first the tombstone, then the key, without which nothing can be read, then
what was made of the call elsewhere, then its rows. Who is killed in between goes on where it stopped.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from pipeline.errors import InvalidRequest, UnknownErasure, UnknownHold
from pipeline.record.entries import RecordRow, RecordState
from pipeline.record.key_store import KeyStore, original_key
from pipeline.record.store import OF_CALLS, RecordStore
from pipeline.record.tables import calls, erasures, holds, original_requests, originals
from suggest.store.database import writing

LONGEST_REASON = 200
AT_ONCE = 500
"""Calls that are erased in one step."""


class Why(StrEnum):
    """Why a call is erased."""

    EXPIRED = "expired"
    REQUEST = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What became of a request to erase; times in s since 1970 UTC.

    Attributes:
        id: of the request.
        asked_at: when.
        why: for what reason.
        erased: record ids of calls of which nothing is left.
        waiting: of those that are being erased.
        held: of those that somebody holds, or that the law keeps: they stay.
    """

    id: str
    asked_at: float
    why: Why
    erased: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


class Eraser:
    """Forgets the calls of one company.

    Args:
        tenant: the company.
        store: of it.
        keys: of all calls.
        unindex: lets nothing of some calls be found.
        clock: s since 1970 UTC.
    """

    def __init__(
        self,
        tenant: str | None,
        store: RecordStore,
        keys: KeyStore,
        unindex: Callable[[list[str]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenant, self._store, self._keys = tenant, store, keys
        self._unindex, self._clock = unindex, clock

    # ---------------------------------------------------------------- holds

    def hold(self, record_ids: Sequence[str], reason: str, by: str) -> str:
        """Keep calls whatever their class says, until released; return the id of the hold.

        Raises:
            InvalidRequest: no reason is given, or it is too long.
        """
        name, now = secrets.token_hex(6), self._clock()
        rows = [
            {
                "id": f"{name}.{number}", "record_id": record_id, "reason": checked_reason(reason),
                "placed_by": by, "placed_at": now,
            }
            for number, record_id in enumerate(record_ids)
        ]  # fmt: skip
        with writing(self._store.engine) as connection:
            connection.execute(sa.insert(holds), rows)
        return name

    def release(self, name: str) -> int:
        """End a hold; return how many calls it held.

        Raises:
            UnknownHold: there is none of that id in force.
        """
        with writing(self._store.engine) as connection:
            done = connection.execute(
                sa.update(holds)
                .where(holds.c.id.startswith(f"{name}.", autoescape=True), holds.c.released_at.is_(None))
                .values(released_at=self._clock())
            ).rowcount
        if not done:
            raise UnknownHold("no hold of that id is in force")
        return done

    # ---------------------------------------------------------------- erasure

    def request(self, record_ids: Sequence[str], by: str, why: Why = Why.REQUEST) -> ErasureReceipt:
        """Mark calls as erased, but for those that are held or that the law keeps.

        From here on nobody reads them; :meth:`lock_out` and :meth:`remove` delete them.
        """
        now, name = self._clock(), secrets.token_hex(6)
        with writing(self._store.engine) as connection:
            found = self._erasable(connection, record_ids, now)
            if found:
                connection.execute(
                    sa.insert(erasures),
                    [
                        {
                            "id": name, "record_id": row.record_id, "call_id": row.call_id, "why": why.value,
                            "asked_by": by, "asked_at": now,
                        }
                        for row in found
                    ],
                )  # fmt: skip
        taken = tuple(row.record_id for row in found)
        kept = tuple(record_id for record_id in record_ids if record_id not in set(taken))
        return ErasureReceipt(id=name, asked_at=now, why=why, waiting=taken, held=kept)

    def _erasable(
        self, connection: sa.Connection, record_ids: Sequence[str], now: float
    ) -> list[sa.Row[tuple[str, str]]]:
        held = sa.select(holds.c.record_id).where(holds.c.released_at.is_(None))
        marked = sa.select(erasures.c.record_id)
        free = sa.or_(calls.c.least_until.is_(None), calls.c.least_until <= now)
        found: list[sa.Row[tuple[str, str]]] = []
        for first in range(0, len(record_ids), AT_ONCE):
            query = sa.select(calls.c.record_id, calls.c.call_id).where(
                calls.c.record_id.in_(record_ids[first : first + AT_ONCE]),
                calls.c.state != RecordState.LIVE.value,
                calls.c.record_id.not_in(held),
                calls.c.record_id.not_in(marked),
                free,
            )
            found += connection.execute(query).all()
        return found

    def expired(self) -> ErasureReceipt | None:
        """Mark the calls whose time has come; None where there are none."""
        held = sa.select(holds.c.record_id).where(holds.c.released_at.is_(None))
        marked = sa.select(erasures.c.record_id)
        query = sa.select(calls.c.record_id).where(
            calls.c.state != RecordState.LIVE.value,
            calls.c.expires_at <= self._clock(),
            calls.c.record_id.not_in(held),
            calls.c.record_id.not_in(marked),
        )
        with self._store.engine.connect() as connection:
            due: list[str] = list(connection.scalars(query.limit(AT_ONCE)))
        return self.request(due, "retention", Why.EXPIRED) if due else None

    def lock_out(self) -> list[RecordRow]:
        """Destroy the keys of some calls that are marked, and let nothing of them be found; return them."""
        rows = self._marked()
        names = [row.record_id for row in rows]
        if names:
            self._keys.destroy([*names, *map(original_key, names)])
            self._unindex(names)
        return rows

    def remove(self, rows: Sequence[RecordRow]) -> None:
        """Delete what is left of calls that were locked out, once what was made of them is deleted too."""
        names = [row.record_id for row in rows]
        with writing(self._store.engine) as connection:
            for table in OF_CALLS:
                connection.execute(sa.delete(table).where(table.c.record_id.in_(names)))
            connection.execute(
                sa.update(erasures)
                .where(erasures.c.record_id.in_(names), erasures.c.done_at.is_(None))
                .values(done_at=self._clock())
            )
        self._store.empty_log()

    def forget_originals(self) -> int:
        """Forget what was hidden of the calls whose time for that has come; return of how many.

        The key goes first. Calls that are held keep it.
        """
        held = sa.select(holds.c.record_id).where(holds.c.released_at.is_(None))
        query = sa.select(calls.c.record_id).where(
            calls.c.state != RecordState.LIVE.value,
            calls.c.original_until <= self._clock(),
            calls.c.record_id.not_in(held),
        )
        with self._store.engine.connect() as connection:
            due: list[str] = list(connection.scalars(query.limit(AT_ONCE)))
        if not due:
            return 0
        self._keys.destroy([original_key(name) for name in due])
        with writing(self._store.engine) as connection:
            for table in (originals, original_requests):
                connection.execute(sa.delete(table).where(table.c.record_id.in_(due)))
            connection.execute(sa.update(calls).where(calls.c.record_id.in_(due)).values(original_until=None))
        self._store.empty_log()
        return len(due)

    def mark_restored(self) -> int:
        """Mark the calls whose key was destroyed: a backup has brought them back; return how many."""
        marked, now = sa.select(erasures.c.record_id), self._clock()
        query = sa.select(calls.c.record_id, calls.c.call_id).where(calls.c.record_id.not_in(marked))
        destroyed = self._keys.destroyed()
        with self._store.engine.connect() as connection:
            lost = [row for row in connection.execute(query) if row.record_id in destroyed]
        with writing(self._store.engine) as connection:
            rows = [
                {
                    "id": "backup", "record_id": row.record_id, "call_id": row.call_id,
                    "why": Why.EXPIRED.value, "asked_by": "backup", "asked_at": now,
                }
                for row in lost
            ]  # fmt: skip
            if rows:
                connection.execute(sa.insert(erasures), rows)
        return len(rows)

    def forget_keys_of_erased(self) -> int:
        """Destroy the keys that a restored store of keys has brought back; return how many.

        They are those of erased calls, and those of what was hidden of calls that keep none of it any more.
        """
        nothing = sa.select(calls.c.record_id).where(calls.c.original_until.is_(None))
        with self._store.engine.connect() as connection:
            gone: set[str] = set(connection.scalars(sa.select(erasures.c.record_id)))
            past: set[str] = set(connection.scalars(nothing))
        back = sorted(self._keys.known() & gone)
        hidden = [original_key(name) for name in sorted(self._keys.with_original() & (gone | past))]
        return self._keys.destroy([*back, *hidden]) if back or hidden else 0

    def _marked(self) -> list[RecordRow]:
        """Return some calls that are marked and still there."""
        marked = sa.select(erasures.c.record_id)
        return self._store.rows(calls.c.record_id.in_(marked), limit=AT_ONCE)

    def receipt(self, name: str) -> ErasureReceipt:
        """Return what became of a request.

        Raises:
            UnknownErasure: there was none of that id.
        """
        query = sa.select(erasures).where(erasures.c.id == name).order_by(erasures.c.n)
        with self._store.engine.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise UnknownErasure("no erasure has this id")
        return ErasureReceipt(
            id=name,
            asked_at=rows[0].asked_at,
            why=Why(rows[0].why),
            erased=tuple(row.record_id for row in rows if row.done_at is not None),
            waiting=tuple(row.record_id for row in rows if row.done_at is None),
        )


def checked_reason(text: str) -> str:
    """Return a reason that somebody gives, without spaces around it.

    Raises:
        InvalidRequest: it is empty, too long, or has characters that cannot be printed.
    """
    if not 0 < len(text.strip()) <= LONGEST_REASON or not text.strip().isprintable():
        raise InvalidRequest(f"reason: say why in 1 to {LONGEST_REASON} printable characters")
    return text.strip()
