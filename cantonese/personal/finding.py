"""Personal data in one turn, given what was asked for and said before. Pure, and without memory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cantonese.personal.addresses import IS_PUBLIC, addresses
from cantonese.personal.beside import owners, related
from cantonese.personal.births import birth_dates, expiries
from cantonese.personal.categories import SECRETS, Category, PersonalSpan
from cantonese.personal.emails import emails, spelled_parts
from cantonese.personal.garbled import garbled
from cantonese.personal.names import asked_names, full_names, introduced, names, with_surname
from cantonese.personal.passwords import passwords, repeated
from cantonese.personal.reading import NOTHING, Expected, Reading
from cantonese.personal.verdicts import LONGEST, verdicts
from cantonese.personal.words import Harmless


def find(reading: Reading, expected: Expected = NOTHING) -> list[PersonalSpan]:
    """Return the personal data of a turn: in order, not overlapping.

    Args:
        reading: of the turn.
        expected: what may come in it.
    """
    if len(reading.text) > LONGEST:
        return _crude(reading.text)
    found = [
        PersonalSpan(run.start, run.end, verdict)
        for run, verdict in verdicts(reading, expected)
        if isinstance(verdict, Category)
    ]
    found = [
        *(_whole(reading.text, span) for span in found),
        *birth_dates(reading, expected),
        *passwords(reading, expected),
        *garbled(reading, expected),
        *expiries(reading, expected),
        *(PersonalSpan(start, end, Category.EMAIL) for start, end in _emails(reading, expected)),
    ]
    found += [
        *(PersonalSpan(start, end, Category.NAME) for start, end in _names(reading, expected, found)),
        *(PersonalSpan(start, end, Category.ADDRESS) for start, end in _addresses(reading, expected)),
    ]
    return merged(found)


_COUNTRY = re.compile(r"(?:\bplus|加|\+)\s?$", re.IGNORECASE)
_LETTERS = re.compile("[a-z]{2,20}$")
_SYMBOLS = re.compile(r"\s?(?:井號|井字|星號|感嘆號|問號)")


def _whole(text: str, span: PersonalSpan) -> PersonalSpan:
    """Return a span with what belongs to it: the place on a plate, the word in a password."""
    if span.category is Category.CAR_PLATE:
        return _plate(text, span)
    if span.category is Category.PHONE:
        code = _COUNTRY.search(text, max(0, span.start - 5), span.start)
        return PersonalSpan(code.start(), span.end, span.category) if code else span
    if span.category not in (Category.PASSWORD, Category.NUMBER):
        return span
    before, behind = _LETTERS.search(text, 0, span.start), _SYMBOLS.match(text, span.end)
    start = before.start() if before else span.start
    return PersonalSpan(start, behind.end() if behind else span.end, span.category)


def _plate(text: str, span: PersonalSpan) -> PersonalSpan:
    """Return a plate of both sides of the border whole: 粵 Z 1234 港."""
    before = re.compile(r"粵\s?$").search(text, max(0, span.start - 2), span.start)
    behind = re.compile(r"\s?港").match(text, span.end)
    start = before.start() if before else span.start
    return PersonalSpan(start, behind.end() if before and behind else span.end, span.category)


_CRUDE = re.compile("[0-9零〇○洞一幺二三四五六七八九孖]{3,}")


def _crude(text: str) -> list[PersonalSpan]:
    """Return every run of three digits: a text this long is no turn of a call, and may be an attack."""
    return [PersonalSpan(found.start(), found.end(), Category.NUMBER) for found in _CRUDE.finditer(text)]


_SURER = (
    Category.EMAIL,
    Category.ADDRESS,
    Category.DATE_OF_BIRTH,
)
"""Categories that name a stretch whatever else was found in it, but for a secret."""


def _certainty(span: PersonalSpan) -> tuple[bool, bool, int]:
    return span.category in SECRETS, span.category in _SURER, span.end - span.start


def merged(found: list[PersonalSpan]) -> list[PersonalSpan]:
    """Return spans in order; those that overlap become one, named by the longest."""
    out: list[PersonalSpan] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if out and span.start < out[-1].end:
            last = out[-1]
            longer = max(last, span, key=_certainty)
            provisional = last.provisional and span.provisional
            out[-1] = PersonalSpan(last.start, max(last.end, span.end), longer.category, provisional)
        elif span.end > span.start:
            out.append(span)
    return out


def _emails(reading: Reading, expected: Expected) -> Iterator[tuple[int, int]]:
    yield from emails(reading.text)
    if any(category is Category.EMAIL for _value, category in expected.recent):
        for span in repeated(reading.text, expected, Category.EMAIL):
            yield span.start, span.end
    if any(trigger.meaning in (Harmless.ARTICLE, Harmless.ORDER) for trigger in reading.triggers):
        return
    if Category.EMAIL in expected.asked and expected.answering and (not expected.given or reading.dominated):
        yield from spelled_parts(reading.text)


def _names(reading: Reading, expected: Expected, found: list[PersonalSpan]) -> Iterator[tuple[int, int]]:
    yield from names(reading.text)
    yield from related(reading.text)
    yield from owners(reading.text, found)
    if expected.opening and expected.agent:
        yield from introduced(reading.text)
    if Category.NAME in expected.asked and expected.answering and _is_short(reading.text):
        yield from asked_names(reading.text)
    else:
        yield from full_names(reading.text)
    yield from with_surname(reading.text, expected.surnames)
    for name in expected.known_names:
        position = reading.text.find(name)
        while position >= 0:
            yield position, position + len(name)
            position = reading.text.find(name, position + len(name))


LONGEST_NAMED, LONGEST_NAMED_LATIN = 60, 160
"""Code points of an answer in which a name may stand alone: Chinese, English."""


def _is_short(text: str) -> bool:
    return len(text) <= (LONGEST_NAMED_LATIN if text.isascii() else LONGEST_NAMED)


def _addresses(reading: Reading, expected: Expected) -> Iterator[tuple[int, int]]:
    text = reading.text
    said = any(trigger.meaning is Category.ADDRESS for trigger in reading.triggers)
    turn = expected.answering != expected.agent  # a customer who answers, or an agent who repeats
    asked = Category.ADDRESS in expected.asked and turn and (not expected.given or len(text) < LONGEST_NAMED)
    public = _is_of_a_shop(text, expected, said=said)
    yield from addresses(text, asked=(said and not public) or asked, public=public)
    for place in expected.places:
        position = text.find(place)
        if position >= 0:
            yield position, position + len(place)
    if expected.places and len(text) <= LONGEST_REPEAT:
        yield from _parts_repeated(reading, expected.places)


LONGEST_REPEAT = 18
"""Characters of a turn that may be no more than a part of an address: 五十二定三十二？"""
_PART = re.compile(
    "[零一二三四五六七八九十百廿0-9]{2,}[座樓室號A-Z]{0,2}|[0-9一二三四五六七八九十]{1,3}[座樓室]|[A-Z]室"
)


def _parts_repeated(reading: Reading, places: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yield numbers of an address that was said lately; with one of them, what it is chosen from."""
    if reading.known:
        return  # a date, a time, an amount
    found = list(_PART.finditer(reading.text))
    if any(match.group() in place for match in found for place in places):
        yield from (match.span() for match in found)


def _is_of_a_shop(text: str, expected: Expected, *, said: bool) -> bool:
    """Tell whether an address in a turn is one where everybody may go."""
    if "你哋喺" in text or "你哋係咪喺" in text:
        return True
    return expected.agent and (IS_PUBLIC.search(text) is not None or (expected.public and not said))
