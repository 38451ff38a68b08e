"""Words that tell what a number, a name or a place is; read once from ``words.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from cantonese.personal.categories import Category
from cantonese.personal.heard import Sounds
from cantonese.personal.lists import any_of, table


class Harmless(StrEnum):
    """What a number is that is nobody's."""

    ORDER = "order"
    ARTICLE = "article"
    AMOUNT = "amount"
    PUBLIC = "public"
    BILL = "bill"
    NONE = "none"


Meaning = Category | Harmless


@dataclass(frozen=True, slots=True)
class Trigger:
    """A word that tells what is said beside it.

    Attributes:
        start: first code point.
        end: behind the last one.
        meaning: what it announces.
    """

    start: int
    end: int
    meaning: Meaning


def _expression(term: str) -> str:
    """Return a pattern of a term: any spaces, whole words where it begins or ends with Latin letters."""
    pattern = re.escape(term).replace(r"\ ", r"\s?" if not term.isascii() else r"[\s-]?")
    before = "(?<![A-Za-z])" if term[0].isascii() and term[0].isalpha() else ""
    after = "(?![A-Za-z])" if term[-1].isascii() and term[-1].isalpha() else ""
    return before + pattern + after


def _key(term: str) -> str:
    return re.sub(r"[\s-]", "", term).lower()


_ASKED, _HARMLESS, _SPEECH = (table("words", section) for section in ("asked", "harmless", "speech"))
_MEANINGS: dict[str, Meaning] = {
    _key(term): Category(name) for name, terms in _ASKED.items() for term in terms
} | {_key(term): Harmless(name) for name, terms in _HARMLESS.items() for term in terms}
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
"""Used in place of :meth:`str.lower`, which changes the length of some texts (İ), and so moves spans."""


def _by_first_character() -> dict[str, re.Pattern[str]]:
    """Return the pattern of the terms that begin with each character, the longest first."""
    grouped: dict[str, set[str]] = {}
    for terms in (*_ASKED.values(), *_HARMLESS.values()):
        for term in terms:
            lower = term.translate(_LOWER)
            grouped.setdefault(lower[0], set()).add(lower)
    return {
        first: re.compile("|".join(map(_expression, sorted(terms, key=len, reverse=True))))
        for first, terms in grouped.items()
    }


_BY_FIRST = _by_first_character()
_FIRST = re.compile(f"[{re.escape(''.join(_BY_FIRST))}]")
FILLERS: tuple[str, ...] = tuple(_SPEECH["fillers"])
CORRECTION = re.compile(any_of(_SPEECH["correction"]), re.IGNORECASE)
PART = re.compile("|".join(map(_expression, sorted(_SPEECH["part"], key=len, reverse=True))))


_BY_SOUND = frozenset(Category) - {Category.NAME, Category.ADDRESS, Category.EMAIL}
"""What is announced by a word that may be misheard: where only digits can follow."""


@cache
def _sounds() -> Sounds:
    return Sounds({kind: _ASKED[kind] for kind in Category if kind in _BY_SOUND and kind in _ASKED})


def prepare() -> None:
    """Load what is loaded once: 0.5 s and 88 MB, the readings of Chinese characters."""
    _sounds()


def triggers(text: str) -> list[Trigger]:
    """Return the words of ``text`` that tell what is said beside them, in order; misheard ones too."""
    found = list(_written(text))
    for start, end, meaning in _sounds().find(text):
        beside = [word for word in found if start < word.end and word.start < end]
        if all(
            start <= word.start and word.end <= end and word.end - word.start < end - start for word in beside
        ):
            found = [*(word for word in found if word not in beside), Trigger(start, end, meaning)]
    return sorted(found, key=lambda word: word.start)


def _written(text: str) -> Iterator[Trigger]:
    lower, position = text.translate(_LOWER), 0
    while first := _FIRST.search(lower, position):
        start = first.start()
        found = _BY_FIRST[lower[start]].match(lower, start)
        position = found.end() if found else start + 1
        if found:
            yield Trigger(start, position, _MEANINGS[_key(found.group())])
