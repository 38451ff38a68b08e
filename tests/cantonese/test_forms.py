from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantonese.characters import fold_variants, is_simplified, to_traditional
from cantonese.completeness import ends_in_short_digits, is_unfinished
from cantonese.figures import with_figures
from cantonese.reading import reading_form
from cantonese.scoring import scoring_form
from cantonese.spoken import normalize_spoken, without_marks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("郁手晒士多喎", "郁手晒士多喎"),
        ("电视机坏咗,唔该帮我维修", "電視機壞咗,唔該幫我維修"),
        ("后生仔嚟到門后面", "後生仔嚟到門後面"),  # shared characters alone, in words that tell
        ("皇后大道中", "皇后大道中"),
        ("佢郁咗个键", "佢郁咗個鍵"),
        ("香港", "香港"),
    ],
)
def test_traditional_keeps_cantonese(text: str, expected: str) -> None:
    assert to_traditional(text) == expected


def test_simplified_is_told_from_shared_characters() -> None:
    assert is_simplified("电")
    assert not any(map(is_simplified, "郁晒喎咗嘅台里面"))


def test_variants_fold_to_one_spelling() -> None:
    assert fold_variants("噉𡃉畀揾") == "咁㗎俾搵"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("這個後面,我個order number係ABC.", "這個後面，我個 order number係 ABC。"),
        ("喂…你好！！", "喂。你好！"),
        ("（笑）OK", "笑 OK"),
        ("", ""),
    ],
)
def test_spoken_form(text: str, expected: str) -> None:
    assert normalize_spoken(text) == expected


@given(st.text(max_size=40))
def test_spoken_form_is_stable(text: str) -> None:
    once = normalize_spoken(text)
    assert normalize_spoken(once) == once


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("我嘅電話號碼係九一二三四五六七。", "我嘅電話號碼係91234567。"),
        ("總共係一萬二千蚊。", "總共係$12,000。"),
        ("九一二三，四五六七", "9123 4567"),
        ("三月十五號下晝三點半", "3月15號下晝3:30"),
        ("二零二五年十二月三號", "2025年12月3號"),
        ("下晝三點九個字", "下晝3:45"),
        ("十點四十五分", "10:45"),
        ("百分之三點五", "3.5%"),
        ("彌敦道七十八號三座十二樓 A室", "彌敦道78號3座12樓 A 室"),
        (" A 一二三四五六括號三", "A123456(3)"),
        ("我個 order number 係 A B 一二三四", "我個 order number 係 AB1234"),
        ("兩千五百蚊", "$2,500"),
        ("兩萬五蚊", "$25,000"),
        ("十五分鐘", "15分鐘"),
        ("你哋嗰個 app成日 hang機", "你哋嗰個 app 成日 hang 機"),
        # what must stay words
        ("我等咗三次，兩個鐘", "我等咗三次，兩個鐘"),
        ("十分好，萬一唔得呢", "十分好，萬一唔得呢"),
        ("十幾日", "十幾日"),
        ("三千幾蚊", "三千幾蚊"),
        ("二三十蚊", "二三十蚊"),
        ("千萬唔好", "千萬唔好"),
        ("星期三", "星期三"),
    ],
)
def test_reading_form(spoken: str, expected: str) -> None:
    assert reading_form(spoken) == expected


@given(st.text(alphabet="零一二三四五六七八九十百千萬兩億蚊號點半分", max_size=12))
def test_figures_never_fail(text: str) -> None:
    with_figures(text)


def test_scoring_form_sees_through_spelling() -> None:
    assert scoring_form("一萬二千蚊") == scoring_form("$12,000")
    assert scoring_form("我個Email係ABC") == scoring_form("我個 email 係 A B C。")
    assert scoring_form("九一二三四五六七") == scoring_form("9123 4567")
    assert scoring_form("係呀") == scoring_form("係啊")
    assert scoring_form("唔係") != scoring_form("係")


def test_unfinished_sentences() -> None:
    assert is_unfinished("我想問即係，")
    assert is_unfinished("嗰個")
    assert not is_unfinished("唔該晒。")
    assert ends_in_short_digits("我嘅電話係九一二三")
    assert not ends_in_short_digits("九一二三四五六七")
    assert not ends_in_short_digits("等咗三次")


def test_marks_are_removed() -> None:
    assert without_marks("喂，你好。") == "喂你好"
