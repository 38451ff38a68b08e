"""RecordService over gRPC: calls of the past."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import grpc

from diarization import Role
from pipeline.audit.entry import AuditEntry
from pipeline.audit.service import Auditor
from pipeline.calls.events import (
    AlertEvent,
)
from pipeline.calls.overview import CallFilter
from pipeline.config import Settings
from pipeline.errors import CallError, InvalidRequest, UnknownErasure, UnknownHold, UnknownRecord
from pipeline.record.archive import MOST_ROWS, Archive, unavailable
from pipeline.record.entries import RecordRow
from pipeline.record.mixing import interleaved
from pipeline.record.search import SearchWanted
from pipeline.record.service import RecordService
from pipeline.record.summary import summary_of
from pipeline.rpc import responses
from pipeline.rpc.audit_records import record_of
from pipeline.rpc.caller import caller, granted, may_see_alerts
from pipeline.rpc.convert import ROLES
from pipeline.rpc.record_messages import as_it_stands, receipt_message, recorded_call, summary_message
from pipeline.rpc.scopes import wanted_calls
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.watchers import Watchers
from yuetone.v1 import audio_pb2, call_service_pb2, record_service_pb2_grpc
from yuetone.v1 import record_service_pb2 as pb

USUAL_ROWS, USUAL_HITS, MOST_HITS = 100, 20, 200
MOST_NAMED = 1_000
LATEST_MS = 1 << 45
"""A thousand years after 1970, ms."""
"""Calls that one request may name."""
_Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class RecordServicer(record_service_pb2_grpc.RecordServiceServicer):
    """The service; for one event loop.

    Args:
        record: of the server.
        settings: of it.
        auditor: has what is held and erased, call by call.
    """

    def __init__(self, record: RecordService, settings: Settings, auditor: Auditor) -> None:
        self._record, self._auditor = record, auditor
        self._profiles = settings.profiles
        self._watchers = Watchers(settings.limits)

    # ---------------------------------------------------------------- reading

    async def ListCalls(  # noqa: N802 (gRPC method name)
        self, request: pb.ListRecordedCallsRequest, context: _Context
    ) -> pb.ListRecordedCallsResponse:
        """List recorded calls; see record_service.proto."""

        async def work() -> pb.ListRecordedCallsResponse:
            limit = _limit(request, USUAL_ROWS, MOST_ROWS)
            wanted = wanted_calls(request.scope)
            rows: list[RecordRow] = []
            for archive in self._archives(wanted.tenant):
                rows += await asyncio.to_thread(
                    archive.rows,
                    wanted,
                    since=_seconds(request, "since_unix_ms"),
                    until=_seconds(request, "until_unix_ms"),
                    call_id=request.call_id if request.HasField("call_id") else None,
                    customer=request.customer_ref if request.HasField("customer_ref") else None,
                    limit=limit,
                )
            rows.sort(key=lambda row: -row.info.started_at)
            return pb.ListRecordedCallsResponse(calls=map(self._call, rows[:limit]))

        return await _answered(context, work)

    async def GetCall(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.GetRecordedCallRequest, context: _Context
    ) -> None:
        """Send one call; see record_service.proto."""
        async with self._watchers.admitted(context) as write, _unavailable():
            archive, row = await self._found(request.record_id)
            events = await asyncio.to_thread(archive.events, row)
            await write(pb.GetRecordedCallResponse(call=self._call(row)))
            alerts = may_see_alerts(granted(), row.info, self._profiles)
            for envelope in as_it_stands(events):
                if alerts or not isinstance(envelope.event, AlertEvent):
                    message = responses.response(envelope, call_service_pb2.Limits())
                    await write(pb.GetRecordedCallResponse(event=message))

    async def GetSummary(  # noqa: N802 (gRPC method name)
        self, request: pb.GetSummaryRequest, context: _Context
    ) -> pb.GetSummaryResponse:
        """Sum a call up; see record_service.proto."""

        async def work() -> pb.GetSummaryResponse:
            archive, row = await self._found(request.record_id or await self._newest(request.call_id))
            found = summary_of(await asyncio.to_thread(archive.events, row))
            alerts = may_see_alerts(granted(), row.info, self._profiles)
            return summary_message(row.record_id, found, alerts=alerts)

        return await _answered(context, work)

    async def _newest(self, call_id: str) -> str:
        """Return the record id of the newest call with an id that the caller may see.

        Raises:
            UnknownRecord: there is none.
        """
        wanted = CallFilter(reach=granted().reach)
        for archive in self._archives(granted().tenant(None)):
            rows = await asyncio.to_thread(archive.rows, wanted, call_id=call_id, limit=1)
            if rows:
                return rows[0].record_id
        raise UnknownRecord("no recorded call has this id")

    async def SearchCalls(  # noqa: N802 (gRPC method name)
        self, request: pb.SearchRecordedCallsRequest, context: _Context
    ) -> pb.SearchRecordedCallsResponse:
        """Find what was said; see record_service.proto."""

        async def work() -> pb.SearchRecordedCallsResponse:
            limit = _limit(request, USUAL_HITS, MOST_HITS)
            wanted = wanted_calls(request.scope)
            text = SearchWanted(
                text=request.query,
                role=_role(request.role),
                calls=wanted,
                since=_seconds(request, "since_unix_ms"),
                until=_seconds(request, "until_unix_ms"),
            )
            found = []
            for tenant in self._tenants(wanted.tenant):
                found += await self._record.search(tenant, text, limit)
            found.sort(key=lambda hit: -hit.row.info.started_at)
            return pb.SearchRecordedCallsResponse(
                hits=[
                    pb.RecordHit(call=self._call(hit.row), transcript=responses.transcript(hit.final))
                    for hit in found[:limit]
                ]
            )

        return await _answered(context, work)

    async def StreamRecording(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.StreamRecordingRequest, context: _Context
    ) -> None:
        """Send the sound of a call; see record_service.proto."""
        async with self._watchers.admitted(context) as write, _unavailable():
            archive, row = await self._found(request.record_id)
            channels = list(range(len(row.roles)))
            if request.HasField("channel"):
                if request.channel not in channels:
                    raise InvalidRequest(f"channel: this call has {len(channels)}")
                channels = [request.channel]
            first = max(0, request.from_ms) * row.rate // 1000
            pieces = interleaved([archive.sound(row, channel) for channel in channels], first)
            async for start, data in _in_thread(pieces):
                await write(
                    pb.StreamRecordingResponse(
                        sample_rate_hz=row.rate,
                        channels=len(channels),
                        start_ms=start * 1000 // row.rate,
                        data=data,
                    )
                )

    # ---------------------------------------------------------------- keeping and forgetting

    async def PlaceHold(  # noqa: N802 (gRPC method name)
        self, request: pb.PlaceHoldRequest, context: _Context
    ) -> pb.PlaceHoldResponse:
        """Keep calls; see record_service.proto."""

        async def work() -> pb.PlaceHoldResponse:
            tenant, names = await self._named(request.record_ids)
            await self._note(names, request.reason.strip())
            eraser = self._record.keeper.eraser(tenant)
            who = granted().principal.id
            return pb.PlaceHoldResponse(
                hold_id=await self._record.keeper.in_thread(eraser.hold, names, request.reason, who)
            )

        return await _answered(context, work)

    async def ReleaseHold(  # noqa: N802 (gRPC method name)
        self, request: pb.ReleaseHoldRequest, context: _Context
    ) -> pb.ReleaseHoldResponse:
        """End a hold; see record_service.proto."""

        async def work() -> pb.ReleaseHoldResponse:
            for tenant in self._tenants(granted().tenant(None)):
                eraser = self._record.keeper.eraser(tenant)
                try:
                    done = await self._record.keeper.in_thread(eraser.release, request.hold_id)
                except UnknownHold:
                    continue
                return pb.ReleaseHoldResponse(calls=done)
            raise UnknownHold("no hold of that id is in force")

        return await _answered(context, work)

    async def EraseCalls(  # noqa: N802 (gRPC method name)
        self, request: pb.EraseCallsRequest, context: _Context
    ) -> pb.EraseCallsResponse:
        """Erase calls; see record_service.proto."""

        async def work() -> pb.EraseCallsResponse:
            tenant, names = await self._named(request.record_ids)
            await self._note(names, "request")
            return receipt_message(await self._record.keeper.erase(tenant, names, granted().principal.id))

        return await _answered(context, work)

    async def GetErasure(  # noqa: N802 (gRPC method name)
        self, request: pb.GetErasureRequest, context: _Context
    ) -> pb.EraseCallsResponse:
        """Tell what became of a request to erase; see record_service.proto."""

        async def work() -> pb.EraseCallsResponse:
            for tenant in self._tenants(granted().tenant(None)):
                eraser = self._record.keeper.eraser(tenant)
                try:
                    return receipt_message(
                        await self._record.keeper.in_thread(eraser.receipt, request.erasure_id)
                    )
                except UnknownErasure:
                    continue
            raise UnknownErasure("no erasure has this id")

        return await _answered(context, work)

    # ---------------------------------------------------------------- within reach

    def _tenants(self, tenant: str | None) -> list[str | None]:
        """Return the companies that a request is about: those of all, where nobody is asked who they are."""
        there = self._record.stores.tenants()
        if tenant is None and granted().principal.tenant is None:
            return there
        return [tenant] if tenant in there else []

    def _archives(self, tenant: str | None) -> list[Archive]:
        return [self._record.archive(name) for name in self._tenants(tenant)]

    async def _found(self, record_id: str) -> tuple[Archive, RecordRow]:
        """Return a call within reach, and where it is.

        Raises:
            UnknownRecord: there is none.
        """
        wanted = CallFilter(reach=granted().reach)
        for archive in self._archives(granted().tenant(None)):
            try:
                return archive, await asyncio.to_thread(archive.row, record_id, wanted)
            except UnknownRecord:
                continue
        raise UnknownRecord("no recorded call has this id")

    async def _named(self, record_ids: Iterable[str]) -> tuple[str | None, list[str]]:
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
                tenants.add((await self._found(name))[1].info.tenant)
        if not tenants:
            raise UnknownRecord("no recorded call has this id")
        if len(tenants) > 1:
            raise InvalidRequest("record_ids: these calls are of several companies; ask for each alone")
        return tenants.pop(), names

    async def _note(self, names: Iterable[str], reason: str) -> None:
        """Write down each call that is held or erased, before it is."""
        entries: list[AuditEntry] = [
            replace(record_of(granted(), caller().connection, "record", name), reason=reason)
            for name in names
        ]
        await asyncio.gather(*(self._auditor.record(entry) for entry in entries))

    def _call(self, row: RecordRow) -> pb.RecordedCall:
        return recorded_call(row, alerts=may_see_alerts(granted(), row.info, self._profiles))


@asynccontextmanager
async def _unavailable() -> AsyncIterator[None]:
    with unavailable():
        yield


async def _answered(context: _Context, work: Callable[[], Awaitable[T]]) -> T:
    """Return what ``work`` does; a CallError in it ends the request with its status."""
    try:
        with unavailable():
            return await work()
    except CallError as error:
        await context.abort(status_of(error), details_of(error))
        raise  # never: abort raises


def _limit(request: Any, usual: int, most: int) -> int:
    limit = int(request.limit) if request.HasField("limit") else usual
    if not 1 <= limit <= most:
        raise InvalidRequest(f"limit must be 1 to {most}")
    return limit


def _seconds(request: Any, name: str) -> float | None:
    if not request.HasField(name):
        return None
    value = int(getattr(request, name))
    if not 0 <= value <= LATEST_MS:
        raise InvalidRequest(f"{name} must be ms since 1970 UTC")
    return value / 1000


def _role(number: audio_pb2.Role.ValueType) -> Role | None:
    if not number:
        return None
    if number not in ROLES:
        raise InvalidRequest("role must be ROLE_CUSTOMER or ROLE_AGENT")
    return ROLES[number]


async def _in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """Yield what an iterator that blocks has."""
    end = object()
    while (item := await asyncio.to_thread(partial(next, items, end))) is not end:
        yield item
