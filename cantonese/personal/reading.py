"""One turn, read once, and what may come in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from cantonese.numerals import DIGITS_ALOUD
from cantonese.personal.categories import SECRETS, Category
from cantonese.personal.known import Known, known_spans
from cantonese.personal.plain import plain
from cantonese.personal.runs import Run, runs
from cantonese.personal.shapes import NUMBERS
from cantonese.personal.words import CORRECTION, Harmless, Trigger, triggers

NEAR = 4
BEHIND = 8
FAR, FAR_HARMLESS = 40, 12
"""Code points between a word and the number that it announces: nearly none; behind it; before it."""
LEAST_OF_SECRET, LEAST_OF_NUMBER, LEAST_OF_CARD = 3, 7, 13
"""Digits from which something written like an amount is none: right behind a word for a secret, right behind
one for another number, anywhere."""
_COPULA = re.compile(r"\s?(?:號碼)?\s?(?:係|是|is|are|[:：=，,])?\s?", re.IGNORECASE)
NOISE = re.compile(
    r"[\s，。、？！：；,.?!:;()（）\-–—…~'\"]|呃|嗯|誒|哦|啊|呀|啦|喇|囉|嘛|喎|㗎|咩|吓|咁|好|係|嘅|即|我|你|佢|個|嗰|呢|話|就|唔該|先|跟住|"
    r"之後|然後|最後|最尾|尾|頭|再|同埋|仲有|等等|括號|括弧|字|號|碼|數|英文|大楷|細楷|yes|sure|it's|is|ok|okay|um|uh|the|my|and|then|so|here"
    r"|電話|手機|身份證|一共|對|冇錯|啱|得|收到|明白|先生|小姐|啩|定|like|出世|年|月|日|sorry|no",
    re.IGNORECASE,
)
"""Marks, fillers and words that say nothing of their own around a value."""
_BEHIND_WORDS = re.compile(
    r"(?:[\s，、,]|呀|啦|係|就係|嗰個|呢個|我|我嘅|嘅|個|is|my|that's|it's|佢|佢嘅)*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What may come in a turn, by what was said before it.

    Attributes:
        asked: categories that were asked for or announced, in that order.
        harmless: what was asked for is nobody's: an order, an article, an amount.
        answering: whether this turn's speaker is the one who was asked.
        given: a whole value has come since: what follows may be about anything.
        open_digits: digits of a number that this speaker has begun.
        open_category: what that is, where known.
        recent: values that were said lately, digits and letters, with their category.
        known_names: names that were said before.
        surnames: surnames that were said before, alone or with a title.
        places: parts of addresses that were said lately.
        birth: month and day of dates of birth that were said lately.
        public: shops or branches were spoken of.
        opening: whether the call has just begun.
        agent: whether the company's own people speak.
        harmless_values: digits of orders, articles and hotlines that were named.
    """

    asked: tuple[Category, ...] = ()
    harmless: Harmless | None = None
    answering: bool = True
    given: bool = False
    open_digits: str = ""
    open_category: Category | None = None
    recent: tuple[tuple[str, Category], ...] = ()
    known_names: frozenset[str] = frozenset()
    surnames: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    birth: frozenset[tuple[int, int]] = frozenset()
    public: bool = False
    agent: bool = False
    opening: bool = False
    harmless_values: frozenset[str] = frozenset()

    def recent_has(self, digits: str) -> bool:
        """Tell whether digits are of a value that was said lately."""
        return any(digits in value for value, _category in self.recent)

    def awaits_secret(self) -> bool:
        """Tell whether this turn may hold a security code, a one-time code or a password."""
        return self.awaited(SECRETS) is not None

    def awaited(self, among: Collection[Category]) -> Category | None:
        """Return which category this turn may hold because it was asked for and has not come yet."""
        if not self.answering or self.given or self.agent:
            return None
        return next((category for category in self.asked if category in among), None)


NOTHING = Expected()
Verdict = Category | Harmless | None
"""What a run is: somebody's, nobody's for certain, or nothing that could be told."""


@dataclass(eq=False)
class Reading:
    """One turn, read once.

    Attributes:
        text: of the turn, in plain characters (see :func:`plain`).
        judged: what :func:`verdicts` has found, and for what was expected then.
    """

    text: str
    judged: tuple[Expected, list[tuple[Run, Verdict]]] | None = None

    def __post_init__(self) -> None:
        self.text = plain(self.text)

    @cached_property
    def known(self) -> list[Known]:
        """Money, dates, times, counts; not what a word right before it calls a number of somebody."""
        return [known for known in known_spans(self.text) if not self._is_called_a_number(known)]

    def _is_called_a_number(self, known: Known) -> bool:
        """Tell whether an amount, a date or a time is a number that was written like one: OTP is 123,456."""
        digits = sum(char in DIGITS_ALOUD or char.isdigit() for char in self.text[known.start : known.end])
        if digits >= LEAST_OF_CARD:
            return True
        for trigger in self.triggers:
            least = LEAST_OF_SECRET if trigger.meaning in SECRETS else LEAST_OF_NUMBER
            behind = trigger.meaning in NUMBERS and trigger.end <= known.start and digits >= least
            if behind and _COPULA.fullmatch(self.text, trigger.end, known.start):
                return True
        return False

    @cached_property
    def runs(self) -> list[Run]:
        """What may be numbers."""
        return list(runs(self.text, self.known))

    @cached_property
    def triggers(self) -> list[Trigger]:
        """Words that announce."""
        return triggers(self.text)

    @cached_property
    def corrects(self) -> bool:
        """Whether something said before is taken back."""
        return CORRECTION.search(self.text) is not None

    @cached_property
    def dominated(self) -> bool:
        """Whether hardly anything but digits and letters is said."""
        rest, position = "", 0
        for run in self.runs:
            rest += self.text[position : run.start]
            position = run.end
        rest += self.text[position:]
        other = len(NOISE.sub("", rest))
        value = sum(len(run.value) for run in self.runs)
        return bool(value) and (other <= 3 or value >= other)

    def announcing(self, run: Run) -> tuple[Trigger, bool] | None:
        """Return the word that announces a run, and whether it is near; None without one."""
        best = None
        for trigger in self.triggers:
            if trigger.meaning is Harmless.NONE:
                continue
            if trigger.end <= run.start:
                best = trigger
            elif trigger.start >= run.end:
                between = self.text[run.end : trigger.start]
                follows = len(between) <= BEHIND and _BEHIND_WORDS.fullmatch(between) is not None
                if (
                    follows
                    and (best is None or run.start - best.end > BEHIND)
                    and re.search("係|is|嘅", between)
                ):
                    return trigger, True
                break
        if best is None or run.start - best.end > self._reach(best, run):
            return None
        between = re.sub(
            r"[\s，、,:：]|號碼|編號|number|no\.?|係|is|嘅",
            "",
            self.text[best.end : run.start],
            flags=re.IGNORECASE,
        )
        return best, len(between) <= NEAR

    def _reach(self, trigger: Trigger, run: Run) -> int:
        english = self.text[trigger.end : run.start].isascii()
        return FAR if english or isinstance(trigger.meaning, Category) else FAR_HARMLESS
