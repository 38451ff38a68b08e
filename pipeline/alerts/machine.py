"""The alerts of one call: a pure state machine over what happens in it.

raised → escalated → calmed, or acknowledged or expired from outside. Positions are samples at 16 kHz since
the start of the call. Rules that are not about agitation have no calm end: their alerts wait for somebody.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cantonese.characters import fold_width_and_case
from cantonese.personal import hide_digits
from diarization import Role
from emotion import AgitationPoint
from emotion.behaviour import Behaviour
from emotion.words import LexiconHit, WordsReading
from emotion.words.lexicon import term_expression
from pipeline.alerts.evidence import agitation_reasons, word_reasons, written
from pipeline.alerts.rules import AgitationRule, DeadAirRule, FailedSuggestionsRule, Rule, WordsRule
from pipeline.calls.events import AlertEvent, AlertReason, AlertState, ReasonKind, Severity
from pipeline.calls.info import SAMPLE_RATE

CURVE_S = 60
"""Seconds of the curve that go with an alert, one point a second."""


@dataclass(slots=True)
class _Watch:
    """What one rule knows about one channel."""

    open_id: str | None = None
    start: int = 0
    escalated: bool = False
    raised: int = 0
    quiet_until: int = 0
    since: int | None = None  # the condition holds since
    calm_since: int | None = None
    failures: int = 0
    taken: bool = False  # somebody took the last alert: calm must come before the next one


@dataclass(slots=True)
class _Channel:
    watches: dict[str, _Watch] = field(default_factory=dict)
    curve: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=CURVE_S))


class AlertMachine:
    """Runs the rules over one call.

    Args:
        rules: checked.
        new_id: returns an id that no other alert has.
        tellers: who is heard on a channel, asked each time: roles may be swapped.
    """

    def __init__(
        self, rules: Sequence[Rule], new_id: Callable[[], str], tellers: Callable[[int], Role]
    ) -> None:
        self._rules = rules
        self._new_id = new_id
        self._role = tellers
        self._channels: dict[int, _Channel] = {}
        self._silent_since = 0
        self._held: dict[str, int] = {}  # rule -> position until which a phrase holds it back
        self._phrases = {
            rule.name: [
                (phrase, re.compile(term_expression(phrase))) for phrase in getattr(rule, "phrases", ())
            ]
            for rule in rules
        }
        self._unless = {
            rule.name: [re.compile(term_expression(text)) for text in rule.unless] for rule in rules
        }

    # ---------------------------------------------------------------- what happens

    def agitation(
        self,
        channel: int,
        point: AgitationPoint,
        hits: Sequence[tuple[int, LexiconHit]],
        doings: Sequence[Behaviour],
    ) -> list[AlertEvent]:
        """Take a point of a channel's curve, and what is behind it."""
        state = self._channel(channel)
        if not state.curve or point.at - state.curve[-1][0] >= SAMPLE_RATE:
            state.curve.append((point.at, point.value))
        found: list[AlertEvent] = []
        for rule in self._rules:
            if not isinstance(rule, AgitationRule):
                continue
            still_open = self._watch(state, rule).open_id is not None  # roles may have been swapped since
            if still_open or self._meant(rule.role, channel):
                found += self._on_curve(rule, channel, point, hits, doings)
        return found

    def said(
        self, channel: int, text: str, reading: WordsReading, *, start: int, end: int
    ) -> list[AlertEvent]:
        """Take the words of a final."""
        folded = fold_width_and_case(text)
        found: list[AlertEvent] = []
        for rule in self._rules:
            if any(phrase.search(folded) for phrase in self._unless[rule.name]):
                self._held[rule.name] = end + int(rule.unless_s * SAMPLE_RATE)
            if isinstance(rule, WordsRule) and self._meant(rule.role, channel):
                found += self._on_words(rule, channel, folded, reading, start, end)
        return found

    def spoke(self, at: int) -> None:
        """Somebody speaks, or the call is held: no dead air up to ``at``."""
        self._silent_since = max(self._silent_since, at)
        for rule in self._rules:
            if isinstance(rule, DeadAirRule):
                self._watch(self._channel(0), rule).since = None

    def advance(self, at: int) -> list[AlertEvent]:
        """Time has come to ``at``."""
        found: list[AlertEvent] = []
        for rule in self._rules:
            if isinstance(rule, DeadAirRule) and at - self._silent_since >= rule.silence_s * SAMPLE_RATE:
                watch = self._watch(self._channel(0), rule)
                if watch.since is None:  # once for each silence
                    seconds = (at - self._silent_since) // SAMPLE_RATE
                    why = (AlertReason(kind=ReasonKind.SILENCE, value=seconds),)
                    raised = self._raise(rule, 0, self._silent_since, at, why)
                    watch.since = self._silent_since if raised else None
                    found += raised
        return found

    def suggestion(self, channel: int, *, failed: bool, at: int) -> list[AlertEvent]:
        """A customer's question found no answer (``failed``), or did."""
        found: list[AlertEvent] = []
        for rule in self._rules:
            if isinstance(rule, FailedSuggestionsRule):
                watch = self._watch(self._channel(channel), rule)
                watch.failures = watch.failures + 1 if failed else 0
                if watch.failures >= rule.count:
                    watch.failures = 0
                    why = (AlertReason(kind=ReasonKind.NO_SUGGESTION, value=rule.count),)
                    found += self._raise(rule, channel, at, at, why)
        return found

    def acknowledge(self, alert_id: str) -> None:
        """Somebody took the alert, or it expired: it neither escalates nor calms any more."""
        for state in self._channels.values():
            for watch in state.watches.values():
                if watch.open_id == alert_id:
                    watch.open_id, watch.taken = None, True

    # ---------------------------------------------------------------- rules

    def _on_curve(
        self, rule: AgitationRule, channel: int, point: AgitationPoint,
        hits: Sequence[tuple[int, LexiconHit]], doings: Sequence[Behaviour],
    ) -> list[AlertEvent]:  # fmt: skip
        watch = self._watch(self._channel(channel), rule)
        high = point.value >= rule.above and (point.supported or not rule.needs_support)
        watch.since = (watch.since if watch.since is not None else point.at) if high else None
        if watch.taken:
            watch.taken = point.value > rule.calm_below
            watch.quiet_until = max(watch.quiet_until, point.at + int(rule.cooldown_s * SAMPLE_RATE))
        if watch.open_id is None:
            if watch.since is None or point.at - watch.since < rule.for_s * SAMPLE_RATE:
                return []
            why = _why(point, hits, doings)
            found = self._raise(rule, channel, watch.since, point.at, why, point.value)
            if found and point.value >= rule.escalate_above:
                found += self._moved(rule, channel, AlertState.ESCALATED, point, why)
            return found
        if point.value >= rule.escalate_above and high and not watch.escalated:
            return self._moved(rule, channel, AlertState.ESCALATED, point, _why(point, hits, doings))
        if self._is_calm(rule, watch, point):
            return self._moved(rule, channel, AlertState.CALMED, point, _why(point, hits, doings))
        return []

    def _moved(
        self,
        rule: AgitationRule,
        channel: int,
        state: AlertState,
        point: AgitationPoint,
        why: tuple[AlertReason, ...],
    ) -> list[AlertEvent]:
        """Return the open alert in its new state."""
        watch = self._watch(self._channel(channel), rule)
        watch.escalated |= state is AlertState.ESCALATED
        event = self._event(rule, channel, state, watch.start, point.at, why, point.value)
        if state is AlertState.CALMED:
            watch.open_id = watch.calm_since = None
            watch.quiet_until = point.at + int(rule.cooldown_s * SAMPLE_RATE)
        return [event]

    @staticmethod
    def _is_calm(rule: AgitationRule, watch: _Watch, point: AgitationPoint) -> bool:
        """Tell whether the curve has been low for long enough."""
        if point.value > rule.calm_below:
            watch.calm_since = None
            return False
        watch.calm_since = point.at if watch.calm_since is None else watch.calm_since
        return point.at - watch.calm_since >= rule.calm_for_s * SAMPLE_RATE

    def _on_words(
        self, rule: WordsRule, channel: int, folded: str, reading: WordsReading, start: int, end: int
    ) -> list[AlertEvent]:
        phrases = [phrase for phrase, expression in self._phrases[rule.name] if expression.search(folded)]
        strengths = [reading.strength(category) for category in rule.categories]
        if not phrases and max(strengths, default=0.0) < rule.above:
            return []
        hits = [hit for hit in reading.hits if hit.category in rule.categories]
        named = tuple(AlertReason(kind=ReasonKind.PHRASE, text=hide_digits(phrase)) for phrase in phrases)
        return self._raise(rule, channel, start, end, named + word_reasons(hits, every=True))

    # ---------------------------------------------------------------- raising

    def _raise(
        self,
        rule: Rule,
        channel: int,
        start: int,
        end: int,
        why: tuple[AlertReason, ...],
        value: float | None = None,
    ) -> list[AlertEvent]:
        state = self._channel(channel)
        watch = self._watch(state, rule)
        held = end < max(watch.quiet_until, self._held.get(rule.name, 0))
        if held or watch.raised >= rule.max_per_call:
            return []
        watch.open_id = self._new_id()
        watch.start, watch.escalated, watch.calm_since = start, False, None
        watch.raised += 1
        watch.quiet_until = end + int(rule.cooldown_s * SAMPLE_RATE)
        return [self._event(rule, channel, AlertState.RAISED, start, end, why, value)]

    def _event(
        self,
        rule: Rule,
        channel: int,
        state: AlertState,
        start: int,
        end: int,
        why: tuple[AlertReason, ...],
        value: float | None,
    ) -> AlertEvent:
        watch = self._watch(self._channel(channel), rule)
        severity = rule.urgency
        if isinstance(rule, AgitationRule) and watch.escalated:
            severity = Severity[rule.escalated_severity.upper()]
        return AlertEvent(
            alert_id=watch.open_id or "",
            rule=rule.name,
            severity=severity,
            state=state,
            channel=channel,
            start=start,
            end=end,
            evidence=written(why),
            agitation=value,
            curve=() if self._role(channel) is Role.AGENT else tuple(self._channel(channel).curve),
            reasons=why,
        )

    def _meant(self, wanted: str, channel: int) -> bool:
        role = self._role(channel)
        if wanted == "any":
            return True
        if wanted == "customer":
            return role is not Role.AGENT  # of a call with one channel, nobody knows
        return role is Role.AGENT

    def _channel(self, channel: int) -> _Channel:
        return self._channels.setdefault(channel, _Channel())

    @staticmethod
    def _watch(state: _Channel, rule: Rule) -> _Watch:
        return state.watches.setdefault(rule.name, _Watch())


def _why(
    point: AgitationPoint, hits: Sequence[tuple[int, LexiconHit]], doings: Sequence[Behaviour]
) -> tuple[AlertReason, ...]:
    """Return the reasons of the last minute; only made when an alert carries them, not for every point."""
    recent = point.at - CURVE_S * SAMPLE_RATE
    words = [hit for at, hit in hits if at >= recent]
    return agitation_reasons(point, words, [doing for doing in doings if doing.at >= recent])
