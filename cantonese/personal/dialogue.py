"""Personal data in a dialogue: over turns and both sides, while it is spoken. Pure; the driver has the clock.

What one side asks for is expected from the other; a number that one side has begun goes on in its next turn;
what was said is known again when the other side repeats it. A turn's spans may change until its numbers are
closed: three digits at the end of a turn may be the beginning of somebody's telephone number.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from cantonese.personal import dates
from cantonese.personal.addresses import IS_SHOP
from cantonese.personal.categories import SECRETS, Category, PersonalSpan
from cantonese.personal.finding import find, merged
from cantonese.personal.names import is_surname
from cantonese.personal.reading import Expected, Reading
from cantonese.personal.runs import Run
from cantonese.personal.shapes import LEAST, NUMBERS
from cantonese.personal.verdicts import verdicts
from cantonese.personal.words import Harmless

WINDOW_S = 25.0
"""How long something is expected after it was asked for, s of the call."""
OPEN_S = 8.0
"""How long a number that was begun stays open while its speaker is silent, s."""
REMEMBERED_S = 60.0
"""How long a value is known again when it is repeated, s; nothing of it is kept longer."""
MOST_REMEMBERED = 24
MOST_NAMES = 64
MOST_TURNS = 32
"""Values, names and turns that are kept; the oldest goes."""
LONGEST_REQUEST = 30
OPENING_TURNS = 2
"""Turns in which agents say who they are."""
WHOLE_DIGITS, SHORTEST_VALUE = 6, 3
"""Digits, and code points, from which an answer is whole."""
SHORTEST_NAME = 4
"""Letters from which one word of a name in English is known again alone."""
SHORTEST_CLAUSE = 4
"""Characters up to which a turn without a number is a filler."""
_MARKS = " ，。、？！,.?!…"
_LEADING = _MARKS + "呃嗯係跟住之後然後再嚟仲有最後即同埋好哦"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Spans of a turn that were told before, told anew.

    Attributes:
        turn: which.
        spans: all of it.
    """

    turn: Hashable
    spans: tuple[PersonalSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found with a turn.

    Attributes:
        spans: of the turn itself.
        changed: earlier turns whose spans are others now.
    """

    spans: tuple[PersonalSpan, ...]
    changed: tuple[Changed, ...] = ()


@dataclass(slots=True)
class _Window:
    """What was asked for, or announced and not said yet."""

    asked: tuple[Category, ...]
    harmless: Harmless | None
    channel: int
    until: float
    given: bool = False


@dataclass(slots=True)
class _Open:
    """A number that a channel has begun."""

    digits: str
    category: Category | None
    until: float
    parts: list[tuple[Hashable, Run]] = field(default_factory=list)


@dataclass(slots=True)
class _Turn:
    text: str
    spans: list[PersonalSpan]


_NAME_ASKED = re.compile(r"(?:(?<![出有聞])(?:名|名字)|你叫|佢叫|嗰位係)(?:呢|係)?[？?\s]*$|聯名人|咩名|姓名")


def _requests(reading: Reading) -> tuple[list[Category], Harmless | None]:
    """Return what a turn asks for: somebody's data, or a number that is nobody's and is yet to come."""
    asked: list[Category] = []
    harmless: Harmless | None = None
    if _NAME_ASKED.search(reading.text):
        asked.append(Category.NAME)
    last = max((run.start for run in reading.runs if run.digits), default=-1)
    for trigger in reading.triggers:
        if isinstance(trigger.meaning, Category):
            asked.append(trigger.meaning)
        elif trigger.meaning in _ASKABLE and trigger.start > last:
            general = reading.text[trigger.start : trigger.end] == "編號"
            harmless = harmless if general else trigger.meaning
    return asked, harmless


_ASKABLE = (Harmless.ORDER, Harmless.ARTICLE, Harmless.AMOUNT)


def _gives_whole(reading: Reading, spans: list[PersonalSpan]) -> bool:
    """Tell whether a turn has given a whole value, not the beginning of one."""
    if not any(span.end - span.start >= SHORTEST_VALUE for span in spans):
        return False
    kinds = {span.category for span in spans}
    digits = sum(len(run.digits) for run in reading.runs)
    dotted = any(mark in reading.text.lower() for mark in (".", "點", "dot"))
    return (
        digits >= WHOLE_DIGITS
        or (Category.PASSWORD in kinds and digits >= LEAST)
        or Category.NAME in kinds
        or Category.SECURITY_CODE in kinds
        or Category.DATE_OF_BIRTH in kinds
        or (Category.EMAIL in kinds and dotted)
    )


def _specific(asked: list[Category], reading: Reading, before: tuple[Category, ...]) -> tuple[Category, ...]:
    """Return what was asked for; 號碼 alone means a telephone only where nothing else is named."""
    kinds = tuple(dict.fromkeys(asked))
    said = {reading.text[t.start : t.end].lower() for t in reading.triggers if t.meaning is Category.PHONE}
    if Category.PHONE not in kinds or not said <= {"號碼", "冧巴", "number"}:
        return kinds
    others = tuple(kind for kind in kinds if kind is not Category.PHONE)
    return others or tuple(kind for kind in before if kind in NUMBERS) or kinds


class DialogueRedactor:
    """Follows one dialogue.

    Args:
        agents: channels on which the company's own people speak.
        public_numbers: digits of the company's own numbers, which are nobody's.
    """

    def __init__(self, agents: frozenset[int] = frozenset(), public_numbers: Iterable[str] = ()) -> None:
        self.agents = agents
        self._public = frozenset(public_numbers)
        self._window: _Window | None = None
        self._public_until = -1.0
        self._count = 0
        self._harmless: deque[str] = deque(maxlen=MOST_REMEMBERED)
        self._open: dict[int, _Open] = {}
        self._recent: deque[tuple[float, str, Category]] = deque(maxlen=MOST_REMEMBERED)
        self._places: deque[tuple[float, str]] = deque(maxlen=MOST_REMEMBERED)
        self._birth: deque[tuple[float, tuple[int, int]]] = deque(maxlen=MOST_REMEMBERED)
        self._names: dict[str, None] = {}
        self._surnames: dict[str, None] = {}
        self._turns: dict[Hashable, _Turn] = {}

    # ---------------------------------------------------------------- turns

    def preview(self, channel: int, text: str, at: float) -> tuple[PersonalSpan, ...]:
        """Return the spans of a turn that is still being spoken; nothing is remembered.

        Args:
            channel: on which.
            text: so far.
            at: s since the start of the call.
        """
        reading = Reading(text)
        spans = find(reading, self._expected(channel, at))
        last = reading.runs[-1] if reading.runs else None
        if last is not None and self._grows(reading, last):
            spans = merged([*spans, PersonalSpan(last.start, last.end, Category.NUMBER, True)])
        return tuple(spans)

    def turn(self, turn: Hashable, channel: int, text: str, start: float, end: float) -> Found:
        """Take a turn that is complete.

        Args:
            turn: its name.
            channel: on which it was said.
            text: verbatim, or as people write it.
            start: s since the start of the call.
            end: the same.
        """
        reading = Reading(text)
        expected = self._expected(channel, start)
        spans = find(reading, expected)
        for run, verdict in verdicts(reading, expected):
            if isinstance(verdict, Harmless) and len(run.digits) >= LEAST:
                self._harmless.append(run.digits)
                if self._window is not None and not self._window.asked and run.letters + run.digits:
                    self._window = None  # it was given
        changed = self._go_on(turn, channel, reading, expected, start, end)
        spans = merged([*spans, *self._still_open(turn, channel)])
        self._turns[turn] = _Turn(text, list(spans))
        while len(self._turns) > MOST_TURNS:
            self._turns.pop(next(iter(self._turns)))
        self._count += 1
        self._remember(text, spans, end)
        changed += self._expect(channel, reading, spans, end)
        return Found(spans=tuple(spans), changed=tuple(changed))

    def advance(self, at: float) -> tuple[Changed, ...]:
        """Close numbers that nobody went on with; return turns in which something is revealed.

        Args:
            at: s since the start of the call.
        """
        changed: list[Changed] = []
        for channel, begun in list(self._open.items()):
            if at > begun.until:
                del self._open[channel]
                changed += self._reveal(begun)
        return tuple(changed)

    def reveal(self, channel: int) -> tuple[Changed, ...]:
        """Show what a channel has begun and may still go on with, where it is too short to tell anything."""
        begun = self._open.get(channel)
        return tuple(self._reveal(begun)) if begun is not None else ()

    def finish(self) -> tuple[Changed, ...]:
        """Take the end of the dialogue; return turns in which something is revealed."""
        return self.advance(float("inf"))

    def waiting(self, channel: int) -> Hashable | None:
        """Return the oldest turn with a number that a channel may still go on with; None without one."""
        begun = self._open.get(channel)
        return begun.parts[0][0] if begun is not None and begun.parts else None

    def awaited(self, channel: int, at: float) -> Category | None:
        """Return which number or secret a channel was asked for and has not said yet.

        Args:
            channel: which.
            at: s since the start of the call.
        """
        expected = self._expected(channel, at)
        return expected.awaited(SECRETS) or expected.awaited(NUMBERS)

    # ---------------------------------------------------------------- memory

    def _expected(self, channel: int, at: float) -> Expected:
        window, begun = self._window, self._open.get(channel)
        if window is not None and at > window.until:
            window = None
        if begun is not None and at > begun.until:
            begun = None
        oldest = at - REMEMBERED_S
        return Expected(
            asked=window.asked if window else (),
            harmless=window.harmless if window else None,
            given=window.given if window else False,
            answering=window is None or window.channel != channel or channel not in self.agents,
            agent=channel in self.agents,
            harmless_values=self._public.union(self._harmless),
            open_digits=begun.digits if begun else "",
            open_category=begun.category if begun else None,
            recent=tuple((value, category) for since, value, category in self._recent if since >= oldest),
            known_names=frozenset(self._names),
            surnames=frozenset(self._surnames),
            places=frozenset(place for since, place in self._places if since >= oldest),
            birth=frozenset(day for since, day in self._birth if since >= oldest),
            public=at <= self._public_until,
            opening=self._count < OPENING_TURNS,
        )

    def _remember(self, text: str, spans: list[PersonalSpan], at: float) -> None:
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
            self._surnames[said] = None
            while len(self._surnames) > MOST_NAMES:
                self._surnames.pop(next(iter(self._surnames)))
        if len(said) < 2:
            return
        self._names[said] = None
        if len(said) == 3 and not said.isascii():
            self._names[said[1:]] = None  # 林樂瑤 is called 樂瑤
        if said.isascii() and said.count(" ") > 1:
            self._names[said.split(" ", 1)[1]] = None  # Leung Hiu Tung is called Hiu Tung
        for word in said.split() if said.isascii() else ():
            if len(word) >= SHORTEST_NAME and word[0].isupper() and word[1:].islower():
                self._names[word] = None
        while len(self._names) > MOST_NAMES:
            self._names.pop(next(iter(self._names)))

    def _remember_birth(self, said: str, at: float) -> None:
        for start, end in dates.dates(said):
            told = dates.month_and_day(said[start:end])
            if told:
                self._birth.append((at, told))

    def _expect(self, channel: int, reading: Reading, spans: list[PersonalSpan], at: float) -> list[Changed]:
        """Note what was asked for or announced and has not come yet."""
        if IS_SHOP.search(reading.text):
            self._public_until = at + WINDOW_S
        asked, harmless = _requests(reading)
        changed: list[Changed] = []
        if asked or harmless is not None:  # whoever asks for something new closes what the others have begun
            for other in [other for other in self._open if other != channel]:
                changed += self._drop(other)
        window = self._window if self._window is not None and at <= self._window.until else None
        if asked:
            given = channel not in self.agents and _gives_whole(reading, spans)
            kinds = _specific(asked, reading, window.asked if window else ())
            self._window = _Window(kinds, None, channel, at + WINDOW_S, given=given)
        elif harmless is not None:
            self._window = _Window((), harmless, channel, at + WINDOW_S)
        elif window is not None:
            if window.channel != channel and channel in self.agents and len(reading.text) < LONGEST_REQUEST:
                window.channel = channel  # whoever asks further is the one who asks
            if spans:
                window.until = max(window.until, at + WINDOW_S / 2)
                window.given = window.given or _gives_whole(reading, spans)
        return changed

    # ---------------------------------------------------------------- numbers over turns

    @staticmethod
    def _grows(reading: Reading, run: Run) -> bool:
        """Tell whether a number may go on behind the turn."""
        rest = reading.text[run.end :]
        return (
            not run.unit
            and not run.ordinal
            and (len(run.value) >= 2 or (reading.dominated and run.digits != ""))
            and len(rest.strip(" ，。、？！,.?!…呀啊啦")) <= 1
        )

    def _go_on(
        self, turn: Hashable, channel: int, reading: Reading, expected: Expected, start: float, end: float
    ) -> list[Changed]:
        """Join what a turn begins with to what its channel has begun; note what it ends with."""
        judged = verdicts(reading, expected)
        changed: list[Changed] = []
        begun = self._open.get(channel)
        if begun is not None and start > begun.until:
            changed += self._drop(channel)
            begun = None
        first = judged[0] if judged else None
        before = reading.text[: first[0].start] if first else ""
        goes_on = (
            begun is not None
            and first is not None
            and not isinstance(first[1], Harmless)
            and not first[0].unit
            and len(before.strip(_LEADING)) <= 2
        )
        if begun is not None and not goes_on:
            if not judged and len(reading.text.strip(_MARKS)) <= SHORTEST_CLAUSE:
                return changed  # 係, 嗯, 等等
            changed += self._drop(channel)
        if goes_on and begun is not None and first is not None:
            run, verdict = first
            begun.digits += run.digits
            begun.until = end + OPEN_S
            begun.category = begun.category or (verdict if isinstance(verdict, Category) else None)
            begun.parts.append((turn, run))
            if len(begun.digits) >= LEAST:
                changed += self._hide(begun, begun.category or Category.NUMBER)
            if len(judged) == 1:
                return changed
        if judged and self._grows(reading, judged[-1][0]):
            run, verdict = judged[-1]
            category = verdict if isinstance(verdict, Category) else None
            if category is not None or (verdict is None and 0 < len(run.digits) < LEAST and not run.alone):
                changed += self._drop(channel)
                self._open[channel] = _Open(run.digits, category, end + OPEN_S, [(turn, run)])
        return changed

    def _drop(self, channel: int) -> list[Changed]:
        """Close what a channel has begun."""
        begun = self._open.pop(channel, None)
        return self._reveal(begun) if begun is not None else []

    def _still_open(self, turn: Hashable, channel: int) -> list[PersonalSpan]:
        begun = self._open.get(channel)
        if begun is None:
            return []
        uncertain = begun.category is None and len(begun.digits) < LEAST
        category = begun.category or Category.NUMBER
        return [
            PersonalSpan(run.start, run.end, category, uncertain) for name, run in begun.parts if name == turn
        ]

    def _hide(self, begun: _Open, category: Category) -> list[Changed]:
        """Hide the parts of a number in the turns before."""
        changed: list[Changed] = []
        for name, run in begun.parts:
            turn = self._turns.get(name)
            if turn is None:
                continue
            others = [
                span for span in turn.spans if not (span.start <= run.start < span.end and span.provisional)
            ]
            spans = merged([*others, PersonalSpan(run.start, run.end, category)])
            if spans != turn.spans:
                turn.spans = spans
                changed.append(Changed(turn=name, spans=tuple(spans)))
        return changed

    def _reveal(self, begun: _Open) -> list[Changed]:
        """Show the parts of a number that has turned out to be none."""
        changed: list[Changed] = []
        for name, _run in begun.parts:
            turn = self._turns.get(name)
            if turn is None:
                continue
            spans = [span for span in turn.spans if not span.provisional]
            if spans != turn.spans:
                turn.spans = spans
                changed.append(Changed(turn=name, spans=tuple(spans)))
        return changed
