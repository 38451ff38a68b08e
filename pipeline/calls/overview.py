"""One compact row a call, for people who watch many. Pure: events in, rows out; no words of the call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.calls.events import (
    AlertEvent,
    AlertState,
    CallEvent,
    EmotionEvent,
    Ended,
    HealthReport,
    Mark,
    MarkKind,
    Severity,
    TranscriptEvent,
)
from pipeline.calls.info import CallInfo
from pipeline.calls.reach import EVERYTHING, CallReach

_OPEN = (AlertState.RAISED, AlertState.ESCALATED)
_PHASES = {MarkKind.PAUSE: "hold", MarkKind.RESUME: "talking"}


class CallPhase(StrEnum):
    """What happens on the line."""

    TALKING = "talking"
    HOLD = "hold"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """A call at a glance.

    Attributes:
        info: whose it is.
        phase: what happens on the line.
        phase_since: since when, s since 1970 UTC.
        audio: samples at 16 kHz taken so far.
        utterances: finals with text so far.
        agitation: of the customer now, in [0, 1]; None where it is not judged.
        open_alerts: how many nobody has taken yet.
        worst_alert: the most urgent of them; None without one.
        overloaded: finals of this call are late.
        ended_reason: why it ended; None while it lives.
    """

    info: CallInfo
    phase: CallPhase = CallPhase.TALKING
    phase_since: float = 0.0
    audio: int = 0
    utterances: int = 0
    agitation: float | None = None
    open_alerts: int = 0
    worst_alert: Severity | None = None
    overloaded: bool = False
    ended_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls; every part narrows, an empty one does not.

    Attributes:
        tenant: only this company.
        queues: only these hotlines.
        teams: only these teams.
        agent_ids: only these people.
        profiles: only those that use one of these.
        reach: only calls that who asks may see.
    """

    tenant: str | None = None
    queues: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    agent_ids: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    reach: CallReach = EVERYTHING

    def takes(self, info: CallInfo) -> bool:
        """Tell whether a call is wanted."""
        return (
            self.reach.takes(info)
            and (self.tenant is None or info.tenant == self.tenant)
            and (not self.queues or info.queue in self.queues)
            and (not self.teams or info.team in self.teams)
            and (not self.agent_ids or info.agent_id in self.agent_ids)
            and (not self.profiles or info.profile in self.profiles)
        )


@dataclass(slots=True)
class CallOverview:
    """Keeps the row of one call.

    Attributes:
        row: as it is now.
        alerts: severity of each open alert, by id.
    """

    row: CallRow
    alerts: dict[str, Severity] = field(default_factory=dict)

    def take(self, event: CallEvent, now: float) -> bool:
        """Take an event of the call; return whether the row is another one than before.

        Args:
            event: what happened.
            now: s since 1970 UTC.
        """
        before = self.row
        match event:
            case TranscriptEvent(final=True, text=text) if text:
                self._set(utterances=before.utterances + 1)
            case EmotionEvent(agitation=point) if point is not None:
                self._set(agitation=round(point.value, 2))
            case AlertEvent():
                self._alert(event)
            case HealthReport(overloaded=overloaded, received=received):
                self._set(overloaded=overloaded, audio=received)
            case Mark(kind=kind) if kind in _PHASES:
                self.enter(CallPhase(_PHASES[kind]), now)
            case Ended(reason=reason, audio=audio):
                self._set(ended_reason=reason, audio=audio)
                self.enter(CallPhase.ENDED, now)
        return self.row != before

    def enter(self, phase: CallPhase, now: float) -> None:
        """Note what happens on the line from now on."""
        if phase is not self.row.phase:
            self._set(phase=phase, phase_since=now)

    def _alert(self, event: AlertEvent) -> None:
        self.alerts.pop(event.alert_id, None)
        if event.state in _OPEN:
            self.alerts[event.alert_id] = event.severity
        worst = max(self.alerts.values(), default=None)
        self._set(open_alerts=len(self.alerts), worst_alert=worst)

    def _set(self, **changes: object) -> None:
        self.row = replace(self.row, **changes)  # type: ignore[arg-type] # named fields of the row
