"""RecordService over gRPC: calls of the past."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import structlog

from diarization import Role
from pipeline.audit.entry import AuditEntry
from pipeline.audit.service import Auditor
from pipeline.calls.events import Envelope
from pipeline.calls.overview import CallFilter
from pipeline.config import Settings
from pipeline.errors import InvalidRequest, UnknownErasure, UnknownHold, UnknownRecord
from pipeline.record.archive import MOST_ROWS, Archive
from pipeline.record.entries import RecordRow
from pipeline.record.reading import transcript
from pipeline.record.search import SearchWanted
from pipeline.record.service import RecordService
from pipeline.record.summary import summary_of
from pipeline.record.wrapping import Wording
from pipeline.rpc import responses
from pipeline.rpc.audit_records import record_of
from pipeline.rpc.caller import caller, granted
from pipeline.rpc.convert import ROLES
from pipeline.rpc.exporting import exported_call, exported_subject
from pipeline.rpc.originals import Originals
from pipeline.rpc.record_messages import receipt_message, summary_message
from pipeline.rpc.record_reach import RecordReach, answered, reading
from pipeline.rpc.record_streams import sound_piece, told, wanted_sound
from pipeline.rpc.row_filters import row_filter
from pipeline.rpc.scopes import wanted_calls
from pipeline.rpc.watchers import Watchers
from pipeline.rpc.wrap_ups import LATEST_MS, wrap_up_message, wrap_up_of
from suggest.llm.writer import DraftError, Writer
from yuetone.v1 import audio_pb2, record_service_pb2_grpc
from yuetone.v1 import record_service_pb2 as pb

USUAL_ROWS, USUAL_HITS, MOST_HITS = 100, 20, 200
SETTLED_S = 600.0
"""Behind the end of a call, s: its second look has been, and nothing of its text changes any more."""
_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]


class RecordServicer(record_service_pb2_grpc.RecordServiceServicer):
    """The service; for one event loop.

    Args:
        record: of the server.
        settings: of it.
        auditor: has what is held and erased, call by call.
        writer: words summaries; None leaves that out.
    """

    def __init__(
        self, record: RecordService, settings: Settings, auditor: Auditor, writer: Writer | None = None
    ) -> None:
        self._record, self._auditor, self._writer = record, auditor, writer
        self._reach = RecordReach(record, settings.profiles, settings.record.agents_see_days)
        self._watchers = Watchers(settings.limits)
        self._originals = Originals(self._reach, settings.record.original_hours)

    # ---------------------------------------------------------------- reading

    async def ListCalls(  # noqa: N802 (gRPC method name)
        self, request: pb.ListRecordedCallsRequest, context: _Context
    ) -> pb.ListRecordedCallsResponse:
        """List recorded calls; see record_service.proto."""

        async def work() -> pb.ListRecordedCallsResponse:
            limit = _limit(request, USUAL_ROWS, MOST_ROWS)
            wanted = wanted_calls(request.scope)
            found = await self._reach.listed(
                wanted,
                limit,
                since=_seconds(request, "since_unix_ms"),
                until=_seconds(request, "until_unix_ms"),
                call_id=request.call_id if request.HasField("call_id") else None,
                customer=request.customer_ref if request.HasField("customer_ref") else None,
                like=row_filter(request.filter),
            )
            return pb.ListRecordedCallsResponse(calls=[self._reach.message(row) for _archive, row in found])

        return await answered(context, work)

    async def GetCall(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.GetRecordedCallRequest, context: _Context
    ) -> None:
        """Send one call; see record_service.proto."""
        async with self._watchers.admitted(context) as write, reading():
            archive, row = await self._reach.found(request.record_id)
            await write(pb.GetRecordedCallResponse(call=self._reach.message(row)))  # some want no more
            for message in told(self._reach, row, await self._reach.events(archive, row)):
                await write(message)

    async def GetSummary(  # noqa: N802 (gRPC method name)
        self, request: pb.GetSummaryRequest, context: _Context
    ) -> pb.GetSummaryResponse:
        """Sum a call up; see record_service.proto."""

        async def work() -> pb.GetSummaryResponse:
            archive, row = await self._reach.found(request.record_id or await self._newest(request.call_id))
            events = await self._reach.events(archive, row)
            found, worded = summary_of(events), await self._worded(archive, row, events)
            alerts = self._reach.sees_alerts(row)
            kept = await self._wrap_up(archive, row)
            return summary_message(row.record_id, found, worded, kept, alerts=alerts)

        return await answered(context, work)

    async def SaveWrapUp(  # noqa: N802 (gRPC method name)
        self, request: pb.SaveWrapUpRequest, context: _Context
    ) -> pb.SaveWrapUpResponse:
        """Keep what an agent notes; see record_service.proto."""

        async def work() -> pb.SaveWrapUpResponse:
            wrap_up = wrap_up_of(request.wrap_up)
            archive, row = await self._reach.found(request.record_id or await self._newest(request.call_id))
            await asyncio.to_thread(archive.save_wrap_up, row, wrap_up, granted().principal.id)
            return pb.SaveWrapUpResponse(
                record_id=row.record_id, wrap_up=wrap_up_message(wrap_up, time.time())
            )

        return await answered(context, work)

    async def _wrap_up(self, archive: Archive, row: RecordRow) -> pb.WrapUp | None:
        kept = None if row.wrapped is None else await asyncio.to_thread(archive.wrap_up, row)
        return None if kept is None or row.wrapped is None else wrap_up_message(kept, row.wrapped.at)

    async def _worded(self, archive: Archive, row: RecordRow, events: Sequence[Envelope]) -> Wording:
        """Return a call in a language model's words: as they are kept, or asked for now.

        They are kept once nothing of the call changes any more; until then a late redaction may come.
        """
        if self._writer is None:
            return []
        kept = await asyncio.to_thread(archive.wording, row)
        if kept is not None:
            return kept
        said = transcript(events)
        try:
            sentences = await self._writer.summarise([(final.role.value, final.text) for final in said])
        except DraftError as error:
            _log.warning("no summary in a language model's words", reason=str(error))
            return []
        wording = [
            (sentence.text, [said[index].utterance_id for index in sentence.utterances])
            for sentence in sentences
        ]
        if row.ended_at is not None and time.time() - row.ended_at > SETTLED_S:
            await asyncio.to_thread(archive.save_wording, row, wording)
        return wording

    async def _newest(self, call_id: str) -> str:
        """Return the record id of the newest call with an id that the caller may see.

        Raises:
            UnknownRecord: there is none.
        """
        wanted = CallFilter(reach=granted().reach, tenant=granted().tenant(None))
        found = await self._reach.listed(wanted, 1, call_id=call_id)
        if not found:
            await self._record.written()  # a desk asks as soon as it sees the end
            found = await self._reach.listed(wanted, 1, call_id=call_id)
        if found:
            return found[0][1].record_id
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
                since=self._reach.since(_seconds(request, "since_unix_ms")),
                until=_seconds(request, "until_unix_ms"),
            )
            found = []
            for tenant in self._reach.tenants(wanted.tenant):
                found += await self._record.search(tenant, text, limit, row_filter(request.filter))
            found.sort(key=lambda hit: -hit.row.info.started_at)
            return pb.SearchRecordedCallsResponse(
                hits=[
                    pb.RecordHit(
                        call=self._reach.message(hit.row), transcript=responses.transcript(hit.final)
                    )
                    for hit in found[:limit]
                ]
            )

        return await answered(context, work)

    async def StreamRecording(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.StreamRecordingRequest, context: _Context
    ) -> None:
        """Send the sound of a call; see record_service.proto."""
        async with self._watchers.admitted(context) as write, reading():
            archive, row = await self._reach.found(request.record_id)
            channels, first = wanted_sound(row, request)
            async for start, data in self._reach.sound(archive, row, channels, first):
                await write(sound_piece(row, channels, start, data))

    async def ExportCall(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.ExportCallRequest, context: _Context
    ) -> None:
        """Send a call as a file; see record_service.proto."""
        async with self._watchers.admitted(context) as write, reading():
            async for piece in exported_call(self._reach, request.record_id, request.format):
                await write(piece)

    async def ExportSubject(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.ExportSubjectRequest, context: _Context
    ) -> None:
        """Send all that is kept of a customer; see record_service.proto."""
        async with self._watchers.admitted(context) as write, reading():
            wanted, received = wanted_calls(request.scope), _seconds(request, "received_unix_ms")
            async for piece in exported_subject(self._reach, wanted, request.customer_ref, received):
                await write(piece)

    # ---------------------------------------------------------------- keeping and forgetting

    async def PlaceHold(  # noqa: N802 (gRPC method name)
        self, request: pb.PlaceHoldRequest, context: _Context
    ) -> pb.PlaceHoldResponse:
        """Keep calls; see record_service.proto."""

        async def work() -> pb.PlaceHoldResponse:
            tenant, names = await self._reach.named(request.record_ids)
            await self._note(names, request.reason.strip())
            eraser = self._record.keeper.eraser(tenant)
            who = granted().principal.id
            return pb.PlaceHoldResponse(
                hold_id=await self._record.keeper.in_thread(eraser.hold, names, request.reason, who)
            )

        return await answered(context, work)

    async def ReleaseHold(  # noqa: N802 (gRPC method name)
        self, request: pb.ReleaseHoldRequest, context: _Context
    ) -> pb.ReleaseHoldResponse:
        """End a hold; see record_service.proto."""

        async def work() -> pb.ReleaseHoldResponse:
            for tenant in self._reach.tenants(granted().tenant(None)):
                eraser = self._record.keeper.eraser(tenant)
                try:
                    done = await self._record.keeper.in_thread(eraser.release, request.hold_id)
                except UnknownHold:
                    continue
                return pb.ReleaseHoldResponse(calls=done)
            raise UnknownHold("no hold of that id is in force")

        return await answered(context, work)

    async def EraseCalls(  # noqa: N802 (gRPC method name)
        self, request: pb.EraseCallsRequest, context: _Context
    ) -> pb.EraseCallsResponse:
        """Erase calls; see record_service.proto."""

        async def work() -> pb.EraseCallsResponse:
            tenant, names = await self._reach.named(request.record_ids)
            await self._note(names, "request")
            return receipt_message(await self._record.keeper.erase(tenant, names, granted().principal.id))

        return await answered(context, work)

    async def GetErasure(  # noqa: N802 (gRPC method name)
        self, request: pb.GetErasureRequest, context: _Context
    ) -> pb.EraseCallsResponse:
        """Tell what became of a request to erase; see record_service.proto."""

        async def work() -> pb.EraseCallsResponse:
            for tenant in self._reach.tenants(granted().tenant(None)):
                eraser = self._record.keeper.eraser(tenant)
                try:
                    return receipt_message(
                        await self._record.keeper.in_thread(eraser.receipt, request.erasure_id)
                    )
                except UnknownErasure:
                    continue
            raise UnknownErasure("no erasure has this id")

        return await answered(context, work)

    # ---------------------------------------------------------------- what was hidden

    async def RequestOriginal(  # noqa: N802 (gRPC method name)
        self, request: pb.RequestOriginalRequest, context: _Context
    ) -> pb.OriginalRequest:
        """Ask to read what was hidden; see record_service.proto."""
        return await answered(context, partial(self._originals.ask, request))

    async def ListOriginalRequests(  # noqa: N802 (gRPC method name)
        self, _request: pb.ListOriginalRequestsRequest, context: _Context
    ) -> pb.ListOriginalRequestsResponse:
        """Show what waits for a second person; see record_service.proto."""
        return await answered(context, self._originals.waiting)

    async def DecideOriginal(  # noqa: N802 (gRPC method name)
        self, request: pb.DecideOriginalRequest, context: _Context
    ) -> pb.OriginalRequest:
        """Agree, or refuse; see record_service.proto."""
        return await answered(context, partial(self._originals.decide, request))

    async def GetOriginal(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.GetOriginalRequest, context: _Context
    ) -> None:
        """Send one call with what was hidden; see record_service.proto."""
        async with self._watchers.admitted(context) as write, reading():
            archive, row = await self._reach.found(request.record_id)
            events = await asyncio.to_thread(archive.original_events, row, granted().principal.id)
            await write(pb.GetRecordedCallResponse(call=self._reach.message(row)))
            for message in told(self._reach, row, events):
                await write(message)

    async def StreamOriginal(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.StreamRecordingRequest, context: _Context
    ) -> None:
        """Send the sound of a call with what was silenced; see record_service.proto."""
        async with self._watchers.admitted(context) as write, reading():
            archive, row = await self._reach.found(request.record_id)
            channels, first = wanted_sound(row, request)
            async for start, data in self._reach.original_sound(archive, row, channels, first):
                await write(sound_piece(row, channels, start, data))

    async def _note(self, names: Iterable[str], reason: str) -> None:
        """Write down each call that is held or erased, before it is."""
        entries: list[AuditEntry] = [
            replace(record_of(granted(), caller().connection, "record", name), reason=reason)
            for name in names
        ]
        await asyncio.gather(*(self._auditor.record(entry) for entry in entries))


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
