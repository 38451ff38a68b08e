"""Spoken Cantonese numbers into figures: digit strings, money, dates, times, addresses, percentages.

One pass from left to right. Where a numeral begins, the words that only look like numbers come first, then
each kind of number in turn; the first that understands the whole numeral writes it. A numeral that none of
them understands stays words as a whole: half-converted text is the worst outcome. Small counts stay words
(等咗三次, 兩個), as do vague amounts (十幾日, 三千幾蚊, 十個八個). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cantonese.figures import amounts, codes, times
from cantonese.figures.grammar import NUMERAL, Rule
from cantonese.figures.idioms import IDIOMS
from cantonese.numerals import NUMERAL_CHARS

__all__ = ["NumberSpan", "number_spans", "with_figures"]

NumberKind = Literal["code", "date", "amount", "time", "idiom", "words"]
"""Read digit by digit; a date; money, a rate or a count; a time of day; words that only look like a number; a
numeral that nothing here understands."""

_BEGINS = re.compile(f"[{NUMERAL_CHARS}孖幺洞港A-Z星禮逢週周至到]")
"""Characters that any rule or idiom begins with: everything else is passed over at once."""
_READ_ON = frozenset("0123456789十百千萬億廿卅卌")
"""What would be read as part of the figures before it, as 廿 behind 1:01."""
_RULES: tuple[Rule, ...] = (*codes.RULES, *times.DATES, *amounts.RULES, *times.CLOCK, *amounts.COUNTS)
_BEHIND_FIGURES: tuple[Rule, ...] = (*times.CONTINUED, *_RULES)
_KINDS: dict[int, NumberKind] = {
    **{id(rule): "code" for rule in codes.RULES},
    **{id(rule): "date" for rule in times.DATES},
    **{id(rule): "amount" for rule in (*amounts.RULES, *amounts.COUNTS)},
    **{id(rule): "time" for rule in (*times.CLOCK, *times.CONTINUED)},
}


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """Where a spoken number stands in a text, in code points.

    Attributes:
        start: its first one.
        end: behind its last one.
        kind: which number it is.
        figures: how it is written; None for words that stay words.
    """

    start: int
    end: int
    kind: NumberKind
    figures: str | None


def number_spans(text: str) -> Iterator[NumberSpan]:
    """Yield every number of verbatim ``text``, in order; a numeral that nothing understands is words."""
    position, written_to = 0, -1
    while begins := _BEGINS.search(text, position):
        start = begins.start()
        found = _next(text, start, _BEHIND_FIGURES if start == written_to else _RULES)
        position = found.end
        if found.figures is not None:
            written_to = found.end
        yield found


def with_figures(text: str) -> str:
    """Return verbatim ``text`` with spoken numbers as figures; a space keeps two numbers apart."""
    out = ""
    position, written_to = 0, -1
    for span in number_spans(text):
        out += text[position : span.start]
        position = span.end
        written = text[span.start : span.end] if span.figures is None else span.figures
        apart = span.start == written_to and out[-1].isdigit() and written[0] in _READ_ON
        out += " " + written if apart else written
        if span.figures is not None:
            written_to = span.end
    return out + text[position:]


def _next(text: str, position: int, rules: Sequence[Rule]) -> NumberSpan:
    """Return what begins at ``position``.

    Without figures, an idiom or a numeral stays words as a whole, any other character by itself.
    """
    words = IDIOMS.match(text, position)
    if words:
        return NumberSpan(position, words.end(), "idiom", None)
    for rule in rules:
        pattern, write = rule
        found = pattern.match(text, position)
        figures = write(found) if found else None
        if found and figures is not None:
            return NumberSpan(position, found.end(), _KINDS[id(rule)], figures)
    numeral = NUMERAL.match(text, position)
    return NumberSpan(position, numeral.end() if numeral else position + 1, "words", None)
