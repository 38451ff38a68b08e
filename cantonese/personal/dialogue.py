"""Personal data in a dialogue: over turns and both sides, while it is spoken. Pure; the driver has the clock.

What one side asks for is expected from the other; a number that one side has begun goes on in its next turn;
what was said is known again when the other side repeats it. A turn's spans may change until its numbers are
closed: three digits at the end of a turn may be the beginning of somebody's telephone number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from cantonese.personal.addresses import IS_SHOP
from cantonese.personal.categories import SECRETS, Category, PersonalSpan
from cantonese.personal.finding import find, merged
from cantonese.personal.memory import MOST_REMEMBERED, Memory
from cantonese.personal.reading import Expected, Reading
from cantonese.personal.runs import Run
from cantonese.personal.shapes import LEAST, NUMBERS
from cantonese.personal.verdicts import verdicts
from cantonese.personal.windows import WINDOW_S, Window, opened
from cantonese.personal.words import Harmless

OPEN_S = 8.0
"""How long a number that was begun stays open while its speaker is silent, s."""
MOST_TURNS = 32
"""Turns whose spans may still change; the oldest goes."""
OPENING_TURNS = 2
"""Turns in which agents say who they are."""
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


class DialogueRedactor:
    """Follows one dialogue.

    Args:
        agents: channels on which the company's own people speak.
        public_numbers: digits of the company's own numbers, which are nobody's.
    """

    def __init__(self, agents: frozenset[int] = frozenset(), public_numbers: Iterable[str] = ()) -> None:
        self.agents = agents
        self._public = frozenset(public_numbers)
        self._window: Window | None = None
        self._public_until = -1.0
        self._count = 0
        self._harmless: deque[str] = deque(maxlen=MOST_REMEMBERED)
        self._open: dict[int, _Open] = {}
        self._memory = Memory()
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
        self._memory.remember(text, spans, end)
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
        return Expected(
            asked=window.asked if window else (),
            harmless=window.harmless if window else None,
            given=window.given if window else False,
            answering=window is None or window.channel != channel or channel not in self.agents,
            agent=channel in self.agents,
            harmless_values=self._public.union(self._harmless),
            open_digits=begun.digits if begun else "",
            open_category=begun.category if begun else None,
            recent=self._memory.recent(at),
            known_names=frozenset(self._memory.names),
            surnames=frozenset(self._memory.surnames),
            places=self._memory.places(at),
            birth=self._memory.birth(at),
            public=at <= self._public_until,
            opening=self._count < OPENING_TURNS,
        )

    def _expect(self, channel: int, reading: Reading, spans: list[PersonalSpan], at: float) -> list[Changed]:
        """Note what was asked for or announced and has not come yet."""
        if IS_SHOP.search(reading.text):
            self._public_until = at + WINDOW_S
        self._window, asks = opened(self._window, channel, reading, spans, at, self.agents)
        if not asks:
            return []
        others = [other for other in self._open if other != channel]
        return [change for other in others for change in self._drop(other)]  # somebody asks for something new

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
