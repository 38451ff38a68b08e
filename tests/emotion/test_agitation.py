from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import AgitationSettings, Conversation, Level, SpeakerEmotion, restrained
from emotion.agitation import STEP, AgitationCurve
from emotion.behaviour import BehaviourTracker
from emotion.words import load_lexicon, read_words

RATE = 16_000
LEXICON = load_lexicon()


def curve() -> AgitationCurve:
    return AgitationCurve(AgitationSettings())


def voice_for(made: AgitationCurve, seconds: int, score: float) -> None:
    for second in range(1, seconds):
        made.voice(second * RATE, score, 1.0)


def test_no_evidence_stays_at_zero() -> None:
    points = curve().advance(60 * RATE)
    assert len(points) == 121
    assert all(point.value == 0 and point.level is Level.CALM for point in points)


def test_an_excited_voice_alone_never_reaches_the_alert_level() -> None:
    made = curve()
    voice_for(made, 120, 1.0)
    points = made.advance(120 * RATE)
    assert max(point.value for point in points) < AgitationSettings().agitated
    assert not any(point.supported for point in points)
    assert points[-1].voice == pytest.approx(1.0)


def test_voice_and_words_together_do() -> None:
    made = curve()
    voice_for(made, 20, 0.9)
    made.words(10 * RATE, read_words("我要投訴，太離譜喇", LEXICON))
    points = made.advance(20 * RATE)
    peak = max(points, key=lambda point: point.value)
    assert peak.level is Level.AGITATED
    assert peak.supported
    assert 0.1 < peak.voice < 0.5 < peak.words


def test_a_happy_voice_with_thanks_stays_calm() -> None:
    made = curve()
    voice_for(made, 20, 0.95)
    for second in (4, 9, 14):
        made.words(second * RATE, read_words("太好喇，多謝晒你，好開心", LEXICON))
    points = made.advance(20 * RATE)
    assert all(point.value < AgitationSettings().tense for point in points if point.at > 6 * RATE)
    assert not any(point.level is Level.AGITATED for point in points)


def test_it_calms_down_when_nothing_more_comes() -> None:
    made = curve()
    made.words(2 * RATE, read_words("屌你老母，我要投訴", LEXICON))
    points = made.advance(180 * RATE)
    assert max(point.value for point in points) > 0.6
    assert points[-1].value < 0.05
    assert points[-1].level is Level.CALM


def test_a_level_is_left_later_than_it_is_reached() -> None:
    made, settings = curve(), AgitationSettings()
    made.words(RATE, read_words("屌你老母，消委會，投訴", LEXICON))
    points = made.advance(180 * RATE)
    left = [a.value for a, b in pairwise(points)
            if a.level is Level.AGITATED and b.level is not Level.AGITATED]  # fmt: skip
    assert len(left) == 1  # once: no flicker
    assert left[0] < settings.agitated


