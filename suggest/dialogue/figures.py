"""The figures of a text, so that two texts can be compared: 5, 五個 and five are the same. Pure."""

from __future__ import annotations

import re
import unicodedata

_SMALL = (
    *(
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
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH = (
    {word: value for value, word in enumerate(_SMALL)}
    | {word: 10 * value for value, word in enumerate(_TENS, 2)}
    | {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "half": 50, "dozen": 12}
)
_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "兩": 2, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "萬": 10_000, "万": 10_000}
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_NUMERALS = "零〇一二三四五六七八九十百千萬万兩两"
_CHINESE = re.compile(f"([{_NUMERALS}]+)")
# Words that only look like figures.
_WORDS_ZH = re.compile(
    "百分之|一[^個月年天日時號月點百千萬十]|[統唯專單同逐第]一|萬一|千萬(?![元港])|十分(?!鐘)|三[思番]|兩[者用]|百般|[星禮]期[一二三四五六日]"
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
    for numeral in _CHINESE.findall(_WORDS_ZH.sub("，", text)):
        value = _value(numeral)
        if value > 1:
            found.add(str(value))
    found |= {"50"} if "半價" in text else set()
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
