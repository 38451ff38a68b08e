"""Spoken Cantonese numbers into figures: digit strings, money, dates, times, addresses, percentages.

Small counts stay words (等咗三次, 兩個), as do idioms and vague amounts (十幾日, 萬一, 十分好). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cantonese.numerals import DIGIT_CHARS, DIGIT_VALUES, NUMERAL_CHARS, digits_value, numeral_value

_D = DIGIT_CHARS
_N = f"[{NUMERAL_CHARS}]+"
_COUNT = "[日年月樓座室號個期歲度折次間件隻條部張對套盒蚊元位分里班頁級倍]"
_QUARTER = {"一": 5, "二": 10, "兩": 10, "三": 15, "四": 20, "五": 25, "六": 30, "七": 35, "八": 40, "九": 45}
_IDIOMS = re.compile(
    r"(萬一|千萬(?![元蚊])|十分(?!鐘|之)|百分百|一千零一夜|九成九|一五一十|十足|百般|萬分|七零八落|亂七八糟|三三兩兩)"
)


def _number(text: str) -> str | None:
    """Return a numeral or a digit string as figures, or None."""
    if all(char in DIGIT_VALUES for char in text) and len(text) > 1:
        return digits_value(text)
    value = numeral_value(text)
    return None if value is None else str(value)


def _substitute(pattern: str, build: Callable[[re.Match[str]], str | None], text: str) -> str:
    return re.sub(pattern, lambda match: build(match) or match.group(), text)


def _money(match: re.Match[str]) -> str | None:
    value = numeral_value(match["n"])
    if value is None or (value < 10 and match["unit"] == "元"):
        return None
    return f"${value:,}" + (".5" if match["half"] else "")


def _date(match: re.Match[str]) -> str | None:
    parts = [_number(match[name]) for name in ("month", "day")]
    return None if None in parts else f"{parts[0]}月{parts[1]}{match['mark']}"


def _clock(match: re.Match[str]) -> str | None:
    hour, rest = numeral_value(match["hour"]), match["rest"]
    if hour is None or hour > 24:
        return None
    if rest in {"", "鐘"}:
        return f"{hour}點{rest}"
    if rest == "半":
        return f"{hour}:30"
    if rest.endswith("個字") or rest in _QUARTER:
        minutes = _QUARTER.get(rest[0])
    else:
        minutes = numeral_value(rest.removesuffix("分"))
    return None if minutes is None or minutes > 59 else f"{hour}:{minutes:02d}"


def _percent(match: re.Match[str]) -> str | None:
    whole = _number(match["n"])
    fraction = f".{digits_value(match['fraction'])}" if match["fraction"] else ""
    return None if whole is None else f"{whole}{fraction}%"


def _counted(match: re.Match[str]) -> str | None:
    value = numeral_value(match["n"])
    return None if value is None or value < 10 else f"{value}{match['unit']}"


def _placed(match: re.Match[str]) -> str | None:
    value = _number(match["n"])
    return None if value is None else f"{value}{match['unit']}"


_TIME_WORDS = (
    "朝早",
    "上晝",
    "下晝",
    "夜晚",
    "下午",
    "上午",
    "晏晝",
    "今晚",
    "聽朝",
    "聽晚",
    "今朝",
    "凌晨",
    "中午",
)
_AFTER_TIME = f"(?<=(?:{'|'.join(_TIME_WORDS)}))"  # all of two characters, as a look-behind must be
_NOT_VAGUE = "(?![幾多零來])"
_BEFORE = f"(?<![{_D}兩十百千萬億幾數第])"
_HOUR = "(?P<hour>十[一二]?|[一二兩三四五六七八九])點"
_FIVES = "[一二兩三四五六七八九]個字"
_NUMERAL = f"[{_D}兩十百千萬億廿卅]*[十百千萬億廿卅][{_D}兩十百千萬億廿卅]*"


def _identity(match: re.Match[str]) -> str:
    check = match[3] if match[3] == "A" else digits_value(match[3])
    return f" {match[1]}{digits_value(match[2])}({check})"


def _halves(match: re.Match[str]) -> str:
    return f"{digits_value(match[1])} {digits_value(match[2])}"


# In this order: what a rule has made into figures, the next ones no longer see.
_RULES: tuple[tuple[str, Callable[[re.Match[str]], str | None]], ...] = (
    (rf" ([A-Z]) ?([{_D}]{{6}})，?括號 ?([{_D}A])(?:括號)?", _identity),
    (rf"{_BEFORE}([{_D}]{{4}})，([{_D}]{{4}})(?![{_D}十百千萬])", _halves),
    (rf"{_BEFORE}(?P<year>[{_D}]{{4}})年", lambda m: digits_value(m["year"]) + "年"),
    (rf"{_BEFORE}(?P<month>十[一二]?|[一二三四五六七八九])月(?P<day>{_N})(?P<mark>[號日])", _date),
    (rf"百分之(?P<n>{_N})(?:點(?P<fraction>[{_D}]+))?", _percent),
    (rf"(?:港幣)?{_BEFORE}(?P<n>{_N})(?P<unit>蚊|元)(?P<half>半)?{_NOT_VAGUE}", _money),
    (rf"{_BEFORE}{_HOUR}(?P<rest>半|鐘|{_N}分(?!鐘)|{_FIVES})", _clock),
    (rf"{_AFTER_TIME}{_HOUR}(?P<rest>(?:{_N})?)", _clock),
    (rf"{_BEFORE}([{_D}]{{3,}})(?![十百千萬])", lambda m: digits_value(m[1])),
    (rf"{_BEFORE}(?P<n>{_N})(?P<unit>號|座|樓|室|期)(?!碼)", _placed),
    (rf"{_BEFORE}(?P<n>{_NUMERAL})(?P<unit>{_COUNT}|分鐘|(?= [A-Z]))", _counted),
)


def with_figures(text: str) -> str:
    """Return verbatim ``text`` with spoken numbers as figures."""
    pieces = _IDIOMS.split(text)
    return "".join(piece if index % 2 else _convert(piece) for index, piece in enumerate(pieces))


def _convert(text: str) -> str:
    for pattern, build in _RULES:
        text = _substitute(pattern, build, text)
    return text
