"""SupervisorService over gRPC: alerts of all calls, and taking one."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc

from cantonese.personal import mask_personal_data
from pipeline.alerts.record import AlertRecord
from pipeline.alerts.service import AlertService
from pipeline.config import Settings
from pipeline.errors import CallError, InvalidRequest
from pipeline.rpc import assist
from pipeline.rpc.caller import granted, may_see_alerts
from pipeline.rpc.heartbeat import HEARTBEAT_S, with_heartbeats
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.watchers import Watchers
from yuetone.v1 import supervisor_service_pb2 as pb
from yuetone.v1 import supervisor_service_pb2_grpc

LONGEST_NOTE = 2000
MOST_GROUPS = 500
_Context = grpc.aio.ServicerContext[Any, Any]


class SupervisorServicer(supervisor_service_pb2_grpc.SupervisorServiceServicer):
    """The service; for one event loop.

    Args:
        alerts: all alerts.
        settings: of the server.
        heartbeat_s: silence after which a heartbeat is sent.
    """

    def __init__(self, alerts: AlertService, settings: Settings, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._alerts = alerts
        self._profiles = settings.profiles
        self._heartbeat_s = heartbeat_s
        self._watchers = Watchers(settings.limits)

    async def WatchAlerts(  # type: ignore[override]  # noqa: N802 (gRPC method name)
        self, request: pb.WatchAlertsRequest, context: _Context
    ) -> None:
        """Follow alerts; see supervisor_service.proto."""
        async with self._watchers.admitted(context) as write:
            given = granted()
            tenant = given.tenant(request.tenant if request.HasField("tenant") else None)
            after = self._alerts.position(request.cursor if request.HasField("cursor") else None)
            await write(self._heartbeat(after))  # whoever loses the line at once knows where to go on

            async def seen() -> AsyncGenerator[AlertRecord, None]:
                """Yield what is for this watcher; heartbeats come as if there were no other alerts."""
                nonlocal after
                async with aclosing(self._alerts.watch(after)) as records:
                    async for record in records:
                        after = record.seq
                        known = may_see_alerts(given, record.call, self._profiles)
                        if known and _wanted(request, record, tenant):
                            yield record

            async with aclosing(with_heartbeats(seen(), self._heartbeat_s)) as records:
                async for record in records:
                    if record is None:
                        await write(self._heartbeat(after))
                    else:
                        cursor = self._alerts.cursor(record.seq)
                        await write(assist.watched(record, cursor, with_note=not given.own_only))

    async def ListOpenAlerts(  # noqa: N802 (gRPC method name)
        self, request: pb.ListOpenAlertsRequest, context: _Context
    ) -> pb.ListOpenAlertsResponse:
        """List what nobody has taken; see supervisor_service.proto."""
        try:
            given = granted()
            tenant = given.tenant(request.tenant if request.HasField("tenant") else None)
            records, last = await self._alerts.open(tenant)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        seen = [
            record
            for record in records
            if may_see_alerts(given, record.call, self._profiles) and _wanted(request, record, tenant)
        ]
        return pb.ListOpenAlertsResponse(
            groups=_grouped(seen)[:MOST_GROUPS], cursor=self._alerts.cursor(last)
        )

    async def ListCallAlerts(  # noqa: N802 (gRPC method name)
        self, request: pb.ListCallAlertsRequest, context: _Context
    ) -> pb.ListCallAlertsResponse:
        """List the alerts of a call; see supervisor_service.proto."""
        try:
            given = granted()
            tenant = given.tenant(request.tenant if request.HasField("tenant") else None)
            since = request.since_unix_ms / 1000 if request.HasField("since_unix_ms") else 0.0
            until = request.until_unix_ms / 1000 if request.HasField("until_unix_ms") else math.inf
            records = await self._alerts.of_call(tenant, request.call_id, since, until, MOST_GROUPS)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.ListCallAlertsResponse(
            alerts=[
                assist.watched(record, self._alerts.cursor(record.seq), with_note=not given.own_only)
                for record in records
                if may_see_alerts(given, record.call, self._profiles)
            ]
        )

    def _heartbeat(self, after: int) -> pb.WatchAlertsResponse:
        return pb.WatchAlertsResponse(cursor=self._alerts.cursor(after), at_unix_ms=int(time.time() * 1000))

    async def AckAlert(self, request: pb.AckAlertRequest, context: _Context) -> pb.AckAlertResponse:  # noqa: N802 (gRPC method name)
        """Take an alert; see supervisor_service.proto."""
        try:
            note = mask_personal_data(request.note) if request.HasField("note") else None
            if note and len(note) > LONGEST_NOTE:
                raise InvalidRequest(f"note is longer than {LONGEST_NOTE} characters")
            given = granted()
            record = await self._alerts.acknowledge(
                request.alert_id,
                false_alarm=request.false_alarm,
                note=note,
                by=given.principal.id,
                seen=lambda record: may_see_alerts(given, record.call, self._profiles),
            )
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.AckAlertResponse(alert=assist.alert(record.event))


def _grouped(records: list[AlertRecord]) -> list[pb.AlertGroup]:
    """Return alerts by call: the worst call first, then the one that has waited longest."""
    by_call: dict[tuple[str | None, str], list[AlertRecord]] = {}
    for record in records:
        by_call.setdefault((record.call.tenant, record.call.call_id), []).append(record)
    groups = [sorted(group, key=lambda one: -one.event.severity) for group in by_call.values()]
    groups.sort(key=lambda group: (-group[0].event.severity, min(one.at for one in group)))
    return [
        pb.AlertGroup(
            call_id=group[0].call.call_id,
            tenant=group[0].call.tenant,
            queue=group[0].call.queue,
            agent_id=group[0].call.agent_id,
            team=group[0].call.team,
            alerts=[assist.alert(one.event) for one in group],
            since_unix_ms=int(min(one.at for one in group) * 1000),
        )
        for group in groups
    ]


def _wanted(
    request: pb.WatchAlertsRequest | pb.ListOpenAlertsRequest, record: AlertRecord, tenant: str | None
) -> bool:
    return (
        record.event.severity >= request.min_severity
        and (tenant is None or record.call.tenant == tenant)
        and (not request.queues or record.call.queue in request.queues)
    )
