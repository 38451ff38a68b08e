"""Figures of calls against figures counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.calls.info import Arrival, CallInfo, Direction
from pipeline.record.entries import Resolution, WrappedUp
from pipeline.record.facts import CallFact, facts
from pipeline.record.figures import WEEK_S, Deeds, Figure, Group, issues, values
from pipeline.record.wrapping import WrapUp, save
from tests.record.helpers import begin, ended, keys, store

NOW = 1.7e9 + 30 * 86_400
DAY = 86_400.0


def call(number: int, at: float = 1.7e9, lasts: float = 100.0, **more: Any) -> CallFact:
    told = more.pop("told", None)
    topics = more.pop("topics", ())
    work = more.pop("work", None)
    follow_up = more.pop("follow_up", None)
    wrapped = None
    if told is not None or topics or work is not None:
        wrapped = WrappedUp(
            resolution=told or Resolution.NOT_TOLD, topics=topics, closed=work is not None,
            at=at + lasts + (work or 0.0), follow_up_at=follow_up,
        )  # fmt: skip
    given = {"alerts": 0, "agitation": None, "known_customer": False, "again_at": None, **more}
    info = CallInfo(
        call_id=f"c{number}",
        queue=given.pop("queue", "q1"),
        agent_id=given.pop("agent", "a1"),
        started_at=at,
    )
    return CallFact(info=info, ended_at=at + lasts, wrapped=wrapped, **given)


CALLS = [
    call(1, told=Resolution.RESOLVED, work=20.0, agitation=0.7, alerts=1),
    call(2, lasts=300, told=Resolution.TRANSFERRED, work=40.0, agitation=0.2, queue="q2"),
    call(3, told=Resolution.UNRESOLVED, known_customer=True, again_at=1.7e9 + 3 * DAY),
    call(4, known_customer=True, again_at=1.7e9 + 9 * DAY),
    call(5, NOW - DAY, known_customer=True),  # nobody knows yet
]
WAITED = [
    Arrival(direction=Direction.INBOUND, waited_ms=20_000),
    Arrival(waited_ms=40_000),
    Arrival(direction=Direction.OUTBOUND, waited_ms=1_000),
    Arrival(direction=Direction.INBOUND, waited_ms=1_000, transferred_from="sales"),
    Arrival(direction=Direction.INBOUND),
]
CALLS = [replace(one, arrival=arrival) for one, arrival in zip(CALLS, WAITED, strict=True)]
DEEDS: dict[tuple[str | None, str], Deeds] = {
    (None, "c1"): Deeds(shown=4, used=1, taken_s=(10.0, 50.0)),
    (None, "c2"): Deeds(shown=1, used=1, taken_s=(20.0,)),
}


@pytest.mark.parametrize(
    ("figure", "value", "count"),
    [
        (Figure.CALLS, 5, 5),
        (Figure.HANDLE_TIME, (120 + 340 + 100 + 100 + 100) / 5, 5),
        (Figure.AFTER_CALL_WORK, 30, 2),
        (Figure.RESOLVED, 1 / 3, 3),
        (Figure.TRANSFERRED, 1 / 3, 3),
        (Figure.NO_REPEAT, 1 / 2, 2),
        (Figure.AGITATED, 1 / 2, 2),
        (Figure.ALERTED, 1 / 5, 5),
        (Figure.SUGGESTIONS_USED, 2 / 5, 5),
        (Figure.ALERT_TAKEN, 20, 3),
        (Figure.WAITED, 30, 2),
        (Figure.ANSWERED_IN_TIME, 1 / 2, 2),
    ],
)
def test_each_figure_and_what_it_was_counted_from(figure: Figure, value: float, count: int) -> None:
    (found,) = values(CALLS, [figure], since=1.7e9, step=None, group=Group.ALL, now=NOW, deeds=DEEDS)
    assert found.value == pytest.approx(value)
    assert found.count == count


def test_a_call_that_was_handed_on_is_transferred_whatever_nobody_says() -> None:
    two = [call(1, transferred=True), call(2, told=Resolution.RESOLVED), call(3)]
    (found,) = values(two, [Figure.TRANSFERRED], since=1.7e9, step=None, group=Group.ALL, now=NOW)
    assert (found.value, found.count) == (0.5, 2)


def test_where_nothing_was_counted_there_is_no_value() -> None:
    assert values([], list(Figure), since=0, step=None, group=Group.ALL, now=NOW) == []
    nothing = values(
        [call(1)], [Figure.RESOLVED, Figure.NO_REPEAT], since=0, step=None, group=Group.ALL, now=NOW
    )
    assert nothing == []


def test_groups_and_steps() -> None:
    by_queue = values(CALLS, [Figure.CALLS], since=1.7e9, step=None, group=Group.QUEUE, now=NOW)
    assert {value.group: value.count for value in by_queue} == {"q1": 4, "q2": 1}
    by_day = values(CALLS, [Figure.CALLS], since=1.7e9, step=DAY, group=Group.ALL, now=NOW)
    assert [(value.since, value.count) for value in by_day] == [(1.7e9, 4), (1.7e9 + 29 * DAY, 1)]
    two = [call(1, topics=("退款", "帳單")), call(2)]
    by_topic = values(two, [Figure.CALLS], since=1.7e9, step=None, group=Group.TOPIC, now=NOW)
    assert {value.group: value.count for value in by_topic} == {"退款": 1, "帳單": 1, "": 1}


@pytest.mark.parametrize(
    ("one", "unresolved"),
    [
        (call(1, told=Resolution.UNRESOLVED), 1),
        (call(1, told=Resolution.RESOLVED, alerts=3), 0),
        (call(1, told=Resolution.RESOLVED, known_customer=True, again_at=1.7e9 + DAY), 1),
        (call(1, told=Resolution.FOLLOW_UP, follow_up=NOW + DAY), 0),
        (call(1, told=Resolution.FOLLOW_UP, follow_up=NOW - DAY), 1),
        (call(1, alerts=1), 1),
        (call(1), 0),
    ],
)
def test_what_stays_unresolved(one: CallFact, unresolved: int) -> None:
    (cell,) = issues([one], since=1.7e9, until=1.7e9 + DAY, step=DAY, now=NOW)
    assert (cell.calls, cell.unresolved) == (1, unresolved)


def test_what_was_to_be_expected_is_the_same_time_of_the_weeks_before() -> None:
    bad = [
        call(n, 1.7e9 - week * WEEK_S + 60, told=Resolution.UNRESOLVED) for n, week in enumerate((1, 1, 3, 5))
    ]
    now = [call(9, 1.7e9 + 100), call(10, 1.7e9 + 7_300)]
    cells = issues([*bad, *now], since=1.7e9, until=1.7e9 + DAY, step=3_600, now=NOW)
    assert [(cell.since, cell.expected) for cell in cells] == [(1.7e9, 3 / 4), (1.7e9 + 7_200, 0)]


def test_facts_are_of_ended_calls_with_what_their_agents_keep(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    ciphers = its.create([(name, None) for name in ("one", "two", "live")])
    where.write([begin("one", "c1", at=100.0, customer="h"), ended("one", at=150.0)], ciphers)
    where.write([begin("two", "c2", at=500.0, customer="h"), ended("two", at=550.0)], ciphers)
    where.write([begin("live", "c3", at=600.0, customer="h")], ciphers)
    told = Resolution.FOLLOW_UP
    wrap_up = WrapUp(resolution=told, topics=("退款",), note="秘密", follow_up_at=900.0, closed=True)
    save(where, ciphers["one"], "one", wrap_up, "mary", clock=lambda: 170.0)
    first, second = facts(where, "bank", 0.0, 1_000.0)
    assert (first.info.call_id, first.info.tenant, first.again_at) == ("c1", "bank", 500.0)
    assert first.wrapped == WrappedUp(
        resolution=Resolution.FOLLOW_UP, topics=("退款",), closed=True, at=170.0, follow_up_at=900.0
    )
    assert (second.again_at, second.wrapped) == (None, None)
    assert [fact.info.call_id for fact in facts(where, "bank", 400.0, 1_000.0)] == ["c2"]
    assert (
        next(facts(where, "bank", 0.0, 200.0)).again_at == 500.0
    )  # also where the next call is behind the end
