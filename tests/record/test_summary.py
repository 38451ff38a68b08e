"""A finished call, summed up in what was said."""

from __future__ import annotations

import pytest

from pipeline.calls.events import AlertEvent, AlertState, Envelope, RedactionEvent, Severity
from pipeline.record.summary import summary_of
from tests.record.helpers import final


def call(*said: tuple[str, str]) -> list[Envelope]:
    """Return the events of a dialogue: c or a, and what they say."""
    return [
        Envelope(call_id="c", server_seq=number + 1, acked=0, event=final(number, text, "ca".index(who)))
        for number, (who, text) in enumerate(said)
    ]


def test_a_call_is_summed_up_in_its_own_sentences() -> None:
    events = call(
        ("a", "多謝致電，有咩可以幫到你？"),
        ("c", "係呀係呀"),
        ("c", "我想問下點解今個月張單貴咗咁多"),
        ("a", "需唔需要我幫你查下張單？"),
        ("c", "好呀唔該"),
        ("a", "我幫你取消返呢個收費，三個工作天內退返俾你"),
        ("a", "我會安排同事聽日打返俾你"),
        ("c", "唔該晒"),
    )
    found = summary_of(events)
    assert found.code == "billing"
    assert [sentence.text for sentence in found.about] == ["我想問下點解今個月張單貴咗咁多"]
    assert [sentence.text for sentence in found.next_steps] == [
        "我幫你取消返呢個收費，三個工作天內退返俾你",
        "我會安排同事聽日打返俾你",
    ]
    assert found.about[0].start == 2 * 16_000
    said = {envelope.event.text for envelope in events}  # type: ignore[union-attr]
    assert {sentence.text for sentence in (*found.about, *found.next_steps)} <= said


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("我要投訴你哋，張單收費離譜", "complaint"),
        ("我想取消個計劃，月費太貴", "cancellation"),
        ("部機成日上唔到網", "fault"),
        ("I want a refund for this charge", "billing"),
        ("今日天氣幾好", ""),
    ],
)
def test_a_call_is_filed_by_what_the_customer_says(said: str, code: str) -> None:
    assert summary_of(call(("a", "投訴部你好"), ("c", said))).code == code


def test_without_a_request_the_longest_opening_sentence_stands_for_it() -> None:
    found = summary_of(call(("c", "喂你好呀早晨"), ("c", "今日我行過你哋門市個職員好好人")))
    assert [sentence.text for sentence in found.about] == ["今日我行過你哋門市個職員好好人"]


def test_what_was_hidden_late_is_not_in_it() -> None:
    events = call(("c", "我要改電話九一二三"))
    hidden = RedactionEvent(revision=1, final=final(0, "我要改電話〔電話〕"))
    events.append(Envelope(call_id="c", server_seq=2, acked=0, event=hidden))
    assert [sentence.text for sentence in summary_of(events).about] == ["我要改電話〔電話〕"]


def test_alerts_are_named_once_and_an_empty_call_says_nothing() -> None:
    alert = AlertEvent(
        alert_id="x", rule="mood", severity=Severity.WARNING, state=AlertState.RAISED, channel=0, start=0,
        end=1, evidence="",
    )  # fmt: skip
    events = [Envelope(call_id="c", server_seq=number, acked=0, event=alert) for number in (1, 2)]
    assert summary_of(events).alerts == ("mood",)
    empty = summary_of([])
    assert (empty.code, empty.about, empty.next_steps) == ("", (), ())
