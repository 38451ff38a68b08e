"""What each number of a turn is: somebody's, nobody's, or nothing that can be told. Pure."""

from __future__ import annotations

import re

from cantonese.personal.categories import SECRETS, Category
from cantonese.personal.reading import Expected, Reading, Verdict
from cantonese.personal.runs import Run
from cantonese.personal.shapes import (
    LEAST,
    LEAST_ANNOUNCED,
    LETTERED,
    LONGEST_COUNT,
    NUMBERS,
    announced,
    by_shape,
    is_public,
)
from cantonese.personal.words import PART, Harmless, Meaning

LONGEST = 600
"""Code points of a turn that is read word by word; of a longer one every number is hidden."""
_TAIL = re.compile(
    r"(?:尾|末)嗰?(?:數|號)?[一二兩三四五六]?(?:個|位)?(?:數字|數|字|號碼)?(?:係|:|：)?\s?$"
    r"|ending(?: in| with)?\s?$|last (?:three|four|3|4)(?: digits)?(?: are| is|,)?\s?$"
)
_CARD_BEHIND = re.compile("嗰?張(?:信用|扣賬)?(?:卡|咭|Visa|Master|銀聯)", re.IGNORECASE)
_VEHICLE = re.compile(
    "架車|我架|車房|部車|車主|七人車|貨車|的士|電單車|私家車|跑車|平治|寶馬|Toyota|Tesla|Honda|車行|死火|拖車|泊車|車位"
)
_ARTICLE_BEFORE = re.compile(r"[A-Za-z]{2,}\s?$")


def verdicts(reading: Reading, expected: Expected) -> list[tuple[Run, Verdict]]:
    """Return every run of a turn with what it is; none of a turn that is too long to be read."""
    if len(reading.text) > LONGEST:
        return []
    if reading.judged is None or reading.judged[0] is not expected:
        judged = [
            (run, _verdict(reading, run, expected, first=index == 0))
            for index, run in enumerate(reading.runs)
        ]
        reading.judged = (expected, judged)
    return reading.judged[1]


def _verdict(reading: Reading, run: Run, expected: Expected, *, first: bool) -> Verdict:
    if not run.digits:
        return _letters_alone(reading, run, expected)
    if _is_everybodys(reading, run, expected):
        return Harmless.PUBLIC
    local = reading.announcing(run)
    announcing: Meaning | None = None
    if local is not None:
        trigger, near = local
        announcing = trigger.meaning
        found = announced(run, announcing, near=near, gap=run.start - trigger.end)
        weak = announcing in (Harmless.BILL, Harmless.AMOUNT) and expected.asked and not expected.given
        if found is not None and not (weak and expected.answering):
            return found
    return (
        _answered(reading, run, expected)
        or _continued(reading, run, expected, first=first)
        or _read_back(reading, run, expected)
        or _in_part(reading, run, expected, announcing)
        or _harmless(reading, run, expected, first=first)
        or (Category.CAR_PLATE if _is_plate(reading, run) else None)
        or by_shape(run)
    )


_PRESSED = re.compile(r"(?:請|再|可以|先)(?:撳|按)(?:咗|入)?\s?$|\bpress\s$", re.IGNORECASE)
_HOTLINE_BEHIND = re.compile("(?:嗰條|呢條|係|嘅)?\\S{0,4}(?:熱線|查詢台)")


def _is_everybodys(reading: Reading, run: Run, expected: Expected) -> bool:
    """Tell whether a number is public, or repeats one that was said to be nobody's."""
    repeated = len(run.digits) >= LEAST and any(run.digits in value for value in expected.harmless_values)
    if expected.agent and _PRESSED.search(reading.text, 0, run.start) and not expected.recent_has(run.digits):
        return True  # 請撳七零五
    if expected.awaits_secret() or expected.open_digits:
        return False  # 999 as a part of somebody's number
    begins = reading.dominated and len(run.digits) < LEAST  # 999 may be the beginning of one
    return (
        (is_public(run.digits) and not begins)
        or repeated
        or _HOTLINE_BEHIND.match(reading.text, run.end) is not None
    )


def _is_plate(reading: Reading, run: Run) -> bool:
    return (
        re.fullmatch("[A-Z]{2}[0-9]{1,4}", run.value) is not None
        and _VEHICLE.search(reading.text) is not None
    )


def _asked_for(run: Run, asked: tuple[Category, ...]) -> Category | None:
    """Return which of the numbers that were asked for a run is."""
    wanted = [category for category in asked if category in NUMBERS]
    if not wanted:
        return None
    shape = by_shape(run)
    if shape in wanted:
        return shape
    if run.letters:
        lettered = [category for category in wanted if category in LETTERED]
        return (lettered or wanted)[-1]
    if len(run.digits) == 3 and Category.SECURITY_CODE in wanted:
        return Category.SECURITY_CODE
    return wanted[-1]


