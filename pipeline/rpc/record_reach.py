"""Which recorded calls a request can reach, and how their sound and text are read for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import grpc

from pipeline.calls.events import Envelope
from pipeline.calls.overview import CallFilter
from pipeline.config import ProfileSettings
from pipeline.errors import InvalidRequest, UnknownRecord
from pipeline.record.archive import EVERY_ROW, Archive, RowFilter, unavailable
from pipeline.record.entries import RecordRow
from pipeline.record.mixing import interleaved
from pipeline.record.service import RecordService
from pipeline.rpc import answering
from pipeline.rpc.caller import granted, may_see_alerts
from pipeline.rpc.record_messages import recorded_call
from yuetone.v1 import record_service_pb2 as pb

MOST_NAMED = 1_000
"""Calls that one request may name."""
_Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class RecordReach:
    """The record as the caller of the running method reaches it.

    Args:
        record: of the server.
        profiles: of it.
        own_days: for which somebody sees calls, whose own calls alone are within reach.
    """

    def __init__(
        self, record: RecordService, profiles: Mapping[str, ProfileSettings], own_days: float
    ) -> None:
        self._record, self._profiles = record, profiles
        self._own_s = own_days * 86_400.0

    def tenants(self, tenant: str | None) -> list[str | None]:
        """Return the companies that a request is about: those of all, where nobody is asked who they are."""
        there = self._record.stores.tenants()
        if tenant is None and granted().principal.tenant is None:
            return there
        return [tenant] if tenant in there else []

    def archives(self, tenant: str | None) -> list[Archive]:
        """Return the archives of the companies that a request is about."""
        return [self._record.archive(name) for name in self.tenants(tenant)]

    async def found(self, record_id: str) -> tuple[Archive, RecordRow]:
        """Return a call within reach, and where it is.

        Raises:
            UnknownRecord: there is none.
        """
        wanted = CallFilter(reach=granted().reach)
        for archive in self.archives(granted().tenant(None)):
            with contextlib.suppress(UnknownRecord):
                row = await asyncio.to_thread(archive.row, record_id, wanted)
                if row.info.started_at >= (self.since(None) or 0.0):
                    return archive, row
        raise UnknownRecord("no recorded call has this id")

    def since(self, asked: float | None) -> float | None:
        """Return from when on calls are within reach, s since 1970 UTC; None for all.

        Args:
            asked: the earliest that is asked for.
        """
        earliest = time.time() - self._own_s if granted().own_only else None
        return max((at for at in (asked, earliest) if at is not None), default=None)

    async def named(self, record_ids: Iterable[str]) -> tuple[str | None, list[str]]:
        """Return the company of the calls that a request names, and their ids.

        Those that are not within reach stay among them: for nothing happens to what is not there.

        Raises:
            InvalidRequest: none, too many, or of several companies.
            UnknownRecord: not one of them is within reach.
        """
        names = list(dict.fromkeys(record_ids))
        if not 1 <= len(names) <= MOST_NAMED:
            raise InvalidRequest(f"record_ids: name 1 to {MOST_NAMED} calls")
        tenants: set[str | None] = set()
        for name in names:
            with contextlib.suppress(UnknownRecord):
                tenants.add((await self.found(name))[1].info.tenant)
        if not tenants:
            raise UnknownRecord("no recorded call has this id")
        if len(tenants) > 1:
            raise InvalidRequest("record_ids: these calls are of several companies; ask for each alone")
        return tenants.pop(), names

    async def listed(
        self,
        wanted: CallFilter,
        limit: int,
        *,
        since: float | None = None,
        until: float | None = None,
        call_id: str | None = None,
        customer: str | None = None,
        like: RowFilter = EVERY_ROW,
    ) -> list[tuple[Archive, RecordRow]]:
        """Return calls, the newest first, and where each is; arguments as of :meth:`Archive.rows`."""
        rows: list[tuple[Archive, RecordRow]] = []
        for archive in self.archives(wanted.tenant):
            found = await asyncio.to_thread(
                archive.rows,
                wanted,
                since=self.since(since),
                until=until,
                call_id=call_id,
                customer=customer,
                like=like,
                limit=limit,
            )
            rows += [(archive, row) for row in found]
        rows.sort(key=lambda pair: -pair[1].info.started_at)
        return rows[:limit]

    async def events(self, archive: Archive, row: RecordRow) -> list[Envelope]:
        """Return the events of a call."""
        return await asyncio.to_thread(archive.events, row)

    def sound(
        self, archive: Archive, row: RecordRow, channels: Sequence[int], first: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the sound of channels, interleaved µ-law: the first sample of each piece, and its data."""
        pieces = [archive.sound(row, channel, first) for channel in channels]
        return _in_thread(interleaved(pieces, first))

    async def original_sound(
        self, archive: Archive, row: RecordRow, channels: Sequence[int], first: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the sound of channels with what was silenced, as of :meth:`sound`.

        Raises:
            PermissionDenied: no second person has agreed.
        """
        by = granted().principal.id
        pieces = [
            await asyncio.to_thread(archive.original_sound, row, channel, by, first) for channel in channels
        ]
        async for found in _in_thread(interleaved(pieces, first)):
            yield found

    def message(self, row: RecordRow) -> pb.RecordedCall:
        """Return a call as the caller may see it."""
        return recorded_call(row, alerts=self.sees_alerts(row))

    def sees_alerts(self, row: RecordRow) -> bool:
        """Tell whether the caller may know of alerts about a call."""
        return may_see_alerts(granted(), row.info, self._profiles)


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    """As :func:`pipeline.record.archive.unavailable`, beside other asynchronous contexts."""
    with unavailable():
        yield


async def answered(context: _Context, work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` does with the record; see :func:`pipeline.rpc.answering.answered`."""
    return await answering.answered(context, work, unavailable)


async def _in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Yield what an iterator that blocks has."""
    end = object()
    while (item := await asyncio.to_thread(partial(next, items, end))) is not end:
        yield item
