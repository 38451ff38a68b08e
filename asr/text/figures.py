"""Spoken Cantonese numbers into figures: digit strings, money, dates, times, addresses, percentages.

Small counts stay words (等咗三次, 兩個), as do idioms and vague amounts (十幾日, 萬一, 十分好). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_DIGIT = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "兩": 2}
_UNIT = {"十": 10, "百": 100, "千": 1000}
_D = "零〇○一二三四五六七八九"
_N = f"[{_D}兩十百千萬億廿卅]+"
_COUNT = "[日年月樓座室號個期歲度折次間件隻條部張對套盒蚊元位分里班頁級倍]"
_QUARTER = {"一": 5, "二": 10, "兩": 10, "三": 15, "四": 20, "五": 25, "六": 30, "七": 35, "八": 40, "九": 45}
_IDIOMS = re.compile(
    r"(萬一|千萬(?![元蚊])|十分(?!鐘|之)|百分百|一千零一夜|九成九|一五一十|十足|百般|萬分|七零八落|亂七八糟|三三兩兩)"
)


def integer(numeral: str) -> int | None:
    """Return the value of a Chinese numeral, or None if it is not a well-formed one.

    Args:
        numeral: such as 一萬二千, 廿三, 三百零五, 兩千五 (2,500), without digits read one by one.
    """
    text = numeral.replace("廿", "二十").replace("卅", "三十")
    total = 0
    for mark, factor in (("億", 100_000_000), ("萬", 10_000)):
        if mark in text:
            high, _, text = text.partition(mark)
            value = _below_myriad(high)
            if value is None or any(unit in text for unit in ("億",)):
                return None
            total += value * factor
            if len(text) == 1 and text in _DIGIT and text != "零":  # 兩萬五 is 25,000
                return total + _DIGIT[text] * factor // 10
    rest = _below_myriad(text) if text else 0
    return None if rest is None else total + rest


def _below_myriad(text: str) -> int | None:
    total, digit, last_unit, zero = 0, None, 10_000, False
    for char in text:
        if char in _DIGIT:
            if digit is not None:
                return None
            zero, digit = (True, None) if _DIGIT[char] == 0 else (zero, _DIGIT[char])
            continue
        unit = _UNIT.get(char)
        if unit is None or unit >= last_unit or (digit is None and not (unit == 10 and total == 0)):
            return None
        total, digit, last_unit, zero = total + (digit or 1) * unit, None, unit, False
    if digit is None:
        return total
    # 三百五 is 350, but 三百零五 is 305, and 五 alone is 5.
    return total + digit * (last_unit // 10 if 100 <= last_unit < 10_000 and not zero else 1)


def digits(text: str) -> str:
    """Return digits read one by one as figures."""
    return "".join(str(_DIGIT[char]) for char in text)


def _number(text: str) -> str | None:
    """Return a numeral or a digit string as figures, or None."""
    if all(char in _DIGIT for char in text) and len(text) > 1:
        return digits(text)
    value = integer(text)
    return None if value is None else str(value)


def _substitute(pattern: str, build: Callable[[re.Match[str]], str | None], text: str) -> str:
    return re.sub(pattern, lambda match: build(match) or match.group(), text)


def _money(match: re.Match[str]) -> str | None:
    value = integer(match["n"])
    if value is None or (value < 10 and match["unit"] == "元"):
        return None
    return f"${value:,}" + (".5" if match["half"] else "")


def _date(match: re.Match[str]) -> str | None:
    parts = [_number(match[name]) for name in ("month", "day")]
    return None if None in parts else f"{parts[0]}月{parts[1]}{match['mark']}"


def _clock(match: re.Match[str]) -> str | None:
    hour, rest = integer(match["hour"]), match["rest"]
    if hour is None or hour > 24:
        return None
    if rest in {"", "鐘"}:
        return f"{hour}點{rest}"
    if rest == "半":
        return f"{hour}:30"
    if rest.endswith("個字") or rest in _QUARTER:
        minutes = _QUARTER.get(rest[0])
    else:
        minutes = integer(rest.removesuffix("分"))
    return None if minutes is None or minutes > 59 else f"{hour}:{minutes:02d}"


def _percent(match: re.Match[str]) -> str | None:
    whole = _number(match["n"])
    fraction = f".{digits(match['fraction'])}" if match["fraction"] else ""
    return None if whole is None else f"{whole}{fraction}%"


def _counted(match: re.Match[str]) -> str | None:
    value = integer(match["n"])
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
    check = match[3] if match[3] == "A" else digits(match[3])
    return f" {match[1]}{digits(match[2])}({check})"


# In this order: what a rule has made into figures, the next ones no longer see.
_RULES: tuple[tuple[str, Callable[[re.Match[str]], str | None]], ...] = (
    (rf" ([A-Z]) ?([{_D}]{{6}})，?括號 ?([{_D}A])(?:括號)?", _identity),
    (rf"{_BEFORE}([{_D}]{{4}})，([{_D}]{{4}})(?![{_D}十百千萬])", lambda m: f"{digits(m[1])} {digits(m[2])}"),
    (rf"{_BEFORE}(?P<year>[{_D}]{{4}})年", lambda m: digits(m["year"]) + "年"),
    (rf"{_BEFORE}(?P<month>十[一二]?|[一二三四五六七八九])月(?P<day>{_N})(?P<mark>[號日])", _date),
    (rf"百分之(?P<n>{_N})(?:點(?P<fraction>[{_D}]+))?", _percent),
    (rf"(?:港幣)?{_BEFORE}(?P<n>{_N})(?P<unit>蚊|元)(?P<half>半)?{_NOT_VAGUE}", _money),
    (rf"{_BEFORE}{_HOUR}(?P<rest>半|鐘|{_N}分(?!鐘)|{_FIVES})", _clock),
    (rf"{_AFTER_TIME}{_HOUR}(?P<rest>(?:{_N})?)", _clock),
    (rf"{_BEFORE}([{_D}]{{3,}})(?![十百千萬])", lambda m: digits(m[1])),
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
