"""What is understood of the numbers in a turn: money, dates, times, counts, spoken or written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cantonese.figures import number_spans
from cantonese.numerals import DIGITS_ALOUD
from cantonese.personal.lists import any_of, table

_UNITS = table("words", "units")
_UNIT = "|".join(
    [
        "位|時(?!間)|號(?!碼)|成(?!功)",
        any_of(_UNITS["chinese"]),
        f"{any_of(_UNITS['short'])}(?![A-Za-z])",
        rf"(?:[ap]\.?\s?m\b|{any_of(_UNITS['english'])}s?(?![A-Za-z]))",
    ]
)
UNIT_BEHIND = re.compile(rf"\s?(?:{_UNIT})", re.IGNORECASE)
"""What makes a number before it a quantity."""
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)[a-z]*"
_DAY_OF_MONTH = r"\d{1,2}(?:st|nd|rd|th)?"
_MONEY = (
    r"(?:(?:HK|US|NT|AU|CA)?\$|HKD|USD|RMB|人民幣|港幣|美金|[£€¥])\s?\$?\d[\d,]{0,14}(?:\.\d{1,4})?(?:\s?[萬億千])?",
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)",
    r"(?<![\d,.])\d[\d,]{0,14}(?:\.\d{1,4})?\s?[萬億千]?\s?(?:蚊|元|塊錢|毫|dollars?|cents?|HKD)",
)
_DATES = (
    r"(?<!\d)(?:\d{4}|\d{2})\s?年(?:\s?\d{1,2}\s?月(?:\s?\d{1,2}\s?[號日]?)?)?",
    r"(?<!\d)\d{1,2}\s?月(?:\s?\d{1,2}\s?[號日]?)?",
    r"(?<!\d)\d{1,2}\s?[號日](?!碼)",
    r"(?<![\d/\-.])(?:\d{4}[/\-.]\d{1,2}[/\-.]\d{1,2}|\d{1,2}[/\-.]\d{1,2}[/\-.](?:\d{4}|\d{2}))(?![\d/\-.])",
    r"(?<![\d/])\d{1,2}/\d{1,2}(?![\d/])",
    r"(?<!\d)\d{1,2}(?:st|nd|rd|th)(?![A-Za-z])",
    rf"(?<![A-Za-z]){_MONTH}\.?\s{_DAY_OF_MONTH}(?:,?\s\d{{4}})?(?!\d)",
    rf"(?<!\d){_DAY_OF_MONTH}\s(?:of\s)?{_MONTH}(?:,?\s\d{{4}})?",
)
_TIMES = (
    r"(?<!\d)\d{1,2}[:：]\d{2}(?:[:：]\d{2})?(?!\d)",
    r"(?<!\d)\d{1,2}\s?點(?:\s?\d{1,2}\s?分?|半|鐘|正)?",
    r"(?<!\d)\d{1,2}\s?(?:[ap]\.?m\b)",
)
_AMOUNTS = (
    *_MONEY,
    r"(?<![\d.])\d{1,9}\.\d{1,9}(?![\d.]\d)",
    rf"(?<![\dA-Za-z])\d{{1,6}}\s?(?:{_UNIT})",
    r"(?<!\d)\d{1,6}\s?[%％]",
    r"[*#]\d{2,4}#",
)
_WRITTEN = re.compile(
    "|".join(
        f"(?P<{kind}>{'|'.join(patterns)})"
        for kind, patterns in {"money": _MONEY, "date": _DATES, "time": _TIMES, "amount": _AMOUNTS}.items()
    ),
    re.IGNORECASE,
)
_CLOCK_OR_RATE = re.compile(
    "(?<![零〇一二兩三四五六七八九十])(?:(?P<hour>十[一二]?|[一二兩三四五六七八九])點"
    "(?:[二三四五]?十[一二三四五六七八九]?|零[一二三四五六七八九])(?:分)?"
    "|零點[零〇一二三四五六七八九]{1,6})(?![零〇一二三四五六七八九])"
)
"""A time such as 三點四十 and a rate such as 零點零五, which nothing marks further."""
_HUNDREDS = re.compile("[百千萬億]")


@dataclass(frozen=True, slots=True)
class Known:
    """A stretch that is understood.

    Attributes:
        start: first code point.
        end: behind the last one.
        kind: date, time, amount (money, rates, counts), or words that are no number.
    """

    start: int
    end: int
    kind: str


def known_spans(text: str) -> list[Known]:
    """Return what is understood of the numbers of ``text``, in order."""
    found = list(_spoken(text))
    if "點" in text:
        found += [
            Known(match.start(), match.end(), "time" if match["hour"] else "amount")
            for match in _CLOCK_OR_RATE.finditer(text)
        ]
    if any("0" <= char <= "9" for char in text):
        for match in _WRITTEN.finditer(text):
            kind = match.lastgroup or "amount"
            found.append(Known(match.start(), match.end(), "amount" if kind == "money" else kind))
    return [_whole(text, span) for span in sorted(found, key=lambda span: span.start)]


def _spoken(text: str) -> Iterator[Known]:
    for span in number_spans(text):
        said = text[span.start : span.end]
        if span.kind == "idiom":
            if any(char not in DIGITS_ALOUD for char in said):  # 一二三 may be a code
                yield Known(span.start, span.end, "words")
        elif span.kind == "words":
            if _HUNDREDS.search(said):
                yield Known(span.start, span.end, "amount")
        elif span.kind != "code":
            yield Known(span.start, span.end, span.kind)


_DAY = re.compile(r"\s?初?[一二三四五六七八九十廿卅]{1,3}(?![個位點十百])[號日]?")
_CENTS = re.compile("[零半一二三四五六七八九]{1,2}(?:毫|個)?")


def _whole(text: str, span: Known) -> Known:
    """Return a stretch with what belongs to it: the day behind 二月, the cents behind 一蚊."""
    last = text[span.end - 1]
    pattern = _DAY if span.kind == "date" and last == "月" else _CENTS if last == "蚊" else None
    more = pattern.match(text, span.end) if pattern else None
    return Known(span.start, more.end(), span.kind) if more else span
