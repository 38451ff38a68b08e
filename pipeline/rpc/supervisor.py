"""SupervisorService over gRPC: alerts of all calls, and taking one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from pipeline.alerts.hub import AlertHub
from pipeline.alerts.record import AlertRecord
from pipeline.errors import AtCapacity, CallError, InvalidRequest
from pipeline.rpc import assist
from pipeline.rpc.status import details_of, status_of
from yuetone.v1 import supervisor_service_pb2 as pb
from yuetone.v1 import supervisor_service_pb2_grpc

LONGEST_NOTE = 2000
_Context = grpc.aio.ServicerContext[Any, Any]


class SupervisorServicer(supervisor_service_pb2_grpc.SupervisorServiceServicer):
    """The service; for one event loop.

    Args:
        hub: all alerts.
        max_watchers: WatchAlerts streams at once.
    """

    def __init__(self, hub: AlertHub, max_watchers: int) -> None:
        self._hub = hub
        self._max_watchers = max_watchers
        self._watchers = 0

    async def WatchAlerts(  # noqa: N802 (gRPC method name)
        self, request: pb.WatchAlertsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchAlertsResponse]:
        """Follow alerts; see supervisor_service.proto."""
        try:
            after = self._hub.position(request.cursor if request.HasField("cursor") else None)
            if self._watchers >= self._max_watchers:
                raise AtCapacity("too many watchers (limits.max_watchers)")
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        self._watchers += 1
        try:
            async for record in self._hub.watch(after):
                if _wanted(request, record):
                    yield assist.watched(record, self._hub.cursor(record.seq))
        finally:
            self._watchers -= 1

    async def AckAlert(self, request: pb.AckAlertRequest, context: _Context) -> pb.AckAlertResponse:  # noqa: N802 (gRPC method name)
        """Take an alert; see supervisor_service.proto."""
        try:
            note = request.note if request.HasField("note") else None
            if note and len(note) > LONGEST_NOTE:
                raise InvalidRequest(f"note is longer than {LONGEST_NOTE} characters")
            record = await self._hub.acknowledge(request.alert_id, false_alarm=request.false_alarm, note=note)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.AckAlertResponse(alert=assist.alert(record.event))


def _wanted(request: pb.WatchAlertsRequest, record: AlertRecord) -> bool:
    return (
        record.event.severity >= request.min_severity
        and (not request.HasField("tenant") or record.call.tenant == request.tenant)
        and (not request.queues or record.call.queue in request.queues)
    )
