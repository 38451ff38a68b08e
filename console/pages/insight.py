"""Figures of many calls, and where issues stay unresolved."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import client
from console.auth.sessions import Session
from console.pages.history import HERE
from console.pages.rendering import for_people, me_of, page
from console.pages.screens import seen
from yuetone.v1 import insight_service_pb2 as pb
from yuetone.v1 import overview_service_pb2

DEADLINE_S = 60.0
PERIODS = {"1": 1, "7": 7, "28": 28}
LEAST = 5
"""Calls, or suggestions, below which no value is shown: it would say more about chance."""
MOST_TOPICS = 12
HOUR_MS = 3_600_000
_KPIS = {
    pb.KPI_CALLS: ("calls", "number"),
    pb.KPI_HANDLE_TIME: ("handle_time", "time"),
    pb.KPI_AFTER_CALL_WORK: ("after_call_work", "time"),
    pb.KPI_WAITED: ("waited", "time"),
    pb.KPI_ANSWERED_IN_TIME: ("answered_in_time", "share"),
    pb.KPI_RESOLVED: ("resolved", "share"),
    pb.KPI_TRANSFERRED: ("transferred", "share"),
    pb.KPI_NO_REPEAT: ("no_repeat", "share"),
    pb.KPI_AGITATED: ("agitated", "share"),
    pb.KPI_ALERTED: ("alerted", "share"),
    pb.KPI_SUGGESTIONS_USED: ("suggestions_used", "share"),
    pb.KPI_ALERT_TAKEN: ("alert_taken", "time"),
}
ON_THE_WALL = {
    pb.KPI_HANDLE_TIME: "handle_time",
    pb.KPI_RESOLVED: "resolved",
    pb.KPI_SUGGESTIONS_USED: "suggestions_used",
    pb.KPI_ALERT_TAKEN: "alert_taken",
}
GROUPS = {
    "queue": pb.KPI_GROUP_QUEUE,
    "team": pb.KPI_GROUP_TEAM,
    "agent": pb.KPI_GROUP_AGENT,
    "topic": pb.KPI_GROUP_TOPIC,
}


def written(kpi: pb.Kpi.ValueType, value: float, count: int) -> str:
    """Return a value as people read it; a dash where it was counted from too little."""
    _name, kind = _KPIS[kpi]
    if kind == "number":
        return f"{value:.0f}"
    if count < LEAST:
        return "–"
    return f"{value:.0%}" if kind == "share" else f"{int(value) // 60}:{int(value) % 60:02d}"


def midnight(now: float, days_ago: int = 0) -> int:
    """Return the beginning of a day in Hong Kong, ms since 1970 UTC."""
    day = datetime.fromtimestamp(now, UTC).astimezone(HERE).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((day - timedelta(days=days_ago)).timestamp() * 1000)


async def show(request: Request, session: Session) -> Response:
    """Show figures; what is chosen is in the address."""
    me = seen(await me_of(request, session))
    days = PERIODS.get(request.query_params.get("days", ""), 1)
    group = request.query_params.get("group", "queue")
    group = group if group in GROUPS else "queue"
    queue = request.query_params.get("queue", "").strip()
    now = time.time()
    since, until = midnight(now, days - 1), int(now * 1000) + 1
    scope = overview_service_pb2.CallScope(queues=[queue] if queue else [])
    stub = client.insight_stub(request.app.state.backend.channel(session.person))
    asked = pb.QueryKpisRequest(scope=scope, since_unix_ms=since, until_unix_ms=until)
    whole = await stub.QueryKpis(asked, timeout=DEADLINE_S)
    asked.group_by = GROUPS[group]
    grouped = await stub.QueryKpis(asked, timeout=DEADLINE_S)
    step = HOUR_MS if days == 1 else 24 * HOUR_MS
    end = midnight(now, -1)
    heat = await stub.GetIssueHeatMap(
        pb.GetIssueHeatMapRequest(scope=scope, since_unix_ms=since, until_unix_ms=end, bucket_ms=step),
        timeout=DEADLINE_S,
    )
    return page(
        request, "kpis.html", me=me, person=session.person.name, days=str(days), group=group, queue=queue,
        periods=list(PERIODS), groups=list(GROUPS), since=_day(since), kpis=_list(whole.values),
        names=[name for name, _kind in _KPIS.values()], rows=_table(grouped.values),
        heat=heat_rows(heat.cells, since, end, step), columns=_columns(since, end, step, days),
    )  # fmt: skip


def _day(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(HERE).strftime("%Y-%m-%d")


def _list(values: Iterable[pb.KpiValue]) -> list[dict[str, Any]]:
    found = {value.kpi: value for value in values}
    return [
        {
            "name": name,
            "value": written(kpi, found[kpi].value, found[kpi].count) if kpi in found else "–",
            "count": found[kpi].count if kpi in found else 0,
        }
        for kpi, (name, _kind) in _KPIS.items()
    ]


def _table(values: Iterable[pb.KpiValue]) -> list[tuple[str, list[str]]]:
    """Return a row of values for each group, the largest first."""
    groups: dict[str, dict[int, pb.KpiValue]] = {}
    for value in values:
        groups.setdefault(value.group, {})[value.kpi] = value
    sizes = {name: row[pb.KPI_CALLS].count if pb.KPI_CALLS in row else 0 for name, row in groups.items()}
    ordered = sorted(groups.items(), key=lambda pair: (-sizes[pair[0]], pair[0]))
    return [
        (name, [written(kpi, row[kpi].value, row[kpi].count) if kpi in row else "–" for kpi in _KPIS])
        for name, row in ordered
    ]


def _columns(since: int, until: int, step: int, days: int) -> list[str]:
    at = (datetime.fromtimestamp(ms / 1000, UTC).astimezone(HERE) for ms in range(since, until, step))
    return [f"{moment:%H}" if days == 1 else f"{moment:%d/%m}" for moment in at]


def heat_rows(cells: Iterable[pb.IssueCell], since: int, until: int, step: int) -> list[dict[str, Any]]:
    """Return rows of a map: the topics with most unresolved calls; how warm a field is says what is unusual.

    Args:
        cells: with calls.
        since: ms since 1970 UTC.
        until: the same.
        step: of a column, ms.
    """
    rows: dict[str, dict[int, pb.IssueCell]] = {}
    for cell in cells:
        rows.setdefault(cell.topic, {})[(cell.since_unix_ms - since) // step] = cell
    count = -(-(until - since) // step)
    sums = {topic: sum(cell.unresolved for cell in row.values()) for topic, row in rows.items()}
    ordered = sorted(rows.items(), key=lambda pair: (-sums[pair[0]], pair[0]))
    return [
        {
            "topic": topic,
            "cells": [
                {"text": str(row[at].unresolved), "calls": row[at].calls, "heat": heat_of(row[at])}
                if at in row
                else None
                for at in range(count)
            ],
            "sum": sums[topic],
        }
        for topic, row in ordered[:MOST_TOPICS]
    ]


def heat_of(cell: pb.IssueCell) -> int:
    """Return 0 to 4: by how much more stays unresolved than the weeks before let expect.

    A large topic is not red all day, and a new fault shows at once. Below three calls nothing is said.
    """
    if cell.calls < 3:
        return 0
    excess = (cell.unresolved - cell.expected) / math.sqrt(max(cell.expected, 1.0))
    return sum(excess >= bound for bound in (0.5, 1.5, 2.5, 3.5))


ROUTES = [Route("/kpis", for_people(show))]
