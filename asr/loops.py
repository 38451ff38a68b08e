"""Texts that repeat themselves, as on odd audio: 茶茶茶茶茶茶, or 有很多人，有很多人，有很多人，有很多人.

A pure function of a text. People repeat themselves too (係係係, 好好好好, a number of eights), so a unit
counts as a loop only when it comes more often than people say it.
"""

from __future__ import annotations

import re

from cantonese.numerals import DIGITS

LONGEST_UNIT = 40
"""Characters of the longest unit that is looked for."""
_UNIT = re.compile(r"(.{1,40}?)\1{2,}", re.DOTALL)
_LAUGHTER = frozenset("哈呵嘻嘿嘩")


def allowed(unit: str) -> int:
    """Return how often people may say ``unit`` in a row."""
    bare = "".join(char for char in unit if char.isalnum())
    if bare and all(char.isdigit() or char in DIGITS for char in bare):
        return 8 // min(len(bare), 4)
    if bare and set(bare) <= _LAUGHTER:
        return 8
    return {0: 8, 1: 5, 2: 4, 3: 3}.get(len(bare), 2)


def loop_start(text: str) -> int | None:
    """Return where ``text`` begins to repeat itself: behind the first time; None if it does not.

    Args:
        text: any; a loop that the end cuts off counts too.
    """
    for match in _UNIT.finditer(text):
        unit = match.group(1)
        if len(match.group()) // len(unit) > allowed(unit):
            return match.start() + len(unit)
    return None
