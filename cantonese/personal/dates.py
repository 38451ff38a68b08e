"""Dates, spoken or written, whole or in part: one of them may be a date of birth. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cantonese.numerals import digits_value, numeral_value

_N = "[0-9〇零○一二三四五六七八九十廿卅]"
_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul"
    "|Aug|Sept|Sep|Oct|Nov|Dec"
)
_ORDINAL = (
    r"(?:(?:the\s)?\d{1,2}(?:st|nd|rd|th)?|(?:the\s)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|"
    r"fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|twenty[\s-](?:first|second|third|fourth|fifth|sixth|"
    r"seventh|eighth|ninth)|thirty[\s-]first)|(?:twenty|thirty|ten|eleven|twelve|\w+teen)(?:[\s-](?:one|two|three|four|five|six|seven|eight|nine))?|one|two|three|four|five|six|seven|eight|nine)"
)
_YEAR = (
    r"(?:(?:19|20)\d{2}|['’]\d{2}|\d{2}(?!\d)|(?:nineteen|twenty|two\sthousand(?:\sand)?)(?:[\s-](?:oh|hundred|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    r"eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|one|two|three|four|five|six|seven|eight|nine)){1,2}|(?:ninety|eighty|seventy|sixty|fifty|forty)[\s-](?:one|two|three|four|five|six|seven|eight|nine))"
)
_DATE = re.compile(
    rf"民國{_N}{{1,4}}年|(?P<year>(?<![0-9,.$一二三四五六七八九])(?:{_N}{{4}}|{_N}{{2}}|[一二三四五六七八九]十[一二三四五六七八九]?|二千(?:零[一二三四五六七八九]|[一二]?十[一二三四五六七八九]?)?))\s?年(?:[\s，、]{{0,2}}(?:農曆|舊曆|陰曆)?(?P<month>{_N}{{1,3}}|正|臘|元)\s?月(?:份)?(?:[\s，、]{{0,2}}初?(?P<day>{_N}{{1,3}})(?![個位點{_N}])\s?(?:[號日])?)?|尾|頭|中)?"
    rf"|(?P<month2>{_N}{{1,3}}|正|臘)\s?月\s?初?(?P<day2>{_N}{{1,3}})(?![個位點{_N}])\s?(?:[號日])?"
    rf"|(?P<day3>{_N}{{1,3}})\s?[號日](?!碼)\s?(?P<month3>{_N}{{1,3}})\s?月(?:\s?(?P<year3>{_N}{{2,4}})\s?年?)?"
    rf"|(?<![\d/\-.])(?:\d{{4}}\s?[/\-.]\s?\d{{1,2}}\s?[/\-.]\s?\d{{1,2}}|\d{{1,2}}\s?[/\-.]\s?\d{{1,2}}\s?[/\-.]\s?(?:\d{{4}}|\d{{2}}))(?![\d/\-.])"
    rf"|(?<![A-Za-z])(?i:{_ORDINAL}\s(?:of\s)?(?:{_MONTHS})(?![a-z])(?:,?\s(?:of\s)?{_YEAR}(?![a-z]))?|{_YEAR},?\s(?:{_MONTHS})(?![a-z])(?:\s{_ORDINAL}(?![a-z]))?|(?:{_MONTHS})(?![a-z])(?:\s{_ORDINAL}(?![a-z])(?:,?\s{_YEAR}(?![a-z]))?))"
)
_PIECE = re.compile(
    rf"(?:{_N}{{4}}|{_N}{{2}})\s?年|{_N}{{1,4}}\s?(?:月|號|日)?(?!\s?年)(?:{_N}{{1,3}}\s?[號日])?|(?i:\b{_YEAR}(?![a-z])|(?:{_MONTHS})(?![a-z])|{_ORDINAL}(?![a-z]))"
)


_FIGURES = re.compile(
    r"(?P<day>\d{1,2})\s?[/\-.]\s?(?P<month>\d{1,2})\s?[/\-.]\s?(?:\d{4}|\d{2})"
    r"|\d{4}\s?[/\-.]\s?(?P<month2>\d{1,2})\s?[/\-.]\s?(?P<day2>\d{1,2})"
)
"""Day first, as it is written in Hong Kong."""
_ENGLISH = re.compile(
    rf"(?i:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?(?P<month>{_MONTHS})(?![a-z])"
    rf"|(?P<month2>{_MONTHS})\s(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d))"
)


def dates(text: str) -> Iterator[tuple[int, int]]:
    """Yield every date with a month, and every year with its word."""
    for found in _DATE.finditer(text):
        end = found.end()
        while end > found.start() and text[end - 1].isspace():
            end -= 1
        yield found.start(), end


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield parts of a date: a year, a month or a day alone."""
    for found in _PIECE.finditer(text):
        yield found.start(), found.start() + len(found.group().rstrip())


def year_of(text: str) -> int | None:
    """Return the year of a date where it is told with four digits, or with two in Chinese: 六四年 is 1964."""
    found = re.search("(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])", text)
    if found:
        return int(found.group())
    spoken = re.match("[一二][九零〇][零〇一二三四五六七八九]{2}(?=年)", text)
    if spoken:
        return int(digits_value(spoken.group()))
    short = re.match("[三四五六七八九][零〇一二三四五六七八九](?=年)", text)
    return 1900 + int(digits_value(short.group())) if short else None


def month_and_day(text: str) -> tuple[int, int] | None:
    """Return month and day of a date that :func:`dates` found; None where it has none."""
    figures = _FIGURES.fullmatch(text)
    if figures:
        return int(figures["month"] or figures["month2"]), int(figures["day"] or figures["day2"])
    english = _ENGLISH.search(text)
    if english:
        number = (
            1
            + "janfebmaraprmayjunjulaugsepoctnovdec".index(
                (english["month"] or english["month2"])[:3].lower()
            )
            // 3
        )
        return number, int(english["day"] or english["day2"])
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    month = found["month"] or found["month2"] or found["month3"]
    day = found["day"] or found["day2"] or found["day3"]
    if month is None or day is None:
        return None
    values = [_value(month), _value(day)]
    return None if values[0] is None or values[1] is None else (values[0], values[1])


def _value(numeral: str) -> int | None:
    if numeral in "正元":
        return 1
    if numeral == "臘":
        return 12
    if numeral.isdigit() and numeral.isascii():
        return int(numeral)
    value = numeral_value(numeral)
    return (
        int(digits_value(numeral))
        if value is None and all(c in "零〇一二三四五六七八九" for c in numeral)
        else value
    )
