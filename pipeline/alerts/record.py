"""An alert as it is kept and told: the event, whose call it was, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.calls.events import AlertEvent, AlertState, Severity
from pipeline.calls.info import CallInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """One state of an alert.

    Attributes:
        seq: counts over all alerts of a store, from 1; 0 until it is stored.
        at: when, s since 1970 UTC.
        call: whose.
        event: what.
        expire_s: after which nobody took it.
    """

    seq: int = 0
    at: float
    call: CallInfo
    event: AlertEvent
    expire_s: float = 600.0

    @property
    def open(self) -> bool:
        """Whether somebody still has to look."""
        return self.event.state in (AlertState.RAISED, AlertState.ESCALATED)


def to_json(event: AlertEvent) -> str:
    """Return an event as one line of JSON."""
    return json.dumps(
        {
            "alert_id": event.alert_id,
            "rule": event.rule,
            "severity": int(event.severity),
            "state": event.state.value,
            "channel": event.channel,
            "start": event.start,
            "end": event.end,
            "evidence": event.evidence,
            "agitation": event.agitation,
            "curve": event.curve,
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> AlertEvent:
    """Return what :func:`to_json` wrote."""
    fields: Mapping[str, Any] = json.loads(text)
    return AlertEvent(
        **{
            **fields,
            "severity": Severity(fields["severity"]),
            "state": AlertState(fields["state"]),
            "curve": tuple((at, value) for at, value in fields["curve"]),
        }
    )
