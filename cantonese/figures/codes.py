"""Numbers that are read out digit by digit: telephones, cards, identity cards, rooms, codes. Pure."""

from __future__ import annotations

import re

from cantonese.figures.grammar import D, Rule
from cantonese.numerals import NUMERAL_CHARS, digits_value

_ONE = f"(?:孖[{D}]|三條[{D}]|[{D}兩幺洞])"
_STRING = f"{_ONE}+"
_ENDS = f"(?![{D}兩幺洞十百千萬億廿卅卌點孖幺成]|分之|蚊|元|折|個字|[年月](?![份尾頭]))"
_STARTS = f"(?<![{NUMERAL_CHARS}幾孖幺點第])(?<![，。？！有近逾達]數)(?<!^數)"
_INTRODUCED = "(?:尾數|頭數|號碼|電話|密碼|編號|[係打按轉號碼線房位機])$"
_DOUBLED = re.compile(f"孖([{D}])|三條([{D}])")
_LONG = 4
"""Digits from which a string is one whatever stands before it; three are only if they are plain."""


def _plain(spoken: str) -> str:
    """Return a string with 孖 (twice) and 三條 (three times) spelled out."""
    return _DOUBLED.sub(lambda m: m[1] * 2 if m[1] else m[2] * 3, spoken)


def _identity(match: re.Match[str]) -> str:
    check = match["check"] if match["check"] == "A" else digits_value(match["check"])
    return f"{match['letter']}{digits_value(match['digits'])}({check})"


def _lettered(match: re.Match[str]) -> str:
    return digits_value(match["digits"])


def _digit_string(match: re.Match[str]) -> str | None:
    """Return groups of digits; two groups or more with a space between them."""
    groups = [_plain(spoken) for spoken in re.split("[， ]", match.group())]
    if len(groups) == 1 and not _is_code(match, groups[0]):
        return None
    if len(groups) > 1 and not all(len(spoken) >= 2 for spoken in groups):
        return None
    return " ".join(digits_value(spoken) for spoken in groups)


def _is_code(match: re.Match[str], digits: str) -> bool:
    """Tell whether one group is read digit by digit: long, plain, or introduced as a number."""
    if len(digits) >= _LONG:
        return True
    spoken = match.group()
    if "兩" in spoken:
        return False
    if spoken != digits or any(char in "幺洞" for char in spoken):
        return len(digits) > 1 and re.search(_INTRODUCED, match.string[: match.start()]) is not None
    return len(digits) >= 3


RULES: tuple[Rule, ...] = (
    (
        re.compile(
            rf"(?<![A-Za-z])(?P<letter>[A-Z]) ?(?P<digits>[{D}]{{6}})，?括號 ?(?P<check>[{D}A])(?:括號)?"
        ),
        _identity,
    ),
    (re.compile(rf"(?<=[A-Z] )(?P<digits>[{D}]{{2,}})(?![十百千萬億廿卅點])"), _lettered),
    (
        re.compile(rf"{_STARTS}{_STRING}{_ENDS}(?:[， ](?:{_ONE}){{2,}}{_ENDS}(?![日個次位人]))*"),
        _digit_string,
    ),
)
