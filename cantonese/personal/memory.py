"""What was said in a dialogue and may be said again. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from cantonese.personal import dates
from cantonese.personal.categories import Category, PersonalSpan
from cantonese.personal.names import is_surname
from cantonese.personal.reading import Reading
from cantonese.personal.shapes import NUMBERS

REMEMBERED_S = 60.0
"""How long a value is known again when it is repeated, s; nothing of it is kept longer."""
MOST_REMEMBERED, MOST_NAMES = 24, 64
"""Values of a kind, and names, that are kept; the oldest goes."""
SHORTEST_NAME = 4
"""Letters from which one word of a name in English is known again alone."""


class Memory:
    """Values of one dialogue: names for all of it, everything else for :data:`REMEMBERED_S`.

    Attributes:
        names: in the order in which they were said.
        surnames: those that were said alone or with a title.
    """

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.surnames: dict[str, None] = {}
        self._recent: deque[tuple[float, str, Category]] = deque(maxlen=MOST_REMEMBERED)
        self._places: deque[tuple[float, str]] = deque(maxlen=MOST_REMEMBERED)
        self._birth: deque[tuple[float, tuple[int, int]]] = deque(maxlen=MOST_REMEMBERED)

    def recent(self, at: float) -> tuple[tuple[str, Category], ...]:
        """Return the values, digits and letters, that are still known, with their categories."""
        return tuple((value, kind) for since, value, kind in self._recent if since >= at - REMEMBERED_S)

    def places(self, at: float) -> frozenset[str]:
        """Return the parts of addresses that are still known."""
        return frozenset(place for since, place in self._places if since >= at - REMEMBERED_S)

    def birth(self, at: float) -> frozenset[tuple[int, int]]:
        """Return month and day of the dates of birth that are still known."""
        return frozenset(day for since, day in self._birth if since >= at - REMEMBERED_S)

    def remember(self, text: str, spans: Iterable[PersonalSpan], at: float) -> None:
        """Keep what was found in a turn.

        Args:
            text: of the turn.
            spans: what was found in it.
            at: s since the start of the call.
        """
        for span in spans:
            said = text[span.start : span.end]
            if span.category is Category.NAME:
                self._remember_name(said)
            elif span.category is Category.ADDRESS and len(said) >= 2:
                self._places.append((at, said))
            elif span.category is Category.DATE_OF_BIRTH:
                self._remember_birth(said, at)
            elif span.category in (Category.PASSWORD, Category.EMAIL):
                value = "".join(char for char in said if char.isascii() and char.isalnum())
                self._recent.append((at, value or said, span.category))
            if span.category in NUMBERS or span.category in (Category.NUMBER, Category.EMAIL):
                for run in Reading(said).runs:
                    if run.value:
                        self._recent.append((at, run.value, span.category))

    def _remember_name(self, said: str) -> None:
        if len(said) == 1 and not is_surname(said):
            return
        if (len(said) <= 2 and not said.isascii()) or (said.isascii() and " " not in said):
            self.surnames[said] = None
            _forget_oldest(self.surnames)
        if len(said) < 2:
            return
        self.names[said] = None
        if len(said) == 3 and not said.isascii():
            self.names[said[1:]] = None  # 林樂瑤 is called 樂瑤
        if said.isascii() and said.count(" ") > 1:
            self.names[said.split(" ", 1)[1]] = None  # Leung Hiu Tung is called Hiu Tung
        for word in said.split() if said.isascii() else ():
            if len(word) >= SHORTEST_NAME and word[0].isupper() and word[1:].islower():
                self.names[word] = None
        _forget_oldest(self.names)

    def _remember_birth(self, said: str, at: float) -> None:
        for start, end in dates.dates(said):
            told = dates.month_and_day(said[start:end])
            if told:
                self._birth.append((at, told))


def _forget_oldest(names: dict[str, None]) -> None:
    while len(names) > MOST_NAMES:
        names.pop(next(iter(names)))
