"""The guard of a call: what is hidden, when, from whom, in which form."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from asr import Word
from cantonese.personal import Category, Style
from diarization import Role
from pipeline.calls.controls import History
from pipeline.calls.events import CallEvent, Envelope, RedactionEvent, TranscriptEvent
from pipeline.calls.forms import language_spans, raw_and_reading
from pipeline.calls.info import SAMPLE_RATE, SaidBefore
from pipeline.logs.memory import MemoryCallLog
from pipeline.redaction.guard import REVEAL_S, CallGuard, hidden_whole
from pipeline.redaction.views import seen, seen_transcript
from pipeline.sections.redaction import RedactionSettings

DIGITS = "零一二三四五六七八九"


def said(
    text: str, *, start: float = 0.0, channel: int = 0, number: int = 1, final: bool = True
) -> TranscriptEvent:
    """Return what the recogniser has read, each character 0.2 s long."""
    chars = [char for char in text if char not in "，。？！ "]
    at = [start + 0.2 * index for index in range(len(chars) + 1)]
    words = tuple(
        Word(text=char, start=int(a * SAMPLE_RATE), end=int(b * SAMPLE_RATE), confidence=0.9)
        for char, a, b in zip(chars, at, at[1:], strict=False)
    )
    raw, reading = raw_and_reading(text)
    return TranscriptEvent(
        utterance_id=f"{channel}-{number}", revision=0, channel=channel, final=final,
        role=Role.AGENT if channel else Role.CUSTOMER, start=int(start * SAMPLE_RATE),
        end=int((at[-1] + 0.5) * SAMPLE_RATE), stability=1.0, text=reading, raw_text=raw,
        words=words if final else (), spans=language_spans(raw), verbatim=text,
    )  # fmt: skip


def guard(**chosen: object) -> CallGuard:
    return CallGuard(RedactionSettings(**chosen), 2, History[Category | None](None))


def readable(event: TranscriptEvent) -> str:
    """Return every text of an event as one without a view reads it."""
    shown = seen_transcript(event)
    return shown.text + shown.raw_text + "".join(word.text for word in shown.words) + shown.verbatim


def test_a_final_is_hidden_in_every_form_and_told_where() -> None:
    event, changed = guard().final(said("我電話係九一二三四五六七，月費一百蚊"))
    assert changed == []
    shown = seen_transcript(event)
    assert shown.text == "我電話係〔電話〕，月費$100"
    assert shown.raw_text == "我電話係〔電話〕月費一百蚊"
    assert len(shown.words) == len(event.words), "labels of voices go by the words' places"
    (mask,) = shown.masks
    assert shown.raw_text[mask.start : mask.end] == "〔電話〕"
    assert mask.category is Category.PHONE
    assert mask.first <= 0.8 * SAMPLE_RATE
    assert mask.last >= 2.4 * SAMPLE_RATE
    assert not any(digit in readable(event) for digit in "23456789二三四五六七八九")
    assert [span.end for span in shown.spans][-1] == len(shown.raw_text)


def test_text_without_personal_data_passes_as_it_is() -> None:
    event, _changed = guard().final(said("月費一百九十八蚊，十五號到期"))
    assert event.personal == ()
    assert seen_transcript(event).text == "月費$198，15號到期"


def test_partials_hide_a_number_while_it_grows() -> None:
    under_test = guard()
    number = "九一二三四五六七"
    for length in range(2, len(number) + 1):
        partial = under_test.partial(said(f"我電話係{number[:length]}", final=False))
        assert not re.search(f"[{DIGITS}0-9]{{2}}", readable(partial)), length


def test_three_digits_come_back_when_nothing_follows() -> None:
    under_test = guard()
    event, _changed = under_test.final(said("我要一二三"))
    assert "一二三" not in readable(event)
    assert [mask.provisional for mask in seen_transcript(event).masks] == [True]
    soon, due = event.end + 100, event.end + int(REVEAL_S * SAMPLE_RATE)
    assert under_test.advance(0, soon, speaking=False) == []
    assert under_test.advance(0, due, speaking=True) == [], "its speaker may go on with it"
    (revealed,) = under_test.advance(0, due, speaking=False)
    assert revealed.revision == 1
    assert "一二三" in readable(revealed.final)
    assert under_test.advance(0, 2 * due, speaking=False) == []


def test_a_number_that_goes_on_is_hidden_again_from_its_beginning() -> None:
    under_test = guard()
    first, _ = under_test.final(said("我要一二三"))
    under_test.advance(0, first.end + 2 * SAMPLE_RATE, speaking=False)
    second, changed = under_test.final(said("四五六七八", start=4.0, number=2))
    assert [event.final.utterance_id for event in changed] == ["0-1"]
    assert changed[0].revision == 2
    for event in (second, changed[0].final):
        assert not re.search(f"[{DIGITS[2:]}]", readable(event))


def test_what_the_client_says_is_sensitive_is_hidden_whole_on_both_channels() -> None:
    sensitive = History[Category | None](None)
    sensitive.change(SAMPLE_RATE, Category.CARD)
    sensitive.change(3 * SAMPLE_RATE, None)
    under_test = CallGuard(RedactionSettings(), 2, sensitive)
    for channel in (0, 1):
        event, _ = under_test.final(said("好呀等等", start=2.9, channel=channel))
        assert seen_transcript(event).text == "〔卡號〕"
    event, _ = under_test.final(said("好呀等等", start=3.5, number=9))
    assert seen_transcript(event).text == "好呀等等"


def test_who_may_see_a_category_sees_that_and_never_a_secret() -> None:
    event, _ = guard().final(said("我電話係九一二三四五六七，密碼係八八八八八八"))
    envelope = Envelope(call_id="c", server_seq=1, acked=0, event=event)
    view = frozenset({Category.PHONE, Category.PASSWORD})
    shown = seen(envelope, view).event
    assert isinstance(shown, TranscriptEvent)
    assert "九一二三四五六七" in shown.raw_text
    assert "八八八" not in shown.raw_text
    assert shown.verbatim == ""


def test_the_settings_choose_what_is_hidden_and_how() -> None:
    text = "我姓陳，電話係九一二三四五六七，卡號四一一一一一一一一一一一一二三四"
    event, _ = guard(hide=["phone"], style=Style.LAST_FOUR).final(said(text))
    assert seen_transcript(event).raw_text == "我姓陳電話係〔電話…4567〕卡號〔卡號…1234〕"
    with pytest.raises(ValidationError, match="never shown"):
        RedactionSettings(agents_see=(Category.PASSWORD,))
    with pytest.raises(ValidationError, match="digits only"):
        RedactionSettings(public_numbers=("2123 4567",))


def test_the_companys_own_numbers_stay() -> None:
    event, _ = guard(public_numbers=["21234567"]).final(said("打二一二三四五六七就得", channel=1))
    assert "二一二三四五六七" in readable(event)


def test_what_cannot_be_checked_is_hidden() -> None:
    assert seen_transcript(hidden_whole(said("我電話係九一二三"))).text == "〔敏感資料〕"


async def test_a_log_shows_nothing_to_readers_who_name_no_category() -> None:
    log = MemoryCallLog("c")
    under_test = guard()
    event, _ = under_test.final(said("我電話係九一二三四五六七"))
    log.append(event, 0)
    for number in range(300):  # so that the first one is packed
        log.append(under_test.final(said("唔該晒", start=10.0 + number, number=number + 2))[0], 0)
    (entry, *_rest) = await log.read(0)
    assert isinstance(entry.envelope.event, TranscriptEvent)
    assert "〔電話〕" in entry.envelope.event.text
    assert entry.envelope.event.verbatim == ""
    (entry, *_rest) = await log.read(0, view=frozenset({Category.PHONE}))
    assert isinstance(entry.envelope.event, TranscriptEvent)
    assert "91234567" in entry.envelope.event.text


async def test_a_newer_redaction_takes_the_place_of_an_older_one() -> None:
    log = MemoryCallLog("c")
    under_test = guard()
    first, _ = under_test.final(said("我要一二三"))
    log.append(first, 0)
    for event in under_test.advance(0, first.end + 2 * SAMPLE_RATE, speaking=False):
        log.append(event, 0)
    _second, changed = under_test.final(said("四五六七八", start=4.0, number=2))
    for again in changed:
        log.append(again, 0)
    found = [entry.envelope.event for entry in await log.read(0)]
    assert [event.revision for event in found if isinstance(event, RedactionEvent)] == [2]
    assert not any("一二三" in readable(transcript_of(event)) for event in found)


def transcript_of(event: CallEvent) -> TranscriptEvent:
    final = event.final if isinstance(event, RedactionEvent) else event
    assert isinstance(final, TranscriptEvent)
    return final


_NUMBERS = st.lists(st.sampled_from(DIGITS[2:]), min_size=5, max_size=19).map("".join)


@settings(max_examples=150)
@given(number=_NUMBERS, cuts=st.lists(st.integers(1, 18), max_size=4), pause=st.floats(0.3, 6.0))
def test_no_five_digits_of_a_number_are_ever_readable(number: str, cuts: list[int], pause: float) -> None:
    """Dictated in parts, with partials, pauses, reveals and revisions, for whoever reads along."""
    under_test = guard()
    screen: dict[str, str] = {}

    def shown(events: list[TranscriptEvent]) -> None:
        for event in events:
            screen[event.utterance_id] = readable(event).split("〔")[0]
            screen[event.utterance_id] = seen_transcript(event).raw_text
        everything = "".join(screen.values())
        assert sum(char in DIGITS for char in everything) < 5

    places = sorted({0, len(number), *(cut for cut in cuts if cut < len(number))})
    at, numbers = 0.0, count(1)
    for begin, end in pairwise(places):
        which = next(numbers)
        for length in range(begin + 1, end + 1):
            shown([under_test.partial(said(number[begin:length], start=at, number=which, final=False))])
        final, changed = under_test.final(said(number[begin:end], start=at, number=which))
        shown([final, *(event.final for event in changed)])
        at = final.end / SAMPLE_RATE
        told = under_test.advance(0, int((at + pause) * SAMPLE_RATE), speaking=pause < 1.0)
        shown([event.final for event in told])
        at += pause


def test_partials_and_finals_of_a_failed_recogniser_are_guarded_too() -> None:
    event = replace(said("我電話係九一二三四五六七"), words=())
    guarded, _ = guard().final(event)
    (mask,) = seen_transcript(guarded).masks
    assert mask.first < mask.last


@pytest.mark.parametrize("asked", ["請問你嘅電話號碼？", "請講短訊收到嘅驗證碼"])
def test_an_uncertain_answer_keeps_its_words_and_loses_its_sound(asked: str) -> None:
    """Digits that were taken for words cannot be read, but can be heard."""
    under_test = guard()
    under_test.final(said(asked, channel=1))
    heard = replace(said("係咪攞攞啊唔理啱", start=4.0, number=2), confidence=0.3)
    event = seen_transcript(under_test.final(heard)[0])
    assert event.raw_text == heard.raw_text
    assert [word.text for word in event.words] == [word.text for word in heard.words]
    (mask,) = event.masks
    assert (mask.start, mask.end) == (0, 0)
    assert (mask.first, mask.last) == (heard.start, heard.end)
    assert (heard.start, heard.end) in under_test.unheard(0)


def test_what_else_is_found_in_an_uncertain_answer_does_not_bring_its_sound_back() -> None:
    under_test = guard()
    under_test.final(said("請問你嘅電話號碼？", channel=1))
    heard = replace(said("陳小姐咪攞攞啊", start=4.0, number=2), confidence=0.3)
    masks = seen_transcript(under_test.final(heard)[0]).masks
    assert (heard.start, heard.end) in under_test.unheard(0)
    assert {mask.category for mask in masks} == {Category.PHONE, Category.NAME}


def test_many_short_utterances_do_not_push_a_hidden_one_out_before_its_sound_is_cut() -> None:
    under_test = guard()
    final, _ = under_test.final(said("我電話係九一二三四五六七"))
    for number in range(2, 80):
        under_test.final(said("係", start=4 + number / 2, number=number))
    assert final.redacted is not None
    (mask,) = final.redacted.masks
    assert (mask.first, mask.last) in under_test.unheard(0)
    under_test.final(said("係", start=200.0, number=80))
    assert under_test.unheard(0) == []


def test_a_certain_answer_without_a_number_is_heard() -> None:
    under_test = guard()
    under_test.final(said("請問你嘅電話號碼？", channel=1))
    event, _ = under_test.final(replace(said("等我搵一搵先", start=4.0, number=2), confidence=0.9))
    assert seen_transcript(event).masks == ()
    assert under_test.unheard(0) == []


def test_a_question_of_before_the_call_came_here_still_waits_for_its_answer() -> None:
    question = SaidBefore(
        utterance_id="1-7", channel=1, role=Role.AGENT, text="請問張卡後面嘅安全碼係幾多",
        start=-96_000, end=-48_000,
    )  # fmt: skip
    answer = said("三二一")
    fresh = guard()
    fresh.final(answer)
    (shown,) = fresh.finish()
    assert "三二一" in readable(shown.final)
    resumed = guard()
    resumed.remember([question])
    assert "三" not in readable(resumed.partial(said("三二", final=False)))
    hidden, _changed = resumed.final(answer)
    assert not any(digit in readable(hidden) for digit in "三二一321")
    assert resumed.finish() == [], "it is never shown again"
