"""An alert as it is kept and told: the event, whose call it was, and when."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.calls.events import AlertEvent, AlertState
from pipeline.calls.info import CallInfo

REAL, FALSE_ALARM = "real", "false alarm"
"""Verdicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """One state of an alert.

    Attributes:
        seq: counts over all alerts of a store, from 1; 0 until it is stored.
        at: when, s since 1970 UTC.
        call: whose.
        event: what.
        expire_s: after which nobody took it.
        verdict: ``real`` or ``false alarm``, of whoever took it; None before.
        note: of the same, masked.
    """

    seq: int = 0
    at: float
    call: CallInfo
    event: AlertEvent
    expire_s: float = 600.0
    verdict: str | None = None
    note: str | None = None

    @property
    def open(self) -> bool:
        """Whether somebody still has to look."""
        return self.event.state in (AlertState.RAISED, AlertState.ESCALATED)
