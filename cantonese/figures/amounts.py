"""Money, percentages, counts, and places in an address. Pure."""

from __future__ import annotations

import re

from cantonese.figures.grammar import (
    START,
    TO,
    D,
    Rule,
    counts_up,
    decimal,
    figures_of,
    for_one,
    group,
    number,
    read_one_by_one,
)
from cantonese.numerals import DIGIT_VALUES, NUMERAL_CHARS, amount_value, digits_value, numeral_value

_MYRIADS = {"億": 100_000_000, "萬": 10_000}
_DOLLARS = "(?:蚊|元(?![朗旦宵素]))"
_PLACES = "號(?!碼)|座|樓|室|期"
_AFTER_DECIMALS = (
    "個(?![字骨鐘人])|倍|度|厘|釐|星|部|條|秒|米|公里|公斤|磅|寸|吋|尺|呎|歲|萬|億|成|折|巴仙|[美港歐日]元|英鎊"
    "| ?[A-Za-z]"
)
"""Behind 三點五, what makes it 3.5 and not a time."""
_MEASURES = (
    "小時|分鐘|公里|公斤|公升|里數|個百分點|日|年|天|秒|歲|度|折|次|間|件|隻|條|部|張|對|套|盒|位|分(?!之)|里|班|頁"
    "|級|倍|個|層|兆|寸|吋|尺|呎|米|磅|斤|克|份|名|粒|杯|支|包|箱|步|站|屆|集|課|題|星|厘|釐|巴仙|晚|場|章|節|款|種|單|筆"
    "|封|車|瓶|(?= ?[A-Za-z])"
)


def _money(match: re.Match[str]) -> str | None:
    value = _dollars(match)
    if value is None or (value < 10 and match["unit"] == "元" and not match["n_f"]):
        return None
    cents = ".5" if match["half"] else f".{DIGIT_VALUES[match['dimes']]}" if match["dimes"] else ""
    if cents and value != int(value):
        return None
    return f"${value:,.10g}" + cents if value < 1e9 else f"${value:,.0f}"


def _dollars(match: re.Match[str]) -> float | None:
    """Return an amount; 一點五萬 is 15,000."""
    fraction, myriads = match["n_f"], match["big"]
    if not fraction:
        return amount_value(match["n"] + (myriads or ""))
    whole = numeral_value(match["n"])
    if whole is None:
        return None
    shift: int = 10 ** len(fraction)
    return (whole * shift + int(digits_value(fraction))) * _MYRIADS.get(myriads or "", 1) / shift


def _money_range(match: re.Match[str]) -> str | None:
    low, high = (amount_value(match[name]) for name in ("low", "high"))
    return None if low is None or high is None else f"${low:,}{match['to']}${high:,}"


def _percent(match: re.Match[str]) -> str | None:
    """Return a percentage, or both ends of a range of them."""
    first = figures_of(match, "n")
    if first is None or not match["high"]:
        return None if first is None else f"{first}%"
    last = figures_of(match, "high")
    return None if last is None else f"{first}%{match['to']}{last}%"


def _decimal(match: re.Match[str]) -> str | None:
    whole = number(match["n"])
    return None if whole is None else f"{whole}.{digits_value(match['n_f'])}"


def _counted(match: re.Match[str]) -> str | None:
    numeral = match["n"]
    if read_one_by_one(numeral):
        return None if counts_up(numeral) or len(numeral) < 3 else digits_value(numeral)
    value = numeral_value(numeral)
    if value is None or value < 10 or for_one(numeral):
        return None
    for myriad, size in _MYRIADS.items():
        if numeral.endswith(myriad) and value % size == 0:
            return f"{value // size}{myriad}"
    return str(value)


def _placed(match: re.Match[str]) -> str | None:
    if match["n"] == "兩" or for_one(match["n"]):
        return None  # two of them; a price for one
    return number(match["n"])


def _range(match: re.Match[str]) -> str | None:
    """Return both ends of a range, or neither: small ones stay words."""
    low, high = (numeral_value(match[name]) for name in ("low", "high"))
    if low is None or high is None or for_one(match["high"]):
        return None
    if max(low, high) < 10 and not re.match(_PLACES, match.string[match.end() :]):
        return None
    return f"{low}{match['to']}{high}"


_ENDS = f"{START}{group('low')}(?P<to>{TO}){group('high')}"
RULES: tuple[Rule, ...] = (
    (
        re.compile(
            rf"{START}百分之{decimal('n')}(?![幾多])(?:(?P<to>{TO})(?!百分之){decimal('high')}(?![幾多]))?"
        ),
        _percent,
    ),
    (re.compile(f"(?:港幣)?{_ENDS}{_DOLLARS}"), _money_range),
    (
        re.compile(
            rf"(?:港幣)?{START}{decimal('n')}(?P<big>[萬億])?(?P<unit>{_DOLLARS})"
            rf"(?:(?P<half>半)|(?P<dimes>[一二三四五六七八九])(?:毫子?|(?=[，。？！]|$)))?(?![幾多零來])"
        ),
        _money,
    ),
    (
        re.compile(
            rf"{START}{group('n')}點{group('n_f', f'[{D}]+')}"
            rf"(?={_AFTER_DECIMALS})"
        ),
        _decimal,
    ),
    (
        re.compile(rf"{START}{group('n')}點{group('n_f', f'(?!零)[{D}]{{2,}}')}(?![{NUMERAL_CHARS}分])"),
        _decimal,
    ),
    (re.compile(rf"(?<=版本){group('n')}點{group('n_f', f'[{D}]+')}"), _decimal),
)
COUNTS: tuple[Rule, ...] = (
    (re.compile(f"{_ENDS}(?={_PLACES}|{_MEASURES})"), _range),
    (re.compile(f"{START}(?<!第){group('n')}(?={_PLACES})"), _placed),
    (re.compile(f"{START}(?<!第){group('n')}(?={_MEASURES})"), _counted),
)
