"""Figures in transcripts, read out as a Cantonese speaker would: what the recogniser is trained to write.

The inverse of :mod:`cantonese.figures`, on the forms that transcribers use. What can be read in two ways is
read as a number when a unit follows, and digit by digit otherwise. Pure.
"""

from __future__ import annotations

import re

from cantonese.numerals import DIGITS, counting_numeral, spoken_numeral

_READ = str.maketrans("0123456789", DIGITS)
_COUNTED = "個張條部間位件隻次份款樣種對套盒日年天歲倍杯樽支包箱場班人名粒蚊元塊碗度寸呎尺磅斤"
"""Units of which two are 兩."""
_MEASURES = f"{_COUNTED}月號樓室座分鐘小時折期里頁級公升秒米厘"
_UNITS = "GB|MB|TB|KB|Mbps|Gbps|mAh|kWh|kg|km|cm|mm|ml|mg|[GMKVW]"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CURRENCIES = {"US": "美金", "RMB": "人民幣", "EUR": "歐元"}


def _digits(text: str) -> str:
    return text.translate(_READ)


def _number(text: str) -> str:
    plain = text.replace(",", "")
    whole, dot, fraction = plain.partition(".")
    if len(whole) > 8 or (len(whole) > 1 and whole.startswith("0")):
        return _digits(plain.replace(".", "點"))
    return spoken_numeral(int(whole)) + ("點" + _digits(fraction) if dot else "")


def _count(text: str) -> str:
    return counting_numeral(int(text)) if text == "2" else _number(text)


def _money(match: re.Match[str]) -> str:
    currency = _CURRENCIES.get((match["currency"] or "").upper(), "")
    amount = match["amount"].replace(",", "")
    if re.fullmatch(r"0\.[1-9]0?", amount) and not match["myriads"]:
        return f"{currency}{DIGITS[int(amount[2])]}毫"
    if re.fullmatch(r"\d+\.\d0", amount):
        amount = amount[:-1]
    return f"{currency}{_count(amount)}{match['myriads'] or ''}蚊"


def _clock(match: re.Match[str]) -> str:
    minutes = int(match[2])
    hour = counting_numeral(int(match[1]))
    if minutes == 0:
        return hour + "點"
    return hour + (
        "點半" if minutes == 30 else f"點{'零' if minutes < 10 else ''}{spoken_numeral(minutes)}分"
    )


def _identity(match: re.Match[str]) -> str:
    check = f" {match[3].upper()}" if match[3].isalpha() else _digits(match[3])
    return f" {match[1].upper()} {_digits(match[2])}，括號{check}"


def _range(match: re.Match[str]) -> str:
    low, high = (_number(match[name]) for name in ("low", "high"))
    return f"{'兩' if low == '二' else low}至{high}"


_RULES = (
    (re.compile(r"\b([A-Za-z]{1,2})(\d{6})\(([0-9Aa])\)"), _identity),
    (re.compile(r"\+?\b(852)[ -](\d{4}) ?(\d{4})\b"), lambda m: _digits("，".join(m.groups()))),
    (
        re.compile(
            rf"(?P<currency>US|RMB|EUR|HK)?(?:D\s?|\$\s?)(?P<amount>{_NUMBER})(?P<myriads>[萬億])?(?:蚊|元)?",
            re.IGNORECASE,
        ),
        _money,
    ),
    (re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?!\d)"), _clock),
    (re.compile(rf"({_NUMBER})\s?[%％]"), lambda match: "百分之" + _number(match[1])),
    (re.compile(r"((?:19|20)\d\d|(?<!\d)[089]\d)(?=年(?!代))"), lambda match: _digits(match[1])),
    (re.compile(r"(?<!\d)([1-9][1-9])(?=折)"), lambda match: _digits(match[1])),
    (re.compile(r"(?<!\d)(\d{3,4})(?=[室房])"), lambda match: _digits(match[1])),
    (re.compile(r"(?<![\d/])(\d\d?)/(\d\d?)(?![\d/])"), lambda m: f"{_number(m[2])}分之{_number(m[1])}"),
    (
        re.compile(rf"(?<![\d-])(?P<low>\d{{1,3}})\s?[-–~～至到]\s?(?P<high>\d{{1,3}})(?=\s?[{_MEASURES}])"),
        _range,
    ),
    (re.compile(rf"(?<![\w-])[-−](?={_NUMBER})"), lambda _match: "負"),
    (re.compile(rf"(?<![\d.月])(2)(?=[{_COUNTED}])"), lambda match: _count(match[1])),
    (
        re.compile(rf"({_NUMBER})\s?({_UNITS})(?![A-Za-z0-9])"),
        lambda match: f"{_number(match[1])} {match[2]}",
    ),
    (
        re.compile(rf"(\d[\d,]*\.\d+|\d{{1,3}}(?:,\d{{3}})+|\d{{1,8}}(?=\s?[{_MEASURES}萬億千百]))"),
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