@settings(deadline=None)
@given(st.lists(st.integers(1, 40 * RATE), min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_the_curve_does_not_depend_on_how_often_it_is_asked(
    asked: list[int], score: float, weight: float
) -> None:
    def fed() -> AgitationCurve:
        made = curve()
        made.voice(3 * RATE, score, weight)
        made.words(5 * RATE, read_words("投訴", LEXICON))
        return made

    once, often = fed(), fed()
    many = [point for at in sorted(asked) for point in often.advance(at)]
    many += often.advance(40 * RATE)
    assert many == once.advance(40 * RATE)
    assert [point.at for point in many] == list(range(0, 40 * RATE + 1, STEP))
    assert all(0 <= point.value <= 1 for point in many)


@settings(deadline=None)
@given(st.floats(0, 1), st.booleans(), st.booleans())
def test_the_shares_sum_to_one_or_to_nothing(score: float, words: bool, interrupts: bool) -> None:
    affect = SpeakerEmotion(AgitationSettings(), LEXICON)
    affect._curve.voice(RATE, score, 1.0)
    if words:
        affect.said("我要投訴你", start=0, end=RATE)
    if interrupts:
        affect.begins(own=False, at=0)
        affect.begins(own=True, at=RATE // 2)
        affect.ends(own=False, at=2 * RATE)
    for point in affect.advance(3 * RATE):
        total = point.voice + point.words + point.behaviour
        assert total == pytest.approx(1.0) or total == 0


def test_angry_is_never_the_likeliest_without_words() -> None:
    sure = {"neutral": 0.02, "happy": 0.02, "sad": 0.01, "angry": 0.94, "other": 0.01}
    alone = restrained(sure, supported=False)
    assert sum(alone.values()) == pytest.approx(1.0)
    assert max(alone, key=alone.__getitem__) == "other"
    assert restrained(sure, supported=True) == sure


@pytest.mark.parametrize(
    "wrong", [{"voice": 1.0}, {"tense": 0.7}, {"rise_s": 0.0}, {"hysteresis": 0.5}, {"words": -0.1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"agitation: (need|voice|half)"):
        AgitationSettings(**wrong)


# ---------------------------------------------------------------- behaviour


def kinds(found: list[object]) -> list[str]:
    return [one.kind for one in found]  # type: ignore[attr-defined]


def test_taking_the_floor_is_an_interruption() -> None:
    tracker = BehaviourTracker()
    tracker.begins(own=False, at=0)
    tracker.begins(own=True, at=3 * RATE)
    assert "interruption" in kinds(list(tracker.ends(own=False, at=4 * RATE)))


def test_a_back_channel_and_being_interrupted_are_none() -> None:
    tracker = BehaviourTracker()
    tracker.begins(own=False, at=0)
    tracker.begins(own=True, at=60 * RATE)
    assert tracker.ends(own=True, at=60 * RATE + RATE // 5) == []  # 係
    tracker.ends(own=False, at=61 * RATE)
    tracker.begins(own=True, at=70 * RATE)
    tracker.begins(own=False, at=75 * RATE)
    assert "interruption" not in kinds(list(tracker.ends(own=True, at=76 * RATE)))


def test_the_same_question_again_is_noticed() -> None:
    tracker = BehaviourTracker()
    tracker.said("點解今個月張單會貴咗咁多", start=0, end=3 * RATE)
    assert tracker.said("唔該我想改地址", start=5 * RATE, end=8 * RATE) == []
    assert kinds(list(tracker.said("究竟點解今個月張單會貴咗咁多", start=20 * RATE, end=24 * RATE))) == [
        "repeat"
    ]


def test_speaking_faster_than_usual_is_noticed_and_usual_is_not() -> None:
    tracker = BehaviourTracker()
    texts = ("我想問下呢張單", "今日落雨好大呀", "你哋幾點鐘收工", "佢哋話聽日先得")
    for index, text in enumerate(texts):
        assert tracker.said(text, start=index * 10 * RATE, end=(index * 10 + 2) * RATE) == []
    fast = tracker.said("咁我而家即刻過嚟同你講清楚呢件事", start=50 * RATE, end=52 * RATE)
    assert kinds(list(fast)) == ["pace"]


def test_earlier_calls_count_from_the_start() -> None:
    affect = SpeakerEmotion(AgitationSettings(), LEXICON, earlier_calls=4)
    point = affect.advance(10 * RATE)[-1]
    assert 0 < point.value < 0.2
    assert point.behaviour == pytest.approx(1.0)


def test_an_utterance_that_is_only_cut_is_no_interruption() -> None:
    speakers = [SpeakerEmotion(AgitationSettings(), LEXICON) for _ in range(2)]
    talk = Conversation(speakers)
    talk.begins(1, 0)
    talk.begins(0, 5 * RATE)
    talk.ends(1, 9 * RATE, cut=True)  # channel 1 goes on
    talk.begins(1, 9 * RATE)
    assert speakers[0].doings == []
    talk.ends(1, 10 * RATE, cut=False)
    assert "interruption" in [doing.kind for doing in speakers[0].doings]
    assert speakers[1].doings == []
