"""InsightService over gRPC: figures of many recorded calls."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from pipeline.alerts.service import AlertService
from pipeline.calls.overview import CallFilter
from pipeline.errors import CallError, InvalidRequest
from pipeline.knowledge.service import KnowledgeService
from pipeline.record.archive import unavailable
from pipeline.record.facts import CallFact, facts
from pipeline.record.figures import WEEK_S, WEEKS, Deeds, Figure, Group, IssueCell, Value, issues, values
from pipeline.record.service import RecordService
from pipeline.rpc.caller import granted
from pipeline.rpc.scopes import wanted_calls
from pipeline.rpc.status import details_of, status_of
from yuetone.v1 import insight_service_pb2 as pb
from yuetone.v1 import insight_service_pb2_grpc

LEAST_STEP_S, LONGEST_S, LONGEST_MAP_S = 900.0, 400 * 86_400.0, 31 * 86_400.0
MOST_STEPS = 1_000
_Context = grpc.aio.ServicerContext[Any, Any]
_FIGURES = {
    pb.KPI_CALLS: Figure.CALLS,
    pb.KPI_HANDLE_TIME: Figure.HANDLE_TIME,
    pb.KPI_AFTER_CALL_WORK: Figure.AFTER_CALL_WORK,
    pb.KPI_RESOLVED: Figure.RESOLVED,
    pb.KPI_TRANSFERRED: Figure.TRANSFERRED,
    pb.KPI_NO_REPEAT: Figure.NO_REPEAT,
    pb.KPI_AGITATED: Figure.AGITATED,
    pb.KPI_ALERTED: Figure.ALERTED,
    pb.KPI_SUGGESTIONS_USED: Figure.SUGGESTIONS_USED,
    pb.KPI_ALERT_TAKEN: Figure.ALERT_TAKEN,
}
_FIGURES_OUT = {figure: number for number, figure in _FIGURES.items()}
_GROUPS = {
    pb.KPI_GROUP_UNSPECIFIED: Group.ALL,
    pb.KPI_GROUP_QUEUE: Group.QUEUE,
    pb.KPI_GROUP_AGENT: Group.AGENT,
    pb.KPI_GROUP_TEAM: Group.TEAM,
    pb.KPI_GROUP_TOPIC: Group.TOPIC,
}


class InsightServicer(insight_service_pb2_grpc.InsightServiceServicer):
    """The service; for one event loop.

    Args:
        record: of the server.
        knowledge: knows what was done with suggestions; None does not.
        alerts: knows when they were taken; None does not.
    """

    def __init__(
        self, record: RecordService, knowledge: KnowledgeService | None, alerts: AlertService | None
    ) -> None:
        self._record, self._knowledge, self._alerts = record, knowledge, alerts

    async def QueryKpis(  # noqa: N802 (gRPC method name)
        self, request: pb.QueryKpisRequest, context: _Context
    ) -> pb.QueryKpisResponse:
        """Count calls; see insight_service.proto."""
        try:
            since, until = _period(request, LONGEST_S)
            step = _step(request.bucket_ms, since, until) if request.HasField("bucket_ms") else None
            group = _GROUPS.get(request.group_by)
            figures = [_FIGURES.get(number) for number in request.kpis] or list(Figure)
            if group is None or None in figures:
                raise InvalidRequest("kpis and group_by: see Kpi and KpiGroup")
            wanted = wanted_calls(request.scope)
            found: list[Value] = await self._counted(
                wanted, since, until, [figure for figure in figures if figure is not None], step, group
            )
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.QueryKpisResponse(values=map(_value, found))

    async def GetIssueHeatMap(  # noqa: N802 (gRPC method name)
        self, request: pb.GetIssueHeatMapRequest, context: _Context
    ) -> pb.GetIssueHeatMapResponse:
        """Count what stayed open; see insight_service.proto."""
        try:
            since, until = _period(request, LONGEST_MAP_S)
            step = _step(request.bucket_ms, since, until)
            wanted = wanted_calls(request.scope)
            calls: list[CallFact] = []
            with unavailable():
                for tenant in self._tenants(wanted):
                    calls += await asyncio.to_thread(
                        self._facts, tenant, wanted, since - WEEKS * WEEK_S, until
                    )
            found = issues(calls, since=since, until=until, step=step, now=time.time())
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.GetIssueHeatMapResponse(cells=map(_cell, found))

    async def _counted(
        self,
        wanted: CallFilter,
        since: float,
        until: float,
        figures: list[Figure],
        step: float | None,
        group: Group,
    ) -> list[Value]:
        calls: list[CallFact] = []
        deeds: dict[str, Deeds] = {}
        with unavailable():
            for tenant in self._tenants(wanted):
                calls += await asyncio.to_thread(self._facts, tenant, wanted, since, until)
                if {Figure.SUGGESTIONS_USED, Figure.ALERT_TAKEN} & set(figures):
                    deeds |= await self._deeds(tenant, since, until)
        return await asyncio.to_thread(
            values, calls, figures, since=since, step=step, group=group, now=time.time(), deeds=deeds
        )

    def _tenants(self, wanted: CallFilter) -> list[str | None]:
        there = self._record.stores.tenants()
        if wanted.tenant is None and granted().principal.tenant is None:
            return there
        return [wanted.tenant] if wanted.tenant in there else []

    def _facts(self, tenant: str | None, wanted: CallFilter, since: float, until: float) -> list[CallFact]:
        found = facts(self._record.stores.of(tenant), tenant, since, until)
        return [call for call in found if wanted.takes(call.info)]

    async def _deeds(self, tenant: str | None, since: float, until: float) -> dict[str, Deeds]:
        """Return what was done in calls, by call id."""
        used: Mapping[str, tuple[int, int]] = {}
        if self._knowledge is not None:
            used = await self._knowledge.uses(tenant, since)
        taken: dict[str, list[float]] = defaultdict(list)
        if self._alerts is not None:
            for call_id, seconds in await self._alerts.taken(tenant, since, until):
                taken[call_id].append(seconds)
        return {
            call_id: Deeds(
                shown=used.get(call_id, (0, 0))[0],
                used=used.get(call_id, (0, 0))[1],
                taken_s=tuple(taken.get(call_id, ())),
            )
            for call_id in _names(used, taken)
        }


def _names(*parts: Iterable[str]) -> set[str]:
    return {name for part in parts for name in part}


def _period(request: Any, longest: float) -> tuple[float, float]:
    """Return the time that a request is about, s since 1970 UTC.

    Raises:
        InvalidRequest: it is none, or too long.
    """
    since, until = request.since_unix_ms / 1000, request.until_unix_ms / 1000
    if not 0 <= since < until or until - since > longest:
        raise InvalidRequest(
            f"since_unix_ms and until_unix_ms: a time of at most {longest / 86_400:.0f} days"
        )
    return since, until


def _step(bucket_ms: int, since: float, until: float) -> float:
    step = bucket_ms / 1000
    if step < LEAST_STEP_S or (until - since) / step > MOST_STEPS:
        raise InvalidRequest(f"bucket_ms: 15 minutes or more, and at most {MOST_STEPS} steps")
    return step


def _value(value: Value) -> pb.KpiValue:
    return pb.KpiValue(
        kpi=_FIGURES_OUT[value.figure],
        group=value.group,
        since_unix_ms=round(value.since * 1000),
        value=value.value,
        count=value.count,
    )


def _cell(cell: IssueCell) -> pb.IssueCell:
    return pb.IssueCell(
        topic=cell.topic,
        since_unix_ms=round(cell.since * 1000),
        calls=cell.calls,
        unresolved=cell.unresolved,
        expected=cell.expected,
    )
