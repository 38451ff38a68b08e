"""The live calls of a server as rows of a topic. Pure."""

from __future__ import annotations

from typing import Any

from console.live.topic import LINE, Topic
from yuetone.v1 import assist_pb2, overview_service_pb2

_PHASES = {
    overview_service_pb2.CallOverview.PHASE_TALKING: "talking",
    overview_service_pb2.CallOverview.PHASE_HOLD: "hold",
    overview_service_pb2.CallOverview.PHASE_LOST: "lost",
    overview_service_pb2.CallOverview.PHASE_ENDED: "ended",
}
SEVERITIES = {
    assist_pb2.Alert.SEVERITY_UNSPECIFIED: "",
    assist_pb2.Alert.SEVERITY_INFO: "info",
    assist_pb2.Alert.SEVERITY_WARNING: "warning",
    assist_pb2.Alert.SEVERITY_CRITICAL: "critical",
}
STEP = 20
"""Steps of agitation that a tile shows: a change of less is no change."""


def take(topic: Topic, message: overview_service_pb2.WatchCallsResponse) -> None:
    """Take a message into the rows; a call that has ended goes with the next message about others."""
    if message.snapshot:
        topic.keep_only({row.call_id for row in message.calls} | {LINE})
    for row in message.calls:
        if row.phase == row.PHASE_ENDED:
            topic.drop(row.call_id)
        else:
            topic.put(row.call_id, call_row(row))


def call_row(row: overview_service_pb2.CallOverview) -> dict[str, Any]:
    """Return a call as a tile shows it; what changes all the time and is not shown is left out."""
    agitation = round(row.agitation * STEP) / STEP if row.HasField("agitation") else None
    return {
        "k": "call",
        "queue": row.queue,
        "agent": row.agent_id,
        "team": row.team,
        "at": row.started_at_unix_ms,
        "phase": _PHASES.get(row.phase, ""),
        "since": row.phase_since_unix_ms,
        "agitation": agitation,
        "alerts": row.open_alerts,
        "worst": SEVERITIES.get(row.worst_alert, ""),
        "late": row.overloaded,
    }
