"""What was hidden of calls: who may read it, and how it is read. Blocks; any thread may call it.

Nobody reads it alone: somebody asks and says why, somebody else agrees, and then it can be read for a time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.errors import PermissionDenied, UnknownOriginalRequest
from pipeline.record.erasing import checked_reason
from pipeline.record.reading import SoundPiece
from pipeline.record.store import RecordStore
from pipeline.record.tables import original_requests
from suggest.store.database import writing

ANSWERED_S = 7 * 86_400.0
"""How long a request waits for a second person, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalRequest:
    """A wish to read what was hidden of a call; times in s since 1970 UTC.

    Attributes:
        id: of the request.
        record_id: of the call.
        reason: why.
        asked_by: id of whoever asks.
        asked_at: when.
        decided_by: id of the second person; None before.
        decided_at: when.
        until: when reading ends; None where nobody has agreed.
    """

    id: str
    record_id: str
    reason: str
    asked_by: str
    asked_at: float
    decided_by: str | None = None
    decided_at: float | None = None
    until: float | None = None


class OriginalRequests:
    """The requests of one company.

    Args:
        store: of it.
        clock: s since 1970 UTC.
    """

    def __init__(self, store: RecordStore, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock

    def ask(self, record_id: str, reason: str, by: str) -> OriginalRequest:
        """Ask to read what was hidden of a call.

        Raises:
            InvalidRequest: no reason is given, or it is too long.
        """
        asked = OriginalRequest(
            id=secrets.token_hex(6),
            record_id=record_id,
            reason=checked_reason(reason),
            asked_by=by,
            asked_at=self._clock(),
        )
        row = {
            "id": asked.id, "record_id": record_id, "reason": asked.reason,
            "asked_by": by, "asked_at": asked.asked_at,
        }  # fmt: skip
        with writing(self._store.engine) as connection:
            connection.execute(sa.insert(original_requests), row)
        return asked

    def waiting(self) -> list[OriginalRequest]:
        """Return the requests that wait for a second person, the oldest first."""
        fresh = original_requests.c.asked_at > self._clock() - ANSWERED_S
        query = sa.select(original_requests).where(original_requests.c.decided_at.is_(None), fresh)
        with self._store.engine.connect() as connection:
            return [_of(row) for row in connection.execute(query.order_by(original_requests.c.asked_at))]

    def decide(self, name: str, by: str, until: float | None) -> OriginalRequest:
        """Agree to a request, or refuse it.

        Args:
            name: id of the request.
            by: id of the second person.
            until: when reading ends, s since 1970 UTC; None refuses.

        Raises:
            PermissionDenied: whoever asked agrees.
            UnknownOriginalRequest: none of that id waits.
        """
        found = self._named(name)
        if found.asked_by == by and until is not None:
            raise PermissionDenied("whoever asked cannot agree: it needs a second person")
        now = self._clock()
        with writing(self._store.engine) as connection:
            changed = connection.execute(
                sa.update(original_requests)
                .where(original_requests.c.id == name, original_requests.c.decided_at.is_(None))
                .values(decided_by=by, decided_at=now, until=until)
            ).rowcount
        if not changed:
            raise UnknownOriginalRequest("the request was decided already")
        return self._named(name, waiting=False)

    def check(self, record_id: str, by: str) -> OriginalRequest:
        """Return the request by which somebody may read what was hidden of a call now.

        Raises:
            PermissionDenied: there is none.
        """
        its = original_requests.c
        query = sa.select(original_requests).where(
            its.record_id == record_id, its.asked_by == by, its.until > self._clock()
        )
        with self._store.engine.connect() as connection:
            row = connection.execute(query.order_by(its.until.desc()).limit(1)).first()
        if row is None:
            raise PermissionDenied(
                "what was hidden of this call is read only once a second person has agreed; ask with "
                "RequestOriginal ('yuetone record original ask')"
            )
        return _of(row)

    def _named(self, name: str, *, waiting: bool = True) -> OriginalRequest:
        wanted = [original_requests.c.id == name]
        if waiting:
            wanted.append(original_requests.c.decided_at.is_(None))
        with self._store.engine.connect() as connection:
            row = connection.execute(sa.select(original_requests).where(*wanted)).one_or_none()
        if row is None:
            raise UnknownOriginalRequest("no request of that id waits for a second person")
        return _of(row)


def restored(pieces: Iterator[SoundPiece], cuts: list[SoundPiece]) -> Iterator[SoundPiece]:
    """Yield sound with what was silenced in it put back.

    Args:
        pieces: of a channel, as everybody hears them.
        cuts: what was silenced in it.
    """
    for piece in pieces:
        data, end = bytearray(piece.data), piece.start + len(piece.data)
        for cut in cuts:
            first, last = max(piece.start, cut.start), min(end, cut.start + len(cut.data))
            if first < last:
                part = cut.data[first - cut.start : last - cut.start]
                data[first - piece.start : last - piece.start] = part
        yield SoundPiece(channel=piece.channel, start=piece.start, data=bytes(data))


def _of(row: sa.Row[tuple[str, str, str, str, float, str, float, float]]) -> OriginalRequest:
    return OriginalRequest(
        id=row.id,
        record_id=row.record_id,
        reason=row.reason,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        until=row.until,
    )
