"""OverviewService over gRPC: many calls at once."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import Any

import grpc

from pipeline.access.permissions import Permission, scope_of
from pipeline.calls.directory import CallDirectory
from pipeline.calls.events import Severity
from pipeline.calls.overview import CallPhase, CallRow
from pipeline.config import Settings
from pipeline.errors import CallError, InvalidRequest
from pipeline.rpc.assist import SEVERITIES_OUT
from pipeline.rpc.caller import granted, may_see_alerts
from pipeline.rpc.convert import milliseconds
from pipeline.rpc.heartbeat import HEARTBEAT_S, with_heartbeats
from pipeline.rpc.scopes import wanted_calls
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.watchers import Watchers
from yuetone.v1 import assist_pb2, overview_service_pb2_grpc
from yuetone.v1 import overview_service_pb2 as pb

USUAL_MS, LEAST_MS, MOST_MS = 500, 100, 10_000
_Context = grpc.aio.ServicerContext[Any, Any]
_PHASES = {
    CallPhase.TALKING: pb.CallOverview.PHASE_TALKING,
    CallPhase.HOLD: pb.CallOverview.PHASE_HOLD,
    CallPhase.LOST: pb.CallOverview.PHASE_LOST,
    CallPhase.ENDED: pb.CallOverview.PHASE_ENDED,
}


class OverviewServicer(overview_service_pb2_grpc.OverviewServiceServicer):
    """The service; for one event loop.

    Args:
        calls: all calls.
        settings: of the server.
    """

    def __init__(self, calls: CallDirectory, settings: Settings) -> None:
        self._calls = calls
        self._profiles = settings.profiles
        self._watchers = Watchers(settings.limits)

    async def ListCalls(  # noqa: N802 (gRPC method name)
        self, request: pb.ListCallsRequest, context: _Context
    ) -> pb.ListCallsResponse:
        """List live calls; see overview_service.proto."""
        try:
            wanted = wanted_calls(request.scope)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        rows = await self._calls.list(wanted)
        return pb.ListCallsResponse(calls=map(self._row, rows), at_unix_ms=_now_ms())

    async def WatchCalls(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.WatchCallsRequest, context: _Context
    ) -> None:
        """Follow live calls; see overview_service.proto."""
        async with self._watchers.admitted(context) as write:
            interval_ms = request.interval_ms if request.HasField("interval_ms") else USUAL_MS
            if not LEAST_MS <= interval_ms <= MOST_MS:
                raise InvalidRequest(f"interval_ms must be {LEAST_MS} to {MOST_MS}")
            rows = self._calls.follow(wanted_calls(request.scope), interval_ms / 1000)
            async with aclosing(with_heartbeats(rows, HEARTBEAT_S)) as messages:
                snapshot = True
                async for changed in messages:
                    rows_of = map(self._row, changed or ())
                    await write(pb.WatchCallsResponse(snapshot=snapshot, calls=rows_of, at_unix_ms=_now_ms()))
                    snapshot = False

    async def GetMe(self, request: pb.GetMeRequest, context: _Context) -> pb.GetMeResponse:  # noqa: N802 (gRPC method name)
        """Tell callers who they are; see overview_service.proto."""
        who = granted().principal
        allowed = {p: scope_of(who.roles, p) for p in Permission if who.only is None or p in who.only}
        return pb.GetMeResponse(
            principal=who.id,
            method=who.method.value,
            tenant=who.tenant,
            agent_id=who.agent_id,
            roles=sorted(who.roles),
            teams=sorted(who.teams),
            permissions={p.value: scope.name.lower() for p, scope in allowed.items() if scope is not None},
            expires_at_unix_ms=None if who.expires_at is None else int(who.expires_at * 1000),
        )

    def _row(self, row: CallRow) -> pb.CallOverview:
        message = _row(row)
        if not may_see_alerts(granted(), row.info, self._profiles):
            message.ClearField("open_alerts")
            message.ClearField("worst_alert")
        return message


def _row(row: CallRow) -> pb.CallOverview:
    info = row.info
    return pb.CallOverview(
        call_id=info.call_id,
        tenant=info.tenant,
        queue=info.queue,
        agent_id=info.agent_id,
        team=info.team,
        profile=info.profile,
        started_at_unix_ms=int(info.started_at * 1000),
        phase=_PHASES[row.phase],
        phase_since_unix_ms=int(row.phase_since * 1000),
        audio_ms=milliseconds(row.audio),
        utterances=row.utterances,
        agitation=row.agitation,
        open_alerts=row.open_alerts,
        worst_alert=_severity(row.worst_alert),
        overloaded=row.overloaded,
        ended_reason=row.ended_reason,
        continues_call_id=info.continues.call_id if info.continues else None,
    )


def _severity(worst: Severity | None) -> assist_pb2.Alert.Severity.ValueType:
    return assist_pb2.Alert.SEVERITY_UNSPECIFIED if worst is None else SEVERITIES_OUT[worst]


def _now_ms() -> int:
    return int(time.time() * 1000)