def _answered(reading: Reading, run: Run, expected: Expected) -> Category | None:
    """Return what a run is that was asked for."""
    count, dominated = len(run.digits), reading.dominated
    if not expected.asked or not _may_answer(reading, run, expected):
        return None
    category = _asked_for(run, expected.asked)
    if category is None:
        door = (
            Category.ADDRESS in expected.asked and expected.answering and dominated and count <= LONGEST_DOOR
        )
        return Category.ADDRESS if door else None
    secret = category in SECRETS and expected.answering and not expected.given
    lettered = category in LETTERED or (secret and not _article(reading, run))
    if (run.letters and not lettered and count < 6) or not _attentive(reading, run, expected):
        return None
    if count >= LEAST_ANNOUNCED or (run.letters and not _article(reading, run)):
        return category
    several = dominated and (count > 1 or len(reading.runs) == 1 or expected.answering)
    return category if secret or several else None


LONGEST_DOOR, LONGEST_SHORT = 5, 7
"""Digits of a flat, and of a number that may be about something else once a whole value was given."""


def _may_answer(reading: Reading, run: Run, expected: Expected) -> bool:
    """Tell whether a run may be a value at all: no quantity, no 十五 among other words."""
    if run.ordinal or (run.unit and len(run.digits) <= LONGEST_COUNT):
        return False
    if run.alone and len(reading.runs) > 1 and expected.awaits_secret():
        return True  # 一一六，定係七呢
    sole = reading.dominated and len(reading.runs) == 1 and not reading.known
    return not run.alone or (sole and not _ARTICLE_BEFORE.search(reading.text[: run.start]))


def _attentive(reading: Reading, run: Run, expected: Expected) -> bool:
    """Tell whether a turn still speaks of what was asked for."""
    if reading.dominated or (len(run.digits) >= LEAST_ANNOUNCED and expected.awaits_secret()):
        return True
    elsewhere = expected.given or not expected.answering
    short = len(run.digits) <= LONGEST_SHORT or bool(run.letters)
    return not (elsewhere and short) and not _article(reading, run)


def _article(reading: Reading, run: Run) -> bool:
    """Tell whether a Latin word stands right before a short number: iPhone 15, SKU 40071, Err 07."""
    return (
        len(run.digits) < 6
        and len(run.letters) <= 1
        and _ARTICLE_BEFORE.search(reading.text, max(0, run.start - 12), run.start) is not None
    )


def _continued(reading: Reading, run: Run, expected: Expected, *, first: bool) -> Category | None:
    """Return what a run is that goes on with a number of the turn before."""
    if not expected.open_digits or not first or run.unit:
        return None
    if len(expected.open_digits) + len(run.digits) < LEAST:
        return None
    return expected.open_category or Category.NUMBER if reading.dominated or len(run.digits) >= 2 else None


def _read_back(reading: Reading, run: Run, expected: Expected) -> Category | None:
    """Return what a run is that repeats, or corrects, a value that was said lately."""
    digits = run.digits
    if run.unit and len(digits) >= LEAST_ANNOUNCED:
        return next((kind for value, kind in expected.recent if value == digits and kind in SECRETS), None)
    if run.unit or run.ordinal or run.alone:
        return None
    part = PART.search(reading.text) is not None
    for value, category in expected.recent:
        if len(digits) >= 2 and digits in value and (len(digits) >= 3 or reading.dominated or part):
            return category
    if (
        not expected.recent
        or _article(reading, run)
        or not (reading.corrects or (part and reading.dominated))
    ):
        return None
    behind = reading.text[run.end : run.end + 1]
    if reading.dominated or not behind or behind in "，。？！、,.?! 呀啊㗎啦喇唔先啩":
        return expected.recent[-1][1]
    return None


def _in_part(reading: Reading, run: Run, expected: Expected, announcing: Meaning | None) -> Category | None:
    """Return what the end of a number is: 尾四個字三三零一."""
    counted = run.unit and not _CARD_BEHIND.match(reading.text, run.end)
    if not _TAIL.search(reading.text[max(0, run.start - 16) : run.start]) or counted:
        return None
    if isinstance(announcing, Category) and announcing in NUMBERS:
        return announcing
    numbers = [category for category in expected.asked if category in NUMBERS]
    return numbers[-1] if numbers else expected.recent[-1][1] if expected.recent else Category.NUMBER


def _harmless(reading: Reading, run: Run, expected: Expected, *, first: bool) -> Harmless | None:
    if run.unit and len(run.digits) <= 6:
        return Harmless.AMOUNT
    if _article(reading, run):
        return Harmless.ARTICLE
    if (
        expected.harmless is not None
        and expected.answering
        and not expected.asked
        and not (first and expected.open_digits)
    ):
        found = announced(run, expected.harmless, near=reading.dominated)
        return found if isinstance(found, Harmless) else None
    return None


def _letters_alone(reading: Reading, run: Run, expected: Expected) -> Verdict:
    """Return what letters without a digit are: the beginning of an identity card, or one that is repeated."""
    repeated = next(
        (
            category
            for value, category in expected.recent
            if len(run.value) == 1 and value.endswith(run.value)
        ),
        None,
    )
    lettered = [category for category in expected.asked if category in LETTERED]
    if len(run.value) >= 2 and Category.NAME in expected.asked:
        return Category.NAME
    if not reading.dominated:
        return None
    if len(run.value) >= 2:
        echoed = next((category for value, category in expected.recent if run.value in value.upper()), None)
        if echoed is not None:
            return echoed
    if lettered and expected.answering:
        return lettered[-1]
    if lettered and any(run.value in value for value, _ in expected.recent):
        return lettered[-1]
    return repeated
