from __future__ import annotations

import pytest

from asr import guards
from asr.agreement import LocalAgreement, common_prefix
from asr.loops import loop_start

SETTINGS = guards.GuardSettings()


def judge(
    text: str, seconds: float = 3.0, log_probability: float = -0.2, no_speech: float = 0.01
) -> str | None:
    return guards.rejection(
        text, seconds=seconds, log_probability=log_probability, no_speech=no_speech, settings=SETTINGS
    )


@pytest.mark.parametrize(
    "text", ["字幕由Amara.org社區提供", "多謝收看", "請不吝點贊訂閱", "Thanks for watching!"]
)
def test_boilerplate_is_rejected(text: str) -> None:
    assert judge(text) == "boilerplate"


@pytest.mark.parametrize("text", ["唔該晒", "係係係係", "多謝你", "我想訂閱個月費計劃", "拜拜拜拜", ""])
def test_what_people_say_passes(text: str) -> None:
    assert judge(text) is None


def test_other_guards() -> None:
    assert judge("我想查詢", log_probability=-2.5) == "log_probability"
    assert judge("我想查詢", no_speech=0.9, log_probability=-1.1) == "no_speech"
    assert judge("唔可以" * 20) == "repetition"
    assert judge("我想查詢下我張單點解咁貴", seconds=0.3) == "too_fast"
    assert judge("我想 upgrade做 Smart Lock，有冇 discount", seconds=2.05) is None, "letters are no syllables"
    assert guards.token_cap(3.0) >= 3 * 8


def test_agreement_follows_the_shared_prefix() -> None:
    assert common_prefix("我想查", "我想問") == 2
    agreement = LocalAgreement()
    assert agreement.update("我想") == 0.0
    assert agreement.update("我想查詢") == 0.5
    assert agreement.update("我想查詢") == 1.0
    assert agreement.update("") == 0.0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("茶茶茶茶茶茶茶", "茶"),
        ("我想問連連連連連連連連", "我想問連"),
        ("有很多人，有很多人，有很多人，有很多人，有", "有很多人，"),
        ("其實我哋都係咁嘅我哋都係咁嘅我哋都係咁嘅我", "其實我哋都係咁嘅"),
        ("買茶的，買茶的，買茶的，買茶的，買茶的", "買茶的，"),
        ("thank you thank you thank you thank you thank you", "thank you "),
    ],
)
def test_a_loop_is_found_where_it_begins(text: str, kept: str) -> None:
    start = loop_start(text)
    assert start is not None
    assert text[:start] == kept


@pytest.mark.parametrize(
    "text",
    [
        "係係係，係呀係呀。",
        "好好好好，唔該晒。",
        "我個電話係八八八八八八八八。",
        "九八九八九八九八",
        "哈哈哈哈哈哈哈",
        "no no no no",
        "一二三四，一二三四",
        "拜拜，拜拜，拜拜。",
        "等等，等等，我睇睇先，睇睇先。",
    ],
)
def test_what_people_repeat_is_no_loop(text: str) -> None:
    assert loop_start(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "多謝大家收睇", "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目", "字幕由 Amara.org 社群提供",
        "MING PAO CANADA",
        "Thank you so much for watching!", "See you in the next video", "♪", "作詞李三作曲李三",
    ],
)  # fmt: skip
def test_subtitles_are_not_what_was_said(text: str) -> None:
    found = guards.rejection(text, seconds=4.0, log_probability=-0.3, no_speech=0.1, settings=SETTINGS)
    assert found == "boilerplate"


@pytest.mark.parametrize("text", ["多謝你", "唔該晒，拜拜", "thank you", "see you", "我想訂閱你哋嘅服務"])
def test_thanks_and_goodbyes_are_kept(text: str) -> None:
    found = guards.rejection(text, seconds=2.0, log_probability=-0.3, no_speech=0.1, settings=SETTINGS)
    assert found is None


def test_a_doubtful_text_needs_a_language_that_is_more_sure() -> None:
    assert guards.foreign(0.05, -0.3, SETTINGS)
    assert not guards.foreign(0.12, -0.3, SETTINGS)
    assert guards.foreign(0.12, -1.6, SETTINGS)
    assert not guards.foreign(0.5, -1.6, SETTINGS)
