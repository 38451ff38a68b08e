"""Runs: digits and letters that may be one number. Pure.

九一二三，跟住四五六七 is one run, and so are A for Apple 一二三 and nine one double two. Money, dates,
times and counts are none; neither are numerals with a hundred or more in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cantonese.personal.known import UNIT_BEHIND, Known
from cantonese.personal.tokens import BEGINS, ONE, PARTICLES, Token, token_at
from cantonese.personal.words import FILLERS

_CODE_WORDS = ("大楷", "細楷", "大寫", "小寫", "capital", "uppercase", "lowercase", "small")
_CONNECTOR = re.compile(
    r"(?:[\s,，、.。．·\-–—/()（）:：?？!！…_~*;；\"']|"
    + "|".join(
        re.escape(filler) + ("(?![a-z])" if filler.isascii() else "")
        for filler in sorted((*FILLERS, *_CODE_WORDS), key=len, reverse=True)
    )
    + ")*",
    re.IGNORECASE,
)
LONGEST_GAP = 14
"""Code points of fillers and marks that may stand inside a number."""
LONGEST_TAIL = 2
"""Letters at the end of a number: check characters."""
_OPENING = re.compile(r"(?:括號|括弧|[(（+]|in brackets?)\s?$", re.IGNORECASE)
_CLOSING = re.compile(r"\s?[)）]|,?\s?in brackets?(?![a-z])", re.IGNORECASE)
_LONGEST_OPENING = 12


@dataclass(frozen=True, slots=True)
class Run:
    """Digits and letters that may be one number.

    Attributes:
        start: first code point.
        end: behind the last one, a closing bracket included.
        value: digits and letters in order, capitals.
        digits: the digits alone.
        alone: one or two words for numbers of two digits, such as 十五, are all that it has.
        unit: what follows makes it a quantity.
        ordinal: it tells which one (第三).
    """

    start: int
    end: int
    value: str
    digits: str
    alone: bool
    unit: bool
    ordinal: bool

    @property
    def letters(self) -> str:
        """Letters before the first digit."""
        found = re.match("[A-Z]*", self.value)
        return found.group() if found else ""


def runs(text: str, known: Sequence[Known]) -> Iterator[Run]:
    """Yield the runs of ``text``, in order.

    Args:
        text: verbatim, or as people write it.
        known: from :func:`cantonese.personal.known.known_spans`; no run reaches into one.
    """
    position, tokens = 0, list[Token]()
    while (begins := BEGINS.search(text, position)) is not None:
        at = begins.start()
        if tokens:
            joined_to = _joined_to(text, tokens[-1].end)
            if joined_to < at or joined_to - tokens[-1].end > LONGEST_GAP:
                yield from _finished(text, tokens)
                tokens = []
            else:
                at = joined_to
        understood = _understood(known, at)
        token, position = (None, understood) if understood else token_at(text, at, within=bool(tokens))
        if token is None or (tokens and not _belongs(text, tokens[-1], token)):
            yield from _finished(text, tokens)
            tokens = []
        if token is not None:
            tokens.append(token)
    yield from _finished(text, tokens)


def _joined_to(text: str, end: int) -> int:
    """Return how far marks and fillers reach behind a token."""
    found = _CONNECTOR.match(text, end)
    return found.end() if found else end


def _understood(known: Sequence[Known], at: int) -> int:
    """Return the end of what is understood at a position, 0 where nothing is."""
    return max((span.end for span in known if span.start <= at < span.end), default=0)


def _belongs(text: str, last: Token, token: Token) -> bool:
    """Tell whether a token behind a gap goes on with the number before it: 三六，一共八個 does not."""
    between = text[last.end : token.start]
    if "letters" in (last.kind, token.kind) and any(char in between for char in "係然跟仲同就即再"):
        return last.kind == "letters" and len(last.value) == 1
    if re.search("括號|括弧", between):
        return True
    following = text[token.end : token.end + 1]
    if not between or not following or token.end - token.start > 1:
        return True
    if UNIT_BEHIND.match(text, token.end):
        return False
    in_a_word = "\u4e00" <= following <= "\u9fff" and following not in PARTICLES
    return not in_a_word or re.match(ONE, following) is not None


def _finished(text: str, tokens: list[Token]) -> Iterator[Run]:
    """Yield the run of tokens, without letters at its end that are a word behind it."""
    parts = list(tokens)
    if any(token.kind != "letters" for token in parts):
        while parts[-1].kind == "letters" and len(parts[-1].value) > LONGEST_TAIL:
            parts.pop()
    if not parts:
        return
    start, end = parts[0].start, parts[-1].end
    pairs = all(token.kind == "pair" for token in parts)
    value = "".join(token.value for token in parts)
    opening = _OPENING.search(text, max(0, start - _LONGEST_OPENING), start)
    first = opening.start() if opening else start
    yield Run(
        start=first,
        end=_closed(text, first, end),
        value=value,
        digits="".join(char for char in value if char.isdigit()),
        alone=pairs and len(parts) < 3,
        unit=UNIT_BEHIND.match(text, end) is not None or (pairs and text[end : end + 1] == "幾"),
        ordinal=text[max(0, start - 1) : start] == "第",
    )


def _closed(text: str, start: int, end: int) -> int:
    """Return the end of a run with the bracket that closes what was opened in it."""
    if text[end : end + 1] == "孖":  # the digit that is doubled was not heard, or comes in the next turn
        return end + 1
    closing = _CLOSING.match(text, end)
    if closing is None:
        return end
    bracket = text[closing.end() - 1] in ")）"
    return closing.end() if not bracket or re.search("[(（]", text[start:end]) else end
