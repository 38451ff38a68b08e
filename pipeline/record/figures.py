"""Figures of many calls, and where issues stay unresolved. Pure; ``docs/kpis.md`` explains each formula."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.calls.info import Direction
from pipeline.record.entries import Resolution
from pipeline.record.facts import CallFact

REPEAT_S = 7 * 86_400.0
"""Another call of the same customer within this time says that the first one did not help: a proxy of
first-call resolution."""
AGITATED = 0.6
ANSWERED_S = 20.0
"""The usual aim of a service level: 80 % of calls within 20 s."""
WEEK_S, WEEKS = 7 * 86_400.0, 4


class Figure(StrEnum):
    """A figure of calls."""

    CALLS = "calls"
    HANDLE_TIME = "handle-time"
    AFTER_CALL_WORK = "after-call-work"
    RESOLVED = "resolved"
    TRANSFERRED = "transferred"
    NO_REPEAT = "no-repeat"
    AGITATED = "agitated"
    ALERTED = "alerted"
    SUGGESTIONS_USED = "suggestions-used"
    ALERT_TAKEN = "alert-taken"
    WAITED = "waited"
    ANSWERED_IN_TIME = "answered-in-time"


class Group(StrEnum):
    """How calls are grouped."""

    ALL = "all"
    QUEUE = "queue"
    AGENT = "agent"
    TEAM = "team"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value.

    Attributes:
        figure: which.
        group: of these calls.
        since: beginning of the step, s since 1970 UTC.
        value: None where nothing was counted.
        count: what it was counted from.
    """

    figure: Figure
    group: str
    since: float
    value: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What was done in a call beside talking.

    Attributes:
        shown: suggestions that were on a screen.
        used: of these, copied, edited, or said.
        taken_s: s from raised to taken, of each alert that somebody took.
    """

    shown: int = 0
    used: int = 0
    taken_s: tuple[float, ...] = ()


Sample = tuple[float, float]
"""A value and its weight."""
_NOTHING = Deeds()


def values(
    calls: Iterable[CallFact],
    wanted: Iterable[Figure],
    *,
    since: float,
    step: float | None,
    group: Group,
    now: float,
    deeds: Mapping[tuple[str | None, str], Deeds] | None = None,
) -> list[Value]:
    """Return figures, by figure, group and time.

    Args:
        calls: in any order.
        wanted: which figures.
        since: beginning of the first step, s since 1970 UTC.
        step: length of one, s; None for one value for all.
        group: how calls are grouped.
        now: s since 1970 UTC.
        deeds: by company and call id.
    """
    figures = tuple(wanted)
    samples: dict[tuple[Figure, str, float], list[Sample]] = defaultdict(list)
    for call in calls:
        begins = since if step is None else since + (call.info.started_at - since) // step * step
        done = (deeds or {}).get((call.info.tenant, call.info.call_id), _NOTHING)
        for figure in figures:
            found = _SAMPLES[figure](call, done, now)
            for name in groups_of(call, group) if found else ():
                samples[figure, name, begins] += found
    return [
        Value(figure=figure, group=name, since=begins, value=_value(figure, found), count=_count(found))
        for (figure, name, begins), found in sorted(samples.items())
    ]


def _count(found: list[Sample]) -> int:
    return int(sum(weight for _value, weight in found))


def _value(figure: Figure, found: list[Sample]) -> float:
    if figure is Figure.CALLS:
        return float(_count(found))
    if figure is Figure.ALERT_TAKEN:
        return statistics.median(value for value, _weight in found)
    return sum(value * weight for value, weight in found) / sum(weight for _value, weight in found)


def groups_of(call: CallFact, group: Group) -> tuple[str, ...]:
    """Return the groups that a call belongs to; an empty name where it has none."""
    match group:
        case Group.QUEUE:
            return (call.info.queue or "",)
        case Group.AGENT:
            return (call.info.agent_id or "",)
        case Group.TEAM:
            return (call.info.team or "",)
        case Group.TOPIC:
            return topics_of(call)
        case Group.ALL:
            return ("",)


def topics_of(call: CallFact) -> tuple[str, ...]:
    """Return what a call was about, as its agent says; an empty name where nobody does."""
    return (call.wrapped.topics if call.wrapped else ()) or ("",)


def _handled(call: CallFact) -> float:
    work = call.wrapped.at - call.ended_at if call.wrapped and call.wrapped.closed else 0.0
    return call.ended_at - call.info.started_at + max(0.0, work)


def _told(call: CallFact) -> Resolution | None:
    if call.wrapped is None or call.wrapped.resolution is Resolution.NOT_TOLD:
        return None
    return call.wrapped.resolution


def _waited(call: CallFact) -> list[float]:
    """Return how long a customer who rang waited, s; nothing where nobody knows, or the centre rang."""
    arrival = call.arrival
    rang = arrival.direction is not Direction.OUTBOUND and arrival.transferred_from is None
    return [arrival.waited_ms / 1000] if rang and arrival.waited_ms is not None else []


def _share(call: CallFact, wanted: Resolution) -> list[Sample]:
    told = _told(call)
    return [] if told is None else [(float(told is wanted), 1.0)]


def _repeat(call: CallFact, _done: Deeds, now: float) -> list[Sample]:
    """A call counts once it is known: at another one, or after seven days."""
    again = call.again_at is not None and call.again_at - call.ended_at <= REPEAT_S
    if not call.known_customer or (not again and now - call.ended_at < REPEAT_S):
        return []
    return [(float(not again), 1.0)]


def _work(call: CallFact, _done: Deeds, _now: float) -> list[Sample]:
    if call.wrapped is None or not call.wrapped.closed:
        return []
    return [(max(0.0, call.wrapped.at - call.ended_at), 1.0)]


_SAMPLES: Mapping[Figure, Callable[[CallFact, Deeds, float], list[Sample]]] = {
    Figure.CALLS: lambda _call, _done, _now: [(1.0, 1.0)],
    Figure.HANDLE_TIME: lambda call, _done, _now: [(_handled(call), 1.0)],
    Figure.AFTER_CALL_WORK: _work,
    Figure.RESOLVED: lambda call, _done, _now: _share(call, Resolution.RESOLVED),
    Figure.TRANSFERRED: lambda call, _done, _now: (
        [(1.0, 1.0)] if call.transferred else _share(call, Resolution.TRANSFERRED)
    ),
    Figure.NO_REPEAT: _repeat,
    Figure.AGITATED: lambda call, _done, _now: (
        [] if call.agitation is None else [(float(call.agitation >= AGITATED), 1.0)]
    ),
    Figure.ALERTED: lambda call, _done, _now: [(float(call.alerts > 0), 1.0)],
    Figure.SUGGESTIONS_USED: lambda _call, done, _now: (
        [(done.used / done.shown, float(done.shown))] if done.shown else []
    ),
    Figure.WAITED: lambda call, _done, _now: [(waited, 1.0) for waited in _waited(call)],
    Figure.ANSWERED_IN_TIME: lambda call, _done, _now: [
        (float(waited <= ANSWERED_S), 1.0) for waited in _waited(call)
    ],
    Figure.ALERT_TAKEN: lambda _call, done, _now: [(taken, 1.0) for taken in done.taken_s],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCell:
    """Calls about a topic that began in a step of time.

    Attributes:
        topic: empty for calls without one.
        since: beginning of the step, s since 1970 UTC.
        calls: about it.
        unresolved: of these.
        expected: unresolved ones of the same weekday and time, on average, in the four weeks before.
    """

    topic: str
    since: float
    calls: int
    unresolved: int
    expected: float


def is_unresolved(call: CallFact, now: float) -> bool:
    """Tell whether a customer's issue stayed open.

    What the agent says comes first; a follow-up counts once its time has passed. Another call of the customer
    within seven days says so too; and where nobody says anything, an alert.
    """
    told = _told(call)
    if told is Resolution.UNRESOLVED:
        return True
    if told is Resolution.FOLLOW_UP and call.wrapped and call.wrapped.follow_up_at is not None:
        return call.wrapped.follow_up_at < now
    if call.again_at is not None and call.again_at - call.ended_at <= REPEAT_S:
        return True
    return told is None and call.alerts > 0


def issues(
    calls: Iterable[CallFact], *, since: float, until: float, step: float, now: float
) -> list[IssueCell]:
    """Return the fields of a map of unresolved issues, by topic and time.

    Args:
        calls: of the time, and of the four weeks before.
        since: beginning of the first column, s since 1970 UTC.
        until: end of the last one.
        step: length of a column, s.
        now: s since 1970 UTC.
    """
    there: dict[tuple[str, float], list[int]] = defaultdict(lambda: [0, 0])
    before: dict[tuple[str, float], int] = defaultdict(int)
    for call in calls:
        began, unresolved = call.info.started_at, is_unresolved(call, now)
        for topic in topics_of(call):
            if since <= began < until:
                cell = there[topic, since + (began - since) // step * step]
                cell[0] += 1
                cell[1] += unresolved
            elif began < since and unresolved:
                for week in range(1, WEEKS + 1):
                    moved = began + week * WEEK_S
                    if since <= moved < until:
                        before[topic, since + (moved - since) // step * step] += 1
    return [
        IssueCell(
            topic=topic,
            since=begins,
            calls=cell[0],
            unresolved=cell[1],
            expected=before[topic, begins] / WEEKS,
        )
        for (topic, begins), cell in sorted(there.items())
    ]
