"""Passwords of words, or of words and digits, in a turn. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cantonese.personal.categories import Category, PersonalSpan
from cantonese.personal.reading import NOISE, Expected, Reading
from cantonese.personal.shapes import LEAST
from cantonese.personal.words import Harmless

_COPULA = re.compile(
    r"\s?(?:係|叫|就係|設咗做|改做|設定咗?|改|is|was|：|:|=|試下)\s?(?:我隻?\S{0,8}?，)?\s?", re.IGNORECASE
)
_STALL = re.compile("[冇等我你佢唔好咩乜點邊係喺嘅咗過先度呀吓啦囉喎嗎]|講|收到|搵|睇")


def passwords(reading: Reading, expected: Expected) -> Iterator[PersonalSpan]:
    """Yield where passwords stand.

    Args:
        reading: of the turn.
        expected: what may come in it.
    """
    text = reading.text
    for trigger in reading.triggers:
        if trigger.meaning is Category.PASSWORD:
            copula = _COPULA.match(text, trigger.end)
            if copula:
                yield from _secret(text, copula.end(), Category.PASSWORD)
            else:
                yield from _mixed(text, trigger.end)
    if _CASE.search(text) and any(kind is Category.PASSWORD for _value, kind in expected.recent):
        yield from _code_words(text, Category.PASSWORD)  # it is spelled again
    if Category.PASSWORD not in expected.asked or _speaks_of_something_else(reading, expected):
        return
    yield from repeated(text, expected, Category.PASSWORD)
    if expected.answering and not expected.agent:
        yield from _answered(reading)


def _speaks_of_something_else(reading: Reading, expected: Expected) -> bool:
    """Tell whether a turn is not about a password any more: it names a thing, or one was given before."""
    if any(trigger.meaning in (Harmless.ARTICLE, Harmless.ORDER) for trigger in reading.triggers):
        return True
    if not expected.given:
        return False
    beside = NOISE.sub("", _WORDS_AND_DIGITS.sub("", reading.text))
    digits = sum(len(run.digits) for run in reading.runs)
    no_code = digits < LEAST - 1 and not re.search("[A-Za-z]{2,}", reading.text)
    return len(beside) > LONGEST_BESIDE or no_code


def _answered(reading: Reading) -> Iterator[PersonalSpan]:
    """Yield the password in an answer: words and digits, or words alone where it is short."""
    text = reading.text
    rest = NOISE.sub("", text)
    short = not _STALL.search(rest)
    if any(run.digits for run in reading.runs) or re.search("[A-Za-z]{2,}", text):
        yield from _code_words(text, Category.PASSWORD)
        whole = any(len(run.digits) >= LEAST for run in reading.runs)
        if short and not whole and len(rest) <= LONGEST_MIXED:
            yield _all_but_noise(text)
    elif short and 1 <= len(rest) <= LONGEST_WORDS:
        yield _all_but_noise(text)


LONGEST_MIXED, LONGEST_WORDS = 12, 8
"""Characters of an answer that is a password as a whole: with digits or Latin letters, and without."""
LONGEST_PHRASE = 5
"""Latin words from which a stretch is a sentence."""
LONGEST_BESIDE = 8
"""Characters beside Latin letters and digits up to which a turn may give another password."""


def _all_but_noise(text: str) -> PersonalSpan:
    leading = re.match(rf"(?:{NOISE.pattern})*", text, re.IGNORECASE)
    start = leading.end() if leading else 0
    return PersonalSpan(start, len(text.rstrip("，。？！, .?!呀啊啦喇")), Category.PASSWORD)


def repeated(text: str, expected: Expected, category: Category) -> Iterator[PersonalSpan]:
    """Yield what repeats a password or an e-mail address in other groups of letters and digits."""
    values = [value.lower() for value, told in expected.recent if told is category]
    for value in values:
        at = text.find(value) if len(value) >= 2 and not value.isascii() else -1
        if at >= 0:
            yield PersonalSpan(at, at + len(value), category)
    for found in _WORDS_AND_DIGITS.finditer(text):
        plain = "".join(char for char in found.group().lower() if char.isalnum())
        if len(plain) >= 3 and any(
            plain in value or (len(value) >= 6 and value in plain) for value in values
        ):
            yield PersonalSpan(found.start(), found.start() + len(found.group().rstrip()), category)


_WORDS_AND_DIGITS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|\s(?=[A-Za-z0-9]))*")


_MIXED = re.compile(
    r"(?=[A-Za-z ]{0,24}[0-9零〇○洞一幺二三四五六七八九孖])[A-Za-z]{2,}\s?"
    r"[A-Za-z0-9零〇○洞一幺二三四五六七八九孖]{2,}"
)


def _mixed(text: str, start: int) -> Iterator[PersonalSpan]:
    """Yield a word with digits behind "password": 密碼要唔要改，而家係 lucky 八八八."""
    for found in _MIXED.finditer(text, start):
        if found.group().split()[0].lower() not in _SMALL:
            yield PersonalSpan(found.start(), found.end(), Category.PASSWORD)


_CODE = re.compile(
    r"(?:[A-Za-z]+|[0-9零〇○洞一幺二兩三四五六七八九孖]|大楷|細楷|大寫|小寫|大細[階楷]|再?加|感嘆號|井字|星號|問號|底線|減號|符號"
    r"|[!@#$%&*_\-]|\s)+"
)
_CASE = re.compile("大楷|細楷|大寫|小寫|大細[階楷]|lower ?case|upper ?case", re.IGNORECASE)


def _secret(text: str, start: int, category: Category) -> Iterator[PersonalSpan]:
    """Yield what stands behind "the password is", up to the end of the clause."""
    found = _CODE.match(text, start)
    if found:
        end = start + len(found.group().rstrip())
        if end - start >= 2:
            yield PersonalSpan(start, end, category)


def _code_words(text: str, category: Category) -> Iterator[PersonalSpan]:
    talk = len(re.findall("[A-Za-z]+", text)) > LONGEST_PHRASE
    for found in _CODE.finditer(text):
        said = found.group().strip()
        words = said.split()
        sentence = len(words) > LONGEST_PHRASE or (talk and not any(char.isdigit() for char in said))
        if (
            not sentence
            and sum(char.isalnum() for char in said) >= 2
            and not all(word.lower() in _SMALL for word in words)
        ):
            start = found.start() + len(found.group()) - len(found.group().lstrip())
            yield PersonalSpan(start, start + len(said), category)


_SMALL = frozenset(
    [
        "it",
        "is",
        "set",
        "it's",
        "ok",
        "okay",
        "yes",
        "no",
        "sorry",
        "the",
        "my",
        "password",
        "pin",
        "code",
        "sure",
        "um",
        "uh",
        "a",
        "and",
        "all",
        "in",
        "lower",
        "upper",
        "case",
        "please",
        "wifi",
        "app",
    ]
)
