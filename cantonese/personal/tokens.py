"""Digits and letters as they are spoken or written: 九, 孖三, 三條七, double nine, A for Apple. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cantonese.numerals import DIGITS_ALOUD, numeral_value
from cantonese.personal.lists import words

_ENGLISH = {word: str(value) for value, word in enumerate(words("words", "speech", "digits"))}
_ENGLISH |= {"oh": "0", "nought": "0", "niner": "9"}
_TEENS = {word: str(value) for value, word in enumerate(words("words", "speech", "teens"), 10)}
_TENS = {word: str(value) for value, word in enumerate(words("words", "speech", "tens"), 2)}
_TIMES = {"孖": 2, "條": 2, "兩": 2, "三": 3, "四": 4, "double": 2, "triple": 3, "treble": 3, "雙": 2}
_CHARS = {char: str(value) for char, value in DIGITS_ALOUD.items()}
ONE = r"[0-9零〇○洞一幺二三四五六七八九]"
"""A digit."""
_WORD_DIGIT = "|".join(sorted(_ENGLISH, key=len, reverse=True))
_NOT_LETTERS = frozenset(words("words", "speech", "not_letters"))
LONGEST_LETTERS = 4
PARTICLES = (
    "呀啊啦喇㗎先囉喎嗰嘅嘛咩吖孖雙條括槓字尾跟之然再即係最嗯呃誒欸哦就仲同大細小減橫入底啱得嗎唔定叉啩俾"
)
"""What may stand behind a digit that is said alone."""
_TOKEN = re.compile(
    rf"""
      (?P<repeat>(?:孖|雙|(?:double|triple|treble)[\s-])\s?(?P<repeated>{ONE}|(?:{_WORD_DIGIT})\b|o\b))
    | (?P<several>(?:[兩三四](?:條|個)|條)(?P<one>{ONE}))
    | (?P<tens>(?:{"|".join(_TENS)})(?:[\s-](?:{_WORD_DIGIT})\b)?|(?:{"|".join(_TEENS)})\b)
    | (?P<english>(?:{_WORD_DIGIT})(?![a-z]))
    | (?P<pair>[二三四五六七八九]?十[一二三四五六七八九]?|[廿卅卌][一二三四五六七八九]?)
    | (?P<digit>{ONE}|兩)
    | (?P<spelled>(?P<initial>[A-Za-z])
        (?:,?\s(?:for|as\sin)\s[A-Za-z]+(?:-[A-Za-z]+)?|\s?字頭(?:嘅)?|\s?字\s?[A-Za-z]+)
        |[A-Za-z]+\s?嘅\s?(?P<behind>[A-Za-z])(?![A-Za-z]))
    | (?P<cross>叉)
    | (?P<latin>[A-Za-z]+(?:'[A-Za-z]+)?)
    """,
    re.VERBOSE | re.IGNORECASE,
)
BEGINS = re.compile(rf"(?:{ONE}|[孖雙兩條十廿卅卌叉A-Za-z])")
"""Characters that a token may begin with."""
Kind = Literal["digits", "pair", "letters"]


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a number.

    Attributes:
        start: first code point.
        end: behind the last one.
        value: digits, or letters in capitals.
        kind: digits; a word for a number of two digits; or letters.
    """

    start: int
    end: int
    value: str
    kind: Kind


def token_at(text: str, position: int, *, within: bool) -> tuple[Token | None, int]:
    """Return the token that begins at a position, None if it is part of no number; and where it ends.

    Args:
        text: of the turn.
        position: where.
        within: whether digits or letters of a number stand before it.
    """
    match = _TOKEN.match(text, position)
    if match is None:
        return None, position + 1
    name = next(name for name in _READERS if match[name])
    read = _READERS[name](match, within)
    return (Token(match.start(), match.end(), *read) if read else None), match.end()


_Read = tuple[str, Kind] | None


def _repeat(match: re.Match[str], _within: bool) -> _Read:
    said = match.group()
    word = re.split(r"[\s-]", said)[0].lower() if said[0].isascii() else said[0]
    return _digit(match["repeated"]) * _TIMES[word], "digits"


def _several(match: re.Match[str], within: bool) -> _Read:
    """Return 三條七 and 兩個零 as digits; 三個七 that nothing goes on with may count something."""
    ends = re.compile(rf"{ONE}|[\s，。,.]|$").match(match.string, match.end())
    return (_digit(match["one"]) * _TIMES[match.group()[0]], "digits") if within or ends else None


def _tens(match: re.Match[str], _within: bool) -> _Read:
    first, _, second = match.group().lower().replace("-", " ").partition(" ")
    return _TEENS.get(first) or _TENS[first] + (_ENGLISH[second] if second else "0"), "pair"


def _pair(match: re.Match[str], _within: bool) -> _Read:
    value = numeral_value(match.group())
    return None if value is None else (f"{value:02d}", "pair")


def _one_digit(match: re.Match[str], within: bool) -> _Read:
    said = match.group()
    if not within and (said == "兩" or (not said.isascii() and _stands_in_a_word(match))):
        return None
    return _digit(said), "digits"


def _cross(_match: re.Match[str], within: bool) -> _Read:
    return ("X", "letters") if within else None


def _spelled(match: re.Match[str], _within: bool) -> _Read:
    return (match["initial"] or match["behind"]).upper(), "letters"


def _latin(match: re.Match[str], within: bool) -> _Read:
    said, following = match.group(), match.string[match.end() : match.end() + 2]
    if len(said) > 1:
        joined = len(said) == 2 and re.match(rf"\s?{ONE}", following) is not None
        letters = said.isupper() and len(said) <= LONGEST_LETTERS and (joined or said not in _NOT_LETTERS)
        return (said, "letters") if letters else None
    if said.lower() == "o" and within:
        return "0", "digits"
    pronoun = said == "I" and following[:1] in "'’ " and following[1:2].islower()
    return None if pronoun or said in "ai" else (said.upper(), "letters")


def _digit(word: str) -> str:
    lowered = word.lower()
    return _ENGLISH.get(lowered) or ("0" if lowered == "o" else _CHARS.get(word, word))


def _stands_in_a_word(match: re.Match[str]) -> bool:
    """Tell whether a first digit is part of a word: 八達通, 九龍, 一陣."""
    following = match.string[match.end() : match.end() + 1]
    if not "\u4e00" <= following <= "\u9fff":
        return False
    return following not in PARTICLES + "十廿卅乜唔係" and re.match(ONE, following) is None


_READERS: dict[str, Callable[[re.Match[str], bool], _Read]] = {
    "repeat": _repeat,
    "several": _several,
    "tens": _tens,
    "english": _one_digit,
    "pair": _pair,
    "digit": _one_digit,
    "spelled": _spelled,
    "cross": _cross,
    "latin": _latin,
}
