"""Where two parts of the product once disagreed about Cantonese: which one is right, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cantonese.characters import to_traditional
from cantonese.figures import with_figures
from cantonese.keys import key_form
from cantonese.numerals import numeral_value, spoken_numeral
from suggest.dialogue.quantities import quantities


@pytest.mark.parametrize(
    ("numeral", "value", "why"),
    [
        ("兩千五", 2500, "a digit behind the last unit stands for the unit below: two thousand five hundred"),
        ("兩千零五", 2005, "only 零 puts it into the ones"),
        ("三百五", 350, "the same in hundreds"),
        ("兩萬五", 25_000, "and in ten thousands"),
        ("廿三", 23, "廿 is spoken for 二十"),
        ("卅一", 31, "卅 for 三十"),
        ("卌八", 48, "卌 for 四十"),
        ("一百廿", 120, "廿 behind another unit"),
        ("十二", 12, "十 alone is ten"),
        ("两千五百万", 25_000_000, "knowledge bases come in either script"),
        ("一億二千萬", 120_000_000, "億 is above 萬"),
    ],
)
def test_a_numeral_has_one_value_for_transcripts_and_for_replies(numeral: str, value: int, why: str) -> None:
    assert numeral_value(numeral) == value, why
    assert quantities(f"收費{numeral}元") == {str(value)}, why


def test_the_amount_that_is_heard_is_the_amount_that_is_compared() -> None:
    assert with_figures("收咗我兩千五百蚊") == "收咗我$2,500"
    assert quantities("兩千五百蚊") == quantities("$2,500") == {"2500"}
    assert quantities("二千五") == {"2500"}


def test_a_numeral_that_is_none_needs_the_same_words_in_the_source() -> None:
    assert numeral_value("百千") is None
    assert quantities("保額百千元") == {"百千"}
    assert quantities("百萬保額") == quantities("1000000") == {"1000000"}


@given(st.integers(0, 99_999_999))
def test_every_number_read_aloud_is_understood(value: int) -> None:
    assert numeral_value(spoken_numeral(value)) == value


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        (
            "郁晒啲订单",
            "郁晒啲訂單",
            "郁 (to move), 晒 (all): Cantonese, not simplified 鬱, 曬",
        ),
        ("你部電話郁唔到，唔該晒", "你部電話郁唔到，唔該晒", "nothing simplified: nothing is touched"),
        ("请致电热线查询", "請致電熱線查詢", "written Chinese, all of it simplified"),
        (
            "請喺呢度签名",
            "請喺呢度簽名",
            "Traditional, also where only one character slipped",
        ),
    ],
)
def test_transcripts_and_replies_are_converted_alike(text: str, expected: str, why: str) -> None:
    assert to_traditional(text) == expected, why


def test_keys_need_no_exceptions_because_they_are_simplified() -> None:
    assert key_form("郁晒啲订单") == key_form("郁晒啲訂單")
    assert key_form("畀錢揾人") == key_form("俾钱搵人"), "one table of spelling variants for all"


def test_words_within_a_numeral_are_no_words() -> None:
    assert quantities("二萬一千元") == {"21000"}, "not 萬一 (in case)"
    assert quantities("二千萬保額") == {"20000000"}, "not 千萬 (by all means)"
    assert quantities("萬一唔得，千萬唔好一齊嚟") == set()
