"""The domain: codec, controls, overview."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr import Word
from cantonese.personal import Category, PersonalSpan
from diarization import Role, SpeakerTurn
from emotion import AgitationPoint, Level
from pipeline.calls import events as ev
from pipeline.calls.codec import _KINDS, CodecError, decode, encode
from pipeline.calls.controls import KEPT, History
from pipeline.calls.events import CallEvent, Envelope
from pipeline.calls.info import CallInfo, PauseReason
from pipeline.calls.overview import CallFilter, CallOverview, CallPhase, CallRow
from suggest.dialogue.active import ActiveSuggestion, Reason, State
from suggest.dialogue.drafting import Draft, Source

POINT = AgitationPoint(
    at=16_000,
    value=0.7,
    evidence=0.8,
    voice=0.5,
    words=0.3,
    behaviour=0.2,
    level=list(Level)[-1],
    supported=True,
)
ALERT = ev.AlertEvent(
    alert_id="a", rule="anger", severity=ev.Severity.CRITICAL, state=ev.AlertState.RAISED, channel=0,
    start=1, end=2, evidence="用詞：投訴×2", agitation=0.9, curve=((0, 0.1), (16_000, 0.9)),
)  # fmt: skip
FINAL = ev.TranscriptEvent(
    utterance_id="1-2", revision=0, channel=1, role=Role.CUSTOMER, final=True, start=0, end=9, stability=1.0,
    text="電話912", raw_text="電話九一二", verbatim="電話九一二",
    personal=(PersonalSpan(2, 5, Category.PHONE, True),),
    redacted=ev.RedactedText(
        text="電話〔電話〕", raw_text="電話〔電話〕", words=(), spans=(),
        masks=(ev.Mask(category=Category.PHONE, start=2, end=6, first=0, last=9, provisional=True),),
    ),
)  # fmt: skip
EVERY: tuple[CallEvent, ...] = (
    ev.RedactionEvent(revision=1, final=FINAL),
    ev.Started(session_id="s", language="yue", profile="default", model="m", model_ready=True, resumed=False),
    ev.SpeechEdge(begin=True, channel=1, at=3, utterance_id="1-1"),
    ev.TranscriptEvent(
        utterance_id="1-1", revision=2, channel=1, role=Role.AGENT, final=True, start=0, end=9, stability=1.0,
        text="你好\nOK", raw_text="你好 OK", words=(Word(text="你", start=0, end=4, confidence=0.5),),
        spans=(ev.LanguageSpan(language="en", start=2, end=4),), confidence=None, speaker="A1",
        word_speakers=("A1",),
    ),
    ev.EmotionEvent(
        utterance_id=None, channel=0, role=Role.CUSTOMER, start=1, end=2, quality=0.5, arousal=0.1,
        valence=None, probabilities={"angry": 0.25}, agitation=POINT,
    ),
    ALERT,
    ev.AttributionEvent(
        utterance_id="0-1", revision=1, channel=0, speaker="A1", role=Role.CUSTOMER, role_confidence=0.9,
        provisional=True, source=ev.AttributionSource.SECOND_LOOK,
        turns=(SpeakerTurn(speaker="A1", start=0, end=5, overlapped=True),), turn_roles=(Role.AGENT,),
        word_speakers=("A1", ""),
    ),
    ev.SpeakerEvent(speaker="A1", channel=0, role=Role.UNKNOWN, role_confidence=0.5, additional=True),
    ev.ChannelFinding(kind=ev.FindingKind.ECHO, channel=1, corrected=True, delay=320, gain_db=-20.5),
    ev.SecondLookEvent(state=ev.LookState.DONE, changed=3),
    ev.SuggestionEvent(
        shown=ActiveSuggestion(
            id="s1", utterance_id="0-1", revision=1, rank=1, state=State.WITHDRAWN, reason=Reason.SAID,
            draft=Draft(
                article=("", "fee"), language="zh-Hant", text="五十元", wordings={"en": "$5"}, confidence=0.9,
                sources=(Source(article_id="fee", tenant="", title="收費", uri="", place="", version=2),),
                writer="m", writer_language="en",
            ),
        ),
        channel=0, at=7,
    ),
    ev.Mark(kind=ev.MarkKind.PAUSE, at=1, reason=PauseReason.PCI),
    ev.HealthReport(lag=1, load=0.5, dropped_partials=2, overloaded=False),
    ev.WarningEvent(code="LOST_AUDIO", message="m"),
    ev.ErrorEvent(code="INTERNAL", message="m", retryable=True, retry_after_ms=5),
    ev.Ended(audio=1, speech=2, utterances=3, gap=4, reason="idle", second_look=True),
)  # fmt: skip


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_every_event_comes_back_as_it_was(event: CallEvent) -> None:
    envelope = Envelope(call_id="c", server_seq=7, acked=16_000, event=event)
    data = encode(envelope)
    assert b"\n" not in data, "one line each"
    assert decode(data) == envelope
    assert dataclasses.astuple(decode(data)) == dataclasses.astuple(envelope), "also the types inside"


def test_no_kind_of_event_is_without_a_name() -> None:
    assert set(_KINDS.values()) == set(typing.get_args(CallEvent)) == {type(event) for event in EVERY}


def test_another_release_is_read_as_far_as_it_can_be() -> None:
    plain = json.loads(encode(Envelope(call_id="c", server_seq=1, acked=0, event=EVERY[-1])))
    assert "second_look" in plain["event"]
    plain["event"]["a_field_of_tomorrow"] = {"deep": [1]}
    del plain["event"]["second_look"]
    older = decode(json.dumps(plain).encode()).event
    assert isinstance(older, ev.Ended)
    assert older.second_look is False, "what an older release did not write has its default"
    for broken, reason in (
        ({"v": 2}, "version 2"),
        ({"kind": "hologram"}, "hologram"),
        ({"event": []}, "not an"),
    ):
        with pytest.raises(CodecError, match=reason):
            decode(json.dumps({**plain, **broken}).encode())
    with pytest.raises(CodecError):
        decode(b"\x80\x04pickle")


@given(st.lists(st.tuples(st.integers(0, 400), st.integers()), max_size=60), st.integers(-5, 500))
def test_a_control_is_in_force_from_its_own_sample_on(changes: list[tuple[int, int]], sample: int) -> None:
    history: History[int] = History(-1)
    ordered = sorted(changes, key=lambda change: change[0])
    for at, value in ordered:
        history.change(at, value)
    before = [value for at, value in ordered if at <= max(0, sample)]
    assert history.at(sample) == (before[-1] if before else -1)
    assert history.now == (ordered[-1][1] if ordered else -1)


def test_controls_keep_their_order_and_their_number() -> None:
    history: History[int] = History(0)
    for at in range(1, 3 * KEPT):
        history.change(at, at)
    assert history.at(3 * KEPT) == 3 * KEPT - 1
    assert len(history._from) == KEPT
    with pytest.raises(ValueError, match="order"):
        history.change(1, 0)


def test_a_row_tells_a_call_at_a_glance_and_nothing_that_was_said() -> None:
    overview = CallOverview(CallRow(info=CallInfo(call_id="c", queue="q"), phase_since=1.0))
    changed = [overview.take(event, 5.0) for event in EVERY]
    row = overview.row
    assert row.agitation == 0.7
    assert (row.open_alerts, row.worst_alert) == (1, ev.Severity.CRITICAL)
    assert (row.phase, row.phase_since, row.ended_reason) == (CallPhase.ENDED, 5.0, "idle")
    assert row.utterances == 1
    assert not any(part in repr(row) for part in ("你好", "投訴", "五十"))
    assert changed.count(True) < len(EVERY), "not every event makes another row"
    closed = dataclasses.replace(ALERT, state=ev.AlertState.ACKNOWLEDGED)
    assert overview.take(closed, 6.0)
    assert (overview.row.open_alerts, overview.row.worst_alert) == (0, None)


def test_filters_narrow_and_empty_ones_do_not() -> None:
    info = CallInfo(call_id="c", tenant="bank", queue="cards", team="t1", agent_id="amy")
    assert CallFilter().takes(info)
    assert CallFilter(tenant="bank", queues=frozenset({"cards"}), agent_ids=frozenset({"amy"})).takes(info)
    assert not CallFilter(teams=frozenset({"t2"})).takes(info)
    assert not CallFilter(tenant="telecom").takes(info)
