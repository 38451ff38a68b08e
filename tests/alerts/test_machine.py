from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diarization import Role
from emotion import AgitationPoint, Level
from emotion.words import load_lexicon, read_words
from pipeline.alerts.machine import AlertMachine
from pipeline.alerts.rules import Rule, load_rules
from pipeline.calls.events import AlertEvent, AlertState, Severity

RATE = 16_000
LEXICON = load_lexicon()


def point(second: float, value: float, *, supported: bool = True) -> AgitationPoint:
    return AgitationPoint(
        at=int(second * RATE), value=value, evidence=value, voice=0.5, words=0.5, behaviour=0.0,
        level=Level.CALM, supported=supported,
    )  # fmt: skip


def machine(text: str, folder: Path) -> AlertMachine:
    path = folder / "rules.toml"
    path.write_text(text, "utf-8")
    return made(load_rules(path))


def made(rules: tuple[Rule, ...]) -> AlertMachine:
    ids = itertools.count()
    return AlertMachine(rules, lambda: f"alert-{next(ids)}", lambda i: (Role.CUSTOMER, Role.AGENT)[i])


def feed(
    run: AlertMachine, values: list[float], start: float = 0.0, *, supported: bool = True
) -> list[AlertEvent]:
    found: list[AlertEvent] = []
    for step, value in enumerate(values):
        found += run.agitation(0, point(start + step / 2, value, supported=supported), [], [])
    return found


AGITATION = """
[[rule]]
name = "mood"
when = "agitation"
above = 0.6
for_s = 1
escalate_above = 0.8
calm_below = 0.3
calm_for_s = 5
cooldown_s = 20
max_per_call = 2
"""


def test_raised_escalated_calmed(tmp_path: Path) -> None:
    run = machine(AGITATION, tmp_path)
    events = feed(run, [0.1] * 4 + [0.65] * 6 + [0.85] * 6 + [0.5] * 4 + [0.1] * 14)
    assert [event.state for event in events] == [AlertState.RAISED, AlertState.ESCALATED, AlertState.CALMED]
    raised, escalated, _calmed = events
    assert (raised.severity, escalated.severity) == (Severity.WARNING, Severity.CRITICAL)
    assert len({event.alert_id for event in events}) == 1
    assert raised.start == 2 * RATE
    assert raised.end == 3 * RATE  # held for a second
    assert raised.curve[-1][1] == 0.65
    assert raised.evidence.startswith("激動程度 65%")


def test_a_short_peak_is_no_alert(tmp_path: Path) -> None:
    assert feed(machine(AGITATION, tmp_path), [0.1, 0.9, 0.9, 0.1] * 5) == []


def test_a_voice_without_words_is_no_alert(tmp_path: Path) -> None:
    assert feed(machine(AGITATION, tmp_path), [0.9] * 40, supported=False) == []


def test_cooldown_and_the_limit_of_a_call(tmp_path: Path) -> None:
    run = machine(AGITATION, tmp_path)
    wave = ([0.7] * 6 + [0.1] * 14) * 12
    raised = [event.end / RATE for event in feed(run, wave) if event.state is AlertState.RAISED]
    assert len(raised) == 2
    assert raised[1] - raised[0] >= 20


