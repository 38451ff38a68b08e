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


class ReasonKind(StrEnum):
    """What one reason for an alert is about, and what its value counts."""

    AGITATION = "agitation"  # value: 0 to 1
    VOICE = "voice"  # value: share of the agitation, 0 to 1
    WORDS = "words"  # the same
    BEHAVIOUR = "behaviour"  # the same
    PHRASE = "phrase"  # text: of the rule, digits masked
    WORD = "word"  # text: of the lexicon, private ones by category; value: how often
    INTERRUPTION = "interruption"  # value: how often
    OVERLAP = "overlap"  # the same
    PACE = "pace"  # the same
    REPEAT = "repeat"  # the same
    CALLS = "calls"  # the same
    SILENCE = "silence"  # value: s
    NO_SUGGESTION = "no_suggestion"  # value: questions in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReason:
    """One reason for an alert.

    Attributes:
        kind: what it is about.
        text: what was said, masked; only of phrases and words.
        value: a share, a count or seconds, as the kind says.
    """

    kind: ReasonKind
    text: str = ""
    value: float = 0.0


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
        evidence: the reasons in Traditional Chinese, words masked.
        agitation: at the moment, None where the rule does not look at it.
        curve: positions and values before, oldest first.
        taken_by: id of whoever acknowledged it.
        reasons: for screens, which word them in the reader's language.
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
    reasons: tuple[AlertReason, ...] = ()
