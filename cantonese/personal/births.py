"""Dates of birth in a turn. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cantonese.personal import dates
from cantonese.personal.categories import Category, PersonalSpan
from cantonese.personal.known import UNIT_BEHIND
from cantonese.personal.reading import NOISE, Expected, Reading
from cantonese.personal.verdicts import verdicts
from cantonese.personal.words import Harmless, Trigger

_NO_BIRTH = re.compile(
    "生效|到期|有效|安裝|入職|送|覆診|預約|起|截|續|完|開始|issue|expire|expiry|due|簽賬|發|過期|出院|入住|退房|出發|航班|生日會|優惠|交|還款|過數|過戶|到港|入境"
)


def birth_dates(reading: Reading, expected: Expected) -> Iterator[PersonalSpan]:
    """Yield dates of birth and parts of them.

    Args:
        reading: of the turn.
        expected: what may come in it.
    """
    said = [word for word in reading.triggers if word.meaning is Category.DATE_OF_BIRTH]
    asked = Category.DATE_OF_BIRTH in expected.asked
    personal = bool(expected.asked) or any(isinstance(word.meaning, Category) for word in reading.triggers)
    known = said or asked or expected.birth or personal or _HAS_OLD_YEAR.search(reading.text)
    if not known or not (asked or _HAS_DATE.search(reading.text)):
        return
    only = asked and set(expected.asked) <= {Category.DATE_OF_BIRTH, Category.NAME}
    told = False
    for start, end in dates.dates(reading.text):
        if _overlaps(reading, start, end):
            continue
        day = dates.month_and_day(reading.text[start:end])
        other = _is_of_something_else(reading.text, start, end)
        told = told or other or day is not None
        if not other and (
            day in expected.birth or _is_birth(reading, expected, (start, end), said, personal=personal)
        ):
            yield PersonalSpan(start, end, Category.DATE_OF_BIRTH)
    yield from _digits(reading, expected, said, dominating=only and reading.dominated)
    short = len(NOISE.sub("", reading.text)) <= SHORTEST_SENTENCE
    free = only and not told and expected.answering and not expected.given
    if ((said or asked) and reading.corrects) or (free and short):
        yield from _pieces(reading)


_EXPIRES = re.compile(r"(?:到期日?|有效期|expir[a-z]*|exp)(?:係|至|到|is|date|[\s：:])*$", re.IGNORECASE)
_LONGEST_EXPIRY = 8


def expiries(reading: Reading, expected: Expected) -> Iterator[PersonalSpan]:
    """Yield when a card expires, where its number was said or asked for: 到期二零二八年九月.

    Args:
        reading: of the turn.
        expected: what may come in it.
    """
    named = any(trigger.meaning is Category.CARD for trigger in reading.triggers)
    recent = any(kind is Category.CARD for _value, kind in expected.recent)
    if not (named or recent or Category.CARD in expected.asked):
        return
    for start, end in dates.dates(reading.text):
        if _EXPIRES.search(reading.text, max(0, start - _LONGEST_EXPIRY), start):
            yield PersonalSpan(start, end, Category.CARD)


_HAS_OLD_YEAR = re.compile("19[1-9][0-9]|一九[一二三四五六七八九][零一二三四五六七八九]年")
_HAS_DATE = re.compile(r"[年月號日/\-.]|[A-Za-z]{3}")
_TIME_OF_DAY = re.compile("下晝|下午|朝早|上晝|上午|夜晚|晏晝|今晚|聽")
SHORTEST_SENTENCE, LONGEST_BESIDE = 12, 6
"""Characters up to which an answer is nothing but its date, whole or beside one."""


def _is_of_something_else(text: str, start: int, end: int) -> bool:
    return _NO_BIRTH.search(text[max(0, start - 8) : start] + "|" + text[end : end + 4]) is not None


def _is_birth(
    reading: Reading, expected: Expected, place: tuple[int, int], said: Sequence[Trigger], *, personal: bool
) -> bool:
    start, end = place
    if any(-1 <= start - word.end <= 16 or -1 <= word.start - end <= 6 for word in said):
        return True
    text = reading.text[start:end]
    year = dates.year_of(text)
    youngest = _YOUNGEST if personal else _OLD
    if year is not None and _OLDEST <= year <= youngest and dates.month_and_day(text):
        return True
    if Category.DATE_OF_BIRTH not in expected.asked:
        return False
    if year is not None and year > _LATEST:
        return False
    rest = NOISE.sub("", reading.text[:start] + reading.text[end:])
    return len(rest) <= LONGEST_BESIDE or (expected.answering and not expected.given)


def _digits(
    reading: Reading, expected: Expected, said: Sequence[Trigger], *, dominating: bool
) -> Iterator[PersonalSpan]:
    for run, verdict in verdicts(reading, expected):
        if isinstance(verdict, Harmless):
            continue
        beside = any(-1 <= run.start - word.end <= 4 for word in said) and len(run.digits) > 1
        if run.digits and not run.unit and not run.letters and (dominating or beside):
            yield PersonalSpan(run.start, run.end, Category.DATE_OF_BIRTH)


def _pieces(reading: Reading) -> Iterator[PersonalSpan]:
    for start, end in dates.pieces(reading.text):
        counted = UNIT_BEHIND.match(reading.text, end) or _TIME_OF_DAY.match(reading.text, end)
        if not counted and not _overlaps(reading, start, end):
            yield PersonalSpan(start, end, Category.DATE_OF_BIRTH)


def _overlaps(reading: Reading, start: int, end: int) -> bool:
    """Tell whether a stretch touches money, a time or a count."""
    return any(
        known.kind not in ("date", "words")
        and known.start < end
        and start < known.end
        and not (start <= known.start and known.end <= end)
        for known in reading.known
    )


_OLDEST, _OLD, _YOUNGEST, _LATEST = 1915, 1995, 2010, 2020
"""Years of birth of those who call; such a date beside a question for an identity is one's birth."""
