"""Spoken Cantonese numbers into figures: digit strings, money, dates, times, addresses, percentages.

One pass from left to right. Where a numeral begins, the words that only look like numbers come first, then
each kind of number in turn; the first that understands the whole numeral writes it. A numeral that none of
them understands stays words as a whole: half-converted text is the worst outcome. Small counts stay words
(等咗三次, 兩個), as do vague amounts (十幾日, 三千幾蚊, 十個八個). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cantonese.figures import amounts, codes, times
from cantonese.figures.grammar import NUMERAL, Rule
from cantonese.figures.idioms import IDIOMS
from cantonese.numerals import NUMERAL_CHARS

__all__ = ["with_figures"]

_BEGINS = re.compile(f"[{NUMERAL_CHARS}孖幺洞港A-Z星禮逢週周至到]")
"""Characters that any rule or idiom begins with: everything else is passed over at once."""
_RULES: tuple[Rule, ...] = (*codes.RULES, *times.DATES, *amounts.RULES, *times.CLOCK, *amounts.COUNTS)
_BEHIND_FIGURES: tuple[Rule, ...] = (*times.CONTINUED, *_RULES)


def with_figures(text: str) -> str:
    """Return verbatim ``text`` with spoken numbers as figures; a space keeps two of them apart."""
    out = ""
    position, written_to = 0, -1
    while begins := _BEGINS.search(text, position):
        start = begins.start()
        out += text[position:start]
        behind = start == written_to
        figures, position = _next(text, start, _BEHIND_FIGURES if behind else _RULES)
        if figures is None:
            out += text[start:position]
            continue
        apart = behind and out[-1].isdigit() and figures[0].isdigit()
        out += " " + figures if apart else figures
        written_to = position
    return out + text[position:]


def _next(text: str, position: int, rules: Sequence[Rule]) -> tuple[str | None, int]:
    """Return the figures for what begins at ``position``, and where it ends.

    Without figures, an idiom or a numeral stays words as a whole, any other character by itself.
    """
    words = IDIOMS.match(text, position)
    if words:
        return None, words.end()
    for pattern, write in rules:
        found = pattern.match(text, position)
        figures = write(found) if found else None
        if found and figures is not None:
            return figures, found.end()
    numeral = NUMERAL.match(text, position)
    return None, numeral.end() if numeral else position + 1
