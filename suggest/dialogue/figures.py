"""The figures of a text, so that two texts can be compared: 5, 五個 and five are the same. Pure."""

from __future__ import annotations

import re
import unicodedata

_ENGLISH = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100}
_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "兩": 2, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "萬": 10_000, "万": 10_000}
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_CHINESE = re.compile(
    r"百分之([零〇一二三四五六七八九十百兩]+)|([零〇一二三四五六七八九十百千萬兩两]+)(?=[個日天月年元蚊次小分點張部份項位成倍週周星%])"
)
_TENTHS = re.compile(r"(\d)成(?![為功人立本績員])")
_WORDS = re.compile(r"\b(" + "|".join(_ENGLISH) + r")\b", re.IGNORECASE)


def figures(text: str) -> set[str]:
    """Return every figure of a text in plain digits; a single 一 or 'one' is a word, not a figure."""
    text = _TENTHS.sub(lambda match: f"{match[1]}0%", unicodedata.normalize("NFKC", text))
    found = {match.replace(",", "").rstrip(".") for match in _NUMBER.findall(text)}
    found = {
        str(float(value)).removesuffix(".0") if "." in value else value.lstrip("0") or "0" for value in found
    }
    for percent, numeral in _CHINESE.findall(text):
        value = _value(percent or numeral)
        if value > 1:
            found.add(str(value))
    return found | {str(_ENGLISH[word.lower()]) for word in _WORDS.findall(text) if word.lower() != "one"}


def _value(numeral: str) -> int:
    """Return the value of a Chinese numeral below a hundred million; digits read one by one are joined."""
    if not any(char in _UNITS for char in numeral):
        return int("".join(str(_DIGITS[char]) for char in numeral))
    total = section = digit = 0
    for char in numeral:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif _UNITS[char] == 10_000:
            total += (section + digit) * 10_000
            section = digit = 0
        else:
            section += (digit or 1) * _UNITS[char]
            digit = 0
    return total + section + digit
