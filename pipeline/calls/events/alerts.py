"""Events that tell a supervisor to look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How urgent an alert is."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class AlertState(StrEnum):
    """Where an alert stands."""

    RAISED = "raised"
    ESCALATED = "escalated"
    CALMED = "calmed"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """A supervisor should look; times in samples.

    Attributes:
        alert_id: unique over all calls.
        rule: name of the rule.
        severity: how urgent.
        state: where it stands.
        channel: index.
        start: where the evidence begins.
        end: where it ends.
        evidence: reason for people, words masked.
        agitation: at the moment, None where the rule does not look at it.
        curve: positions and values before, oldest first.
        taken_by: id of whoever acknowledged it.
    """

    alert_id: str
    rule: str
    severity: Severity
    state: AlertState
    channel: int
    start: int
    end: int
    evidence: str
    agitation: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    taken_by: str | None = None
