"""Whether a sentence may be over: words that go on, numbers that are being dictated. Pure."""

from __future__ import annotations

from cantonese.numerals import DIGITS
from cantonese.spoken import MARKS

UNFINISHED = (
    *("即係", "嗰個", "呢個", "同埋", "因為", "但係", "所以", "如果", "跟住", "然後", "或者", "不過", "雖然"),
    *("譬如", "譬如話", "其實", "就係", "仲有", "嗯", "呃", "誒", "咁就", "我想", "我個", "係咁", "而且"),
    *("除咗", "關於", "號碼係", "電話係", "地址係", "名係", "編號係", " because", " and", " so"),
)


def is_unfinished(spoken: str) -> bool:
    """Tell whether verbatim text stops in the middle of a sentence."""
    return spoken.rstrip(MARKS + " ").endswith(UNFINISHED)


def is_finished(spoken: str) -> bool:
    """Tell whether the recogniser ended verbatim text like a whole sentence."""
    return spoken.endswith(("。", "？", "！"))


def ends_in_short_digits(spoken: str) -> bool:
    """Tell whether text ends in one to seven digits read one by one: a number is being dictated."""
    bare = spoken.rstrip(MARKS + " ")
    run = len(bare) - len(bare.rstrip(DIGITS + "〇"))
    return 3 <= run < 8