def test_dead_air_after_a_cooldown_is_not_lost(tmp_path: Path) -> None:
    run = machine('[[rule]]\nname = "air"\nwhen = "dead_air"\nsilence_s = 40\ncooldown_s = 120\n', tmp_path)
    found = [event.end // RATE for second in range(45) for event in run.advance(second * RATE)]
    run.spoke(45 * RATE)
    found += [event.end // RATE for second in range(46, 400) for event in run.advance(second * RATE)]
    assert found == [40, 160]


def test_an_agent_may_hold_dead_air_back(tmp_path: Path) -> None:
    text = '[[rule]]\nname = "air"\nwhen = "dead_air"\nsilence_s = 20\nunless = ["請你等等"]\nunless_s = 60\n'
    run = machine(text, tmp_path)
    say(run, 1, "請你等等", 1)
    run.spoke(2 * RATE)
    assert [e for second in range(3, 60) for e in run.advance(second * RATE)] == []
    assert [e.end // RATE for second in range(60, 90) for e in run.advance(second * RATE)] == [62]


def test_after_an_acknowledgement_calm_must_come_before_the_next_alert(tmp_path: Path) -> None:
    run = machine(AGITATION, tmp_path)
    (raised,) = feed(run, [0.7] * 160)
    run.acknowledge(raised.alert_id)
    assert feed(run, [0.7] * 200, start=80) == []
    assert feed(run, [0.1] * 10, start=180) == []
    (again,) = feed(run, [0.7] * 80, start=185)
    assert again.state is AlertState.RAISED
    assert again.end == 200 * RATE  # the cooldown since calm came


def test_an_open_alert_calms_also_after_the_roles_were_swapped(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(AGITATION, "utf-8")
    roles = [Role.CUSTOMER, Role.AGENT]
    run = AlertMachine(load_rules(path), lambda: "x", lambda i: roles[i])
    assert feed(run, [0.7] * 4)
    roles.reverse()
    assert [event.state for event in feed(run, [0.1] * 20, start=10)] == [AlertState.CALMED]


def test_latin_phrases_are_whole_words(tmp_path: Path) -> None:
    run = machine('[[rule]]\nname = "a"\nwhen = "words"\nphrases = ["sue"]\n', tmp_path)
    assert say(run, 0, "there is an issue with the tissue", 1) == []
    assert say(run, 0, "I will SUE you", 2)


def test_an_acknowledged_alert_says_nothing_more(tmp_path: Path) -> None:
    run = machine(AGITATION, tmp_path)
    (raised,) = feed(run, [0.7] * 4)
    run.acknowledge(raised.alert_id)
    assert feed(run, [0.9] * 10 + [0.0] * 20, start=2) == []


WORDS = """
[[rule]]
name = "key"
when = "words"
role = "customer"
phrases = ["取消服務", "Cancel My Plan 12"]
cooldown_s = 10
unless = ["講笑"]

[[rule]]
name = "rude"
when = "words"
role = "agent"
severity = "critical"
categories = ["profanity", "insult"]
above = 0.6
"""


def say(run: AlertMachine, channel: int, text: str, second: int) -> list[AlertEvent]:
    reading = read_words(text, LEXICON)
    return run.said(channel, text, reading, start=second * RATE, end=(second + 1) * RATE)


def test_key_phrases_of_the_customer_only(tmp_path: Path) -> None:
    run = machine(WORDS, tmp_path)
    assert say(run, 1, "你想取消服務？", 1) == []
    (alert,) = say(run, 0, "我要取消服務", 3)
    assert alert.evidence == "關鍵詞：取消服務"
    assert (alert.start, alert.end) == (3 * RATE, 4 * RATE)
    assert say(run, 0, "取消服務", 6) == []  # cooldown
    assert len(say(run, 0, "CANCEL MY PLAN 12", 30)) == 1


def test_digits_are_masked(tmp_path: Path) -> None:
    (alert,) = say(machine(WORDS, tmp_path), 0, "please cancel my plan 12", 1)
    assert "12" not in alert.evidence
    assert "Cancel My Plan **" in alert.evidence


def test_a_phrase_may_hold_an_alert_back(tmp_path: Path) -> None:
    run = machine(WORDS, tmp_path)
    assert say(run, 0, "講笑咋，我要取消服務", 1) == []
    assert say(run, 0, "取消服務", 20) == []
    assert len(say(run, 0, "取消服務", 40)) == 1


def test_a_rude_agent_is_told_without_the_words(tmp_path: Path) -> None:
    run = machine(WORDS, tmp_path)
    assert say(run, 0, "屌你老母", 1) == []
    (alert,) = say(run, 1, "屌你老母，廢柴", 2)
    assert alert.severity is Severity.CRITICAL
    assert "屌" not in alert.evidence
    assert alert.curve == ()  # agitation is the customer's
    assert "〔粗口〕" in alert.evidence


def test_dead_air_once_for_each_silence_and_none_while_speaking_or_held(tmp_path: Path) -> None:
    run = machine('[[rule]]\nname = "air"\nwhen = "dead_air"\nsilence_s = 30\ncooldown_s = 0\n', tmp_path)
    found = [event for second in range(100) for event in run.advance(second * RATE)]
    assert [event.end // RATE for event in found] == [30]
    for second in range(100, 160):
        run.spoke(second * RATE)
        assert run.advance(second * RATE) == []
    again = [event for second in range(160, 200) for event in run.advance(second * RATE)]
    assert [event.start // RATE for event in again] == [159]


def test_two_failed_suggestions_in_a_row_hand_over(tmp_path: Path) -> None:
    run = machine('[[rule]]\nname = "help"\nwhen = "failed_suggestions"\ncount = 2\n', tmp_path)
    assert run.suggestion(0, failed=True, at=RATE) == []
    assert run.suggestion(0, failed=False, at=2 * RATE) == []
    assert run.suggestion(0, failed=True, at=3 * RATE) == []
    assert [event.rule for event in run.suggestion(0, failed=True, at=4 * RATE)] == ["help"]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=200))
def test_every_alert_is_raised_first_and_only_once(values: list[float]) -> None:
    run = made(tuple(rule for rule in load_rules() if rule.when == "agitation"))
    states: dict[str, list[AlertState]] = {}
    for event in feed(run, values):
        states.setdefault(event.alert_id, []).append(event.state)
    order = [AlertState.RAISED, AlertState.ESCALATED, AlertState.CALMED]
    for seen in states.values():
        assert seen[0] is AlertState.RAISED
        assert seen == sorted(set(seen), key=order.index)
    assert len(states) <= 5


@pytest.mark.parametrize("channel", [0, 1])
def test_roles_may_be_swapped_during_the_call(tmp_path: Path, channel: int) -> None:
    path = tmp_path / "r.toml"
    path.write_text(WORDS, "utf-8")
    roles = [Role.AGENT, Role.CUSTOMER]
    run = AlertMachine(load_rules(path), lambda: "x", lambda i: roles[i])
    assert bool(say(run, channel, "取消服務", 1)) == (channel == 1)
    roles.reverse()
    assert bool(say(run, channel, "取消服務", 60)) == (channel == 0)
