"""Open alerts, one row a call, worst first. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from console.live.calls import SEVERITIES
from console.live.reasons import reasons_of
from console.live.topic import LINE, Topic
from yuetone.v1 import assist_pb2, supervisor_service_pb2

_OPEN = {assist_pb2.Alert.STATE_RAISED, assist_pb2.Alert.STATE_ESCALATED}
_OVER = {assist_pb2.Alert.STATE_ACKNOWLEDGED, assist_pb2.Alert.STATE_EXPIRED}
MOST_TAKEN = 50
"""Calls whose alerts were taken or expired that stay in sight."""


@dataclass(slots=True)
class _Call:
    head: dict[str, Any]
    alerts: dict[str, assist_pb2.Alert] = field(default_factory=dict)
    since: int = 0
    taken_by: str = ""
    was: dict[str, Any] | None = None
    note: str = ""
    false_alarm: bool = False
    expired: bool = False


class AlertRows:
    """Folds alerts into rows.

    Args:
        topic: that they are written to.
    """

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._calls: dict[str, _Call] = {}  # bounded: open ones by the server, others by MOST_TAKEN

    def snapshot(self, found: supervisor_service_pb2.ListOpenAlertsResponse) -> None:
        """Begin with the alerts that are open."""
        self._calls = {
            group.call_id: _Call(
                head=_head(group),
                alerts={alert.alert_id: alert for alert in group.alerts},
                since=group.since_unix_ms,
            )
            for group in found.groups
        }
        self._topic.keep_only({*self._calls, LINE})
        for name in self._calls:
            self._write(name)

    def take(self, message: supervisor_service_pb2.WatchAlertsResponse) -> None:
        """Take a change of one alert."""
        alert = message.alert
        call = self._calls.get(message.call_id)
        if call is None:
            if alert.state not in _OPEN:
                return
            call = self._calls[message.call_id] = _Call(head=_head(message), since=message.at_unix_ms)
        if alert.state in _OPEN:
            if not call.alerts:
                call.since, call.taken_by, call.expired = message.at_unix_ms, "", False
            call.alerts[alert.alert_id] = alert
        else:
            closed = call.alerts.pop(alert.alert_id, None)
            call.was = _why(closed) if closed is not None else call.was
            if alert.state in _OVER:
                call.taken_by, call.note = alert.taken_by, message.note
                call.false_alarm = message.false_alarm
                call.expired = alert.state == assist_pb2.Alert.STATE_EXPIRED
        self._write(message.call_id)
        self._forget()

    def _write(self, name: str) -> None:
        call = self._calls[name]
        alerts = sorted(call.alerts.values(), key=lambda alert: -alert.severity)
        self._topic.put(
            name,
            {
                **call.head,
                "k": "alerts",
                "since": call.since,
                "worst": SEVERITIES.get(alerts[0].severity, "") if alerts else "",
                "taken": "" if alerts else call.taken_by,
                "was": None if alerts else call.was,
                "note": "" if alerts else call.note,
                "false_alarm": not alerts and call.false_alarm,
                "expired": not alerts and call.expired,
                "open": [
                    {
                        "id": alert.alert_id,
                        "rule": alert.rule,
                        "severity": SEVERITIES.get(alert.severity, ""),
                        **_why(alert),
                        "agitation": round(alert.agitation, 2) if alert.HasField("agitation") else None,
                        "escalated": alert.state == assist_pb2.Alert.STATE_ESCALATED,
                    }
                    for alert in alerts
                ],
            },
        )

    def _forget(self) -> None:
        done = [name for name, call in self._calls.items() if not call.alerts]
        for name in done[: max(0, len(done) - MOST_TAKEN)]:
            del self._calls[name]
            self._topic.drop(name)


def _why(alert: assist_pb2.Alert) -> dict[str, Any]:
    return {"evidence": alert.evidence, "reasons": reasons_of(alert)}


def _head(
    of: supervisor_service_pb2.AlertGroup | supervisor_service_pb2.WatchAlertsResponse,
) -> dict[str, Any]:
    return {"queue": of.queue, "agent": of.agent_id, "team": of.team}
