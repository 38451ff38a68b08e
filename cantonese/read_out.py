"""Figures in transcripts, read out as a Cantonese speaker would: what the recogniser is trained to write.

The inverse of :mod:`cantonese.figures`, on the forms that transcribers use. What can be read in two ways is
read as a number when a unit follows, and digit by digit otherwise.
"""

from __future__ import annotations

import re

from cantonese.numerals import DIGITS, spoken_numeral

_READ = str.maketrans("0123456789", DIGITS)
_MEASURES = "蚊元日月年號樓室座個次分鐘小時歲折件張部條度點期倍里班頁級位間隻磅斤公升萬億千百"


def _digits(text: str) -> str:
    return text.translate(_READ)


def _number(text: str) -> str:
    plain = text.replace(",", "")
    whole, dot, fraction = plain.partition(".")
    if len(whole) > 8 or (len(whole) > 1 and whole.startswith("0")):
        return _digits(plain.replace(".", "點"))
    return spoken_numeral(int(whole)) + ("點" + _digits(fraction) if dot else "")


def _money(match: re.Match[str]) -> str:
    return _number(match[1]) + "蚊"


def _clock(match: re.Match[str]) -> str:
    minutes = int(match[2])
    hour = "兩" if int(match[1]) == 2 else spoken_numeral(int(match[1]))
    if minutes == 0:
        return hour + "點"
    return hour + (
        "點半" if minutes == 30 else f"點{'零' if minutes < 10 else ''}{spoken_numeral(minutes)}分"
    )


def _identity(match: re.Match[str]) -> str:
    check = match[3].upper() if match[3].isalpha() else _digits(match[3])
    return f" {match[1].upper()} {_digits(match[2])}，括號{check}"


_RULES = (
    (re.compile(r"\b([A-Za-z])(\d{6})\(([0-9Aa])\)"), _identity),
    (re.compile(r"(?:HKD|HK\$|\$)\s?(\d[\d,]*(?:\.\d+)?)(?:蚊|元)?", re.IGNORECASE), _money),
    (re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?!\d)"), _clock),
    (re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?[%％]"), lambda match: "百分之" + _number(match[1])),
    (re.compile(r"((?:19|20)\d\d)(?=年)"), lambda match: _digits(match[1])),
    (
        re.compile(rf"(\d[\d,]*\.\d+|\d{{1,3}}(?:,\d{{3}})+|\d{{1,8}}(?=\s?[{_MEASURES}]))"),
        lambda m: _number(m[1]),
    ),
    (re.compile(r"(?<!\d)([1-9]\d?)(?!\d)"), lambda match: spoken_numeral(int(match[1]))),
    (re.compile(r"\d+"), lambda match: _digits(match[0])),
)


def read_out(text: str) -> str:
    """Return ``text`` with every figure as the characters that are said."""
    for pattern, build in _RULES:
        text = pattern.sub(build, text)
    return text
