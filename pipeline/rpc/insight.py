"""InsightService over gRPC: figures of many recorded calls."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import grpc

from pipeline.alerts.service import AlertService
from pipeline.calls.overview import CallFilter
from pipeline.config import Settings
from pipeline.errors import InvalidRequest
from pipeline.knowledge.service import KnowledgeService
from pipeline.record.facts import CallFact, facts
from pipeline.record.figures import WEEK_S, WEEKS, Deeds, Figure, Group, IssueCell, Value, issues, values
from pipeline.record.service import RecordService
from pipeline.rpc.record_reach import RecordReach, answered
from pipeline.rpc.scopes import wanted_calls
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
    pb.KPI_WAITED: Figure.WAITED,
    pb.KPI_ANSWERED_IN_TIME: Figure.ANSWERED_IN_TIME,
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
        settings: of the server.
    """

    def __init__(
        self,
        record: RecordService,
        knowledge: KnowledgeService | None,
        alerts: AlertService | None,
        settings: Settings,
    ) -> None:
        self._record, self._knowledge, self._alerts = record, knowledge, alerts
        self._reach = RecordReach(record, settings.profiles, settings.record.agents_see_days)

    async def QueryKpis(  # noqa: N802 (gRPC method name)
        self, request: pb.QueryKpisRequest, context: _Context
    ) -> pb.QueryKpisResponse:
        """Count calls; see insight_service.proto."""

        async def work() -> pb.QueryKpisResponse:
            since, until = _period(request, LONGEST_S)
            step = _step(request.bucket_ms, since, until) if request.HasField("bucket_ms") else None
            group = _GROUPS.get(request.group_by)
            if group is None or any(number not in _FIGURES for number in request.kpis):
                raise InvalidRequest("kpis and group_by: see Kpi and KpiGroup")
            figures = [_FIGURES[number] for number in request.kpis] or list(Figure)
            found = await self._counted(wanted_calls(request.scope), since, until, figures, step, group)
            return pb.QueryKpisResponse(values=map(_value, found))

        return await answered(context, work)

    async def GetIssueHeatMap(  # noqa: N802 (gRPC method name)
        self, request: pb.GetIssueHeatMapRequest, context: _Context
    ) -> pb.GetIssueHeatMapResponse:
        """Count what stayed open; see insight_service.proto."""

        async def work() -> pb.GetIssueHeatMapResponse:
            since, until = _period(request, LONGEST_MAP_S)
            step = _step(request.bucket_ms, since, until)
            wanted = wanted_calls(request.scope)
            calls: list[CallFact] = []
            for tenant in self._reach.tenants(wanted.tenant):
                calls += await asyncio.to_thread(self._facts, tenant, wanted, since - WEEKS * WEEK_S, until)
            found = issues(calls, since=since, until=until, step=step, now=time.time())
            return pb.GetIssueHeatMapResponse(cells=map(_cell, found))

        return await answered(context, work)

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
        deeds: dict[tuple[str | None, str], Deeds] = {}
        for tenant in self._reach.tenants(wanted.tenant):
            calls += await asyncio.to_thread(self._facts, tenant, wanted, since, until)
            if {Figure.SUGGESTIONS_USED, Figure.ALERT_TAKEN} & set(figures):
                deeds |= await self._deeds(tenant, since, until)
        return await asyncio.to_thread(
            values, calls, figures, since=since, step=step, group=group, now=time.time(), deeds=deeds
        )

    def _facts(self, tenant: str | None, wanted: CallFilter, since: float, until: float) -> list[CallFact]:
        found = facts(self._record.stores.of(tenant), tenant, since, until)
        return [call for call in found if wanted.takes(call.info)]

    async def _deeds(
        self, tenant: str | None, since: float, until: float
    ) -> dict[tuple[str | None, str], Deeds]:
        """Return what was done in a company's calls, by company and call id."""
        used: Mapping[str, tuple[int, int]] = {}
        if self._knowledge is not None:
            used = await self._knowledge.uses(tenant, since)
        taken: dict[str, list[float]] = defaultdict(list)
        if self._alerts is not None:
            for call_id, seconds in await self._alerts.taken(tenant, since, until):
                taken[call_id].append(seconds)
        return {
            (tenant, call_id): Deeds(
                shown=used.get(call_id, (0, 0))[0],
                used=used.get(call_id, (0, 0))[1],
                taken_s=tuple(taken.get(call_id, ())),
            )
            for call_id in used.keys() | taken.keys()
        }


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
