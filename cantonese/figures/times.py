"""Dates and times of day. Pure."""

from __future__ import annotations

import re

from cantonese.figures.grammar import START, TO, D, N, Rule, group
from cantonese.numerals import NUMERAL_CHARS, digits_value, numeral_value

_MONTH = "十[一二]?|[一二三四五六七八九]"
_HOUR = "廿[一二三四]?|二十[一二三四]?|十[一二三四五六七八九]?|[零一二兩三四五六七八九]"
_MINUTE = "十[一]?|[一二兩三四五六七八九]"
"""Twelfths of an hour, as the hand points: 三 is a quarter past."""
_TIME_WORDS = (
    "朝早|上晝|下晝|夜晚|下午|上午|晏晝|今晚|聽朝|聽晚|今朝|凌晨|中午|半夜|傍晚|早上|晚上|尋晚|琴晚|黃昏|每朝"
    "|每晚"
)
_AFTER_TIME = f"(?<=(?:{_TIME_WORDS}))"  # all of two characters, as a look-behind must be
_MEASURES = "個倍度厘星部條蚊元秒米成折%歲樣項件間份期次位人種分美港歐"
_RATES = re.compile(
    "(?:率|利息|息口|版本|指數|度數|評分|平均|倍數|血糖|血壓|體溫|溫度|濃度|比數)[^，。？！]{0,3}$"
)
"""Words behind which 三點二 is a number, not a time."""
_REST = (
    f"(?:(?P<half>半)|踏正|踏(?P<toward>{_MINUTE})|(?P<minutes>{N})分(?!鐘|之(?![間前後內]))|(?P<words>{_MINUTE})個字"
    f"|(?P<quarters>[一三])個骨|零(?P<odd>[一二三四五六七八九])分?"
    f"|(?P<hand>{_MINUTE})(?![{NUMERAL_CHARS}{_MEASURES}點月號日樓])|(?P<oclock>鐘)|)"
)
_CLOCK = rf"(?P<hour>{_HOUR})點{_REST}(?![{D}幾零])"
_BARE = f"(?P<hour>{_HOUR})點(?P<oclock>鐘)?(?!半|[十幾零]|[{D}兩](?![位人張]))"


def _date(match: re.Match[str]) -> str | None:
    """Return a year with its month and day as far as they are told, or a month with its day."""
    year, month, day = match["year"], match["month"], match["day"]
    if year is None and day is None and not match.string.startswith("份", match.end()):
        return None
    if year is not None and len(year) == 2 and month is None:
        return None  # 三四年 are three or four years
    out = f"{digits_value(year)}年" if year else ""
    if month:
        out += f"{numeral_value(month)}月"
    if day:
        value = numeral_value(day)
        if value is None or not 1 <= value <= 31:
            return None
        out += f"{value}{match['mark']}"
    return out


def _until_month(match: re.Match[str]) -> str:
    return f"{match['to']}{numeral_value(match['month'])}月"


def _until_hour(match: re.Match[str]) -> str:
    return f"{match['to']}{numeral_value(match['hour'])}點"


def _clock(match: re.Match[str]) -> str | None:
    """Return a time with minutes; a bare hour is one only behind a word for the time of day."""
    hour = numeral_value(match["hour"])
    if hour is None or hour > 24:
        return None
    if match["oclock"]:
        return f"{hour}點鐘"
    minutes = _minutes(match)
    if minutes is None or not 0 <= minutes < 60:
        return None
    return f"{hour}:{minutes:02d}"


def _minutes(match: re.Match[str]) -> int | None:
    """Return the minutes of a time, None where there are none or it is a number: 利率三點二."""
    if match["hand"] and _RATES.search(match.string[: match.start()]):
        return None
    for name, size in (
        ("minutes", 1),
        ("odd", 1),
        ("quarters", 15),
        ("toward", 5),
        ("words", 5),
        ("hand", 5),
    ):
        told = match[name]
        if told:
            value = numeral_value(told.lstrip("零") or "零")
            return None if value is None else size * value
    if match["half"]:
        return 30
    return 0 if match.group().endswith("踏正") else None


def _bare(match: re.Match[str]) -> str | None:
    hour = numeral_value(match["hour"])
    return None if hour is None or hour > 24 else f"{hour}點{match['oclock'] or ''}"


DATES: tuple[Rule, ...] = (
    (
        re.compile(
            rf"{START}(?:(?P<year>[{D}]{{4}}|[{D}]{{2}})年)?(?:(?P<month>{_MONTH})月(?:{group('day')}(?P<mark>[號日]))?)?"
        ),
        lambda match: _date(match) if match.group() else None,
    ),
)
CLOCK: tuple[Rule, ...] = (
    (re.compile(f"{START}{_CLOCK}"), _clock),
    (re.compile(f"{_AFTER_TIME}{_BARE}"), _bare),
)
CONTINUED: tuple[Rule, ...] = (
    (re.compile(rf"(?<=月)(?P<to>{TO})(?P<month>{_MONTH})月"), _until_month),
    (re.compile(rf"(?P<to>{TO})(?P<hour>{_HOUR})點(?![半鐘零{NUMERAL_CHARS}])"), _until_hour),
)
"""The other end of a range whose first end has just been written."""
