"""Dictated digits that a recogniser took for numerals: 三百六六八三百四七年五. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cantonese.personal.categories import Category, PersonalSpan
from cantonese.personal.reading import Expected, Reading
from cantonese.personal.shapes import NUMBERS

LEAST_DIGITS = 5
"""Digits beside 百 and 年 from which a stretch is a number that was dictated."""
_ONE = "零〇○洞一幺二三四五六七八九孖0-9"
_STRETCH = re.compile(rf"[{_ONE}](?:[{_ONE}]|[百千年十](?=[{_ONE}])){{5,}}")
_NO_NUMERAL = re.compile(f"[一二三四五六七八九]{{2}}[百千]|[百千十][一二三四五六七八九]{{2}}|[{_ONE}]{{3}}")
"""What no numeral contains: two digits beside each other."""
_YEAR = re.compile(f"^(?:一九|二零|二〇|19|20)[{_ONE}]{{2}}年")


def garbled(reading: Reading, expected: Expected) -> Iterator[PersonalSpan]:
    """Yield stretches of digits with 百, 千, 十 or 年 among them that are no numeral and no date.

    Where an order or an article is spoken of they stay, as they do without these characters.

    Args:
        reading: of the turn.
        expected: what may come in it.
    """
    for found in _STRETCH.finditer(reading.text):
        said = found.group()
        plain = sum(char not in "百千十年" for char in said)
        if plain == len(said) or plain < LEAST_DIGITS or _YEAR.match(said) or not _NO_NUMERAL.search(said):
            continue
        before = [trigger for trigger in reading.triggers if trigger.end <= found.start()]
        named = before[-1].meaning if before else expected.harmless
        if named is not None and not isinstance(named, Category):
            continue
        asked = [category for category in expected.asked if category in NUMBERS]
        category = named if named in NUMBERS else asked[-1] if asked else Category.NUMBER
        yield PersonalSpan(found.start(), found.end(), Category(category))
