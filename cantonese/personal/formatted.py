"""Numbers that are written like an amount, a date or a time although a word says what they are. Pure.

Whoever writes numbers may have made 123,456 of a one-time code, and 12:34 of a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cantonese.personal.categories import SECRETS, Category, PersonalSpan
from cantonese.personal.reading import Reading
from cantonese.personal.shapes import NUMBERS
from cantonese.personal.words import Harmless

_D = "0-9零〇一二三四五六七八九"
_BEHIND = re.compile(
    rf"\s?(?:號碼)?\s?(?:係|是|is|are|[:：=，,])?\s?(?:HK|US)?\$?\s?"
    rf"(?P<number>[{_D}](?:[{_D},.:\- ]{{0,30}}[{_D}])?)",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\d.])\d(?:[ ,.\-]{0,2}\d){12,18}(?![\d])")
_DIGIT = re.compile(f"[{_D}]")
LEAST_SECRET, LEAST_OTHER = 3, 8
"""Digits right behind a word for a secret, and for another number, from which they are one."""


def formatted(reading: Reading) -> Iterator[PersonalSpan]:
    """Yield numbers right behind the word for them, however they are written, and all as long as a card.

    Args:
        reading: of the turn.
    """
    for trigger in reading.triggers:
        secret = trigger.meaning in SECRETS
        if not secret and trigger.meaning not in NUMBERS:
            continue
        found = _BEHIND.match(reading.text, trigger.end)
        least = LEAST_SECRET if secret else LEAST_OTHER
        if found and len(_DIGIT.findall(found["number"])) >= least:
            yield PersonalSpan(found.start("number"), found.end("number"), Category(trigger.meaning))
    if any(trigger.meaning in (Harmless.ORDER, Harmless.ARTICLE) for trigger in reading.triggers):
        return
    for found in _CARD.finditer(reading.text):
        yield PersonalSpan(found.start(), found.end(), Category.CARD)
