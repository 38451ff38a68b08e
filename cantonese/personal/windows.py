"""What one side of a dialogue has asked for, or announced, and what has not come yet. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cantonese.personal.categories import Category, PersonalSpan
from cantonese.personal.reading import Reading
from cantonese.personal.shapes import LEAST, NUMBERS
from cantonese.personal.words import Harmless

WINDOW_S = 25.0
"""How long something is expected after it was asked for, s of the call."""
LONGEST_REQUEST = 30
"""Characters up to which a turn of an agent may ask further for the same."""
WHOLE_DIGITS, SHORTEST_VALUE = 6, 3
"""Digits, and code points, from which an answer is whole."""


@dataclass(slots=True)
class Window:
    """What was asked for, or announced and not said yet.

    Attributes:
        asked: somebody's data, in the order in which they were named.
        harmless: a number that is nobody's.
        channel: who asked.
        until: s since the start of the call.
        given: a whole value has come since.
    """

    asked: tuple[Category, ...]
    harmless: Harmless | None
    channel: int
    until: float
    given: bool = False


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


def _gives_whole(reading: Reading, spans: Sequence[PersonalSpan]) -> bool:
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


def opened(
    before: Window | None,
    channel: int,
    reading: Reading,
    spans: Sequence[PersonalSpan],
    at: float,
    agents: Collection[int],
) -> tuple[Window | None, bool]:
    """Return the window behind a turn, and whether the turn has asked for something.

    Args:
        before: the window before it; changed where the turn does not open another one.
        channel: on which it was said.
        reading: of it.
        spans: what was found in it.
        at: its end, s since the start of the call.
        agents: channels of the company's own people.
    """
    window = before if before is not None and at <= before.until else None
    asked, harmless = _requests(reading)
    if asked:
        given = channel not in agents and _gives_whole(reading, spans)
        kinds = _specific(asked, reading, window.asked if window else ())
        return Window(kinds, None, channel, at + WINDOW_S, given=given), True
    if harmless is not None:
        return Window((), harmless, channel, at + WINDOW_S), True
    if window is not None:
        if window.channel != channel and channel in agents and len(reading.text) < LONGEST_REQUEST:
            window.channel = channel  # whoever asks further is the one who asks
        if spans:
            window.until = max(window.until, at + WINDOW_S / 2)
            window.given = window.given or _gives_whole(reading, spans)
    return before, False
