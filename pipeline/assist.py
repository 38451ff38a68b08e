"""Events beside the transcript: how it was said, and that a supervisor should look. A leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from diarization import Role
from emotion import AgitationPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionEvent:
    """How something was said, or how agitation has changed; times in samples.

    Attributes:
        utterance_id: the utterance, if it is one.
        channel: index.
        role: who.
        start: of the speech that was judged; of the step of the curve, if none was.
        end: the same.
        quality: of the voice, 0 no opinion to 1 sure.
        arousal: 0 calm to 1 excited, None without opinion.
        valence: 0 unpleasant to 1 pleasant, None without opinion.
        probabilities: by label; empty without opinion.
        agitation: the curve, None for agents.
    """

    utterance_id: str | None
    channel: int
    role: Role
    start: int
    end: int
    quality: float = 0.0
    arousal: float | None = None
    valence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    agitation: AgitationPoint | None = None


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
