"""Dealing the text of a whole call to its utterances.

The current model writes what it hears in each utterance; that and the transcript are aligned as one
sequence (Needleman and Wunsch 1970), with homophones near, since a Cantonese recogniser errs mostly among
them. The transcript is then cut where utterances meet, at a punctuation mark if one is near.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pycantonese
from numpy.typing import NDArray

from cantonese.characters import is_han
from cantonese.spoken import MARKS

SAME_SYLLABLE, SAME_RHYME, GAP = 0.25, 0.65, 0.75
MAX_CELLS = 60_000_000
_TOKEN = re.compile(rf" ?[A-Za-z][A-Za-z'\-]*|[^{MARKS} ]")
_SYLLABLE = re.compile(r"^([bpmfdtnlgkwzcshj]*?w?)([aeiouy]+.*|ng|m)([1-6])$")
SNAP = 2
"""Tokens by which a cut may be moved to reach a mark."""
MISSED = 8
"""Tokens without any sound from which the voice detector is taken to have missed their speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The part of the transcript that one utterance got.

    Attributes:
        text: as in the transcript, marks included; empty if nothing is left for this utterance.
        agreement: 1 - soft edit distance / length between it and what the model heard, 0 to 1.
    """

    text: str
    agreement: float


@lru_cache(maxsize=20_000)
def _sound(token: str) -> tuple[str, str]:
    """Return syllable without tone, and rhyme, of a character; the word itself for Latin ones."""
    if not is_han(token):
        return token, token
    (_, reading), *_ = pycantonese.characters_to_jyutping(token)
    match = _SYLLABLE.match(reading or "")
    return (match[1] + match[2], match[2]) if match else (token, token)


def tokens(text: str) -> list[tuple[str, int]]:
    """Return Chinese characters and Latin words in lower case, with the index behind each."""
    return [(match.group().strip().lower(), match.end()) for match in _TOKEN.finditer(text)]


def _costs(a: Sequence[str], b: Sequence[str]) -> NDArray[np.float32]:
    """Return substitution costs, shape (len(a), len(b))."""
    names: dict[str, int] = {}

    def index(words: Sequence[str]) -> NDArray[np.int64]:
        return np.array([names.setdefault(word, len(names)) for word in words], np.int64)

    def equal(part: int) -> NDArray[np.bool_]:
        left, right = (index([f"{part}{_sound(t)[part]}" for t in side]) for side in (a, b))
        return np.asarray(left[:, None] == right[None])

    cost = np.ones((len(a), len(b)), np.float32)
    cost[equal(1)] = SAME_RHYME
    cost[equal(0)] = SAME_SYLLABLE
    cost[index(a)[:, None] == index(b)[None]] = 0.0
    return cost


def _table(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the edit distances of all prefixes, shape (n + 1, m + 1)."""
    rows, columns = cost.shape
    steps = np.arange(columns + 1, dtype=np.float32) * GAP
    table = np.empty((rows + 1, columns + 1), np.float32)
    table[0] = steps
    for row in range(rows):
        best = table[row] + GAP
        best[1:] = np.minimum(best[1:], table[row, :-1] + cost[row])
        table[row + 1] = np.minimum.accumulate(best - steps) + steps
    return table


def _matches(cost: NDArray[np.float32], table: NDArray[np.float32]) -> list[int]:
    """Return, for each column, the row that it was aligned with, or -1."""
    row, column = cost.shape
    found = [-1] * column
    while row and column:
        here = table[row, column]
        if here >= table[row - 1, column - 1] + cost[row - 1, column - 1] - 1e-3:
            row, column = row - 1, column - 1
            found[column] = row
        elif here >= table[row - 1, column] + GAP - 1e-3:
            row -= 1
        else:
            column -= 1
    return found


def agreement(heard: str, text: str) -> float:
    """Return 1 - soft edit distance / length, 0 to 1."""
    a, b = [t for t, _ in tokens(heard)], [t for t, _ in tokens(text)]
    if not a or not b:
        return 0.0
    return max(0.0, 1.0 - float(_table(_costs(a, b))[-1, -1]) / max(len(a), len(b)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """A transcript dealt to utterances.

    Attributes:
        pieces: one for each utterance.
        left: stretches of text for which no utterance has any sound: their speech was not found.
    """

    pieces: tuple[Piece, ...]
    left: tuple[str, ...]


def deal(heard: Sequence[str], text: str) -> Dealt:
    """Cut ``text`` into one piece for each utterance.

    Args:
        heard: what the model wrote for each utterance, in order of time.
        text: the whole transcript in verbatim form (see :mod:`cantonese.spoken`).

    Returns:
        as many pieces as utterances, and what is left; together they are ``text``.

    Raises:
        ValueError: too long to align at once (10 hours of speech).
    """
    own = [[token for token, _ in tokens(line)] for line in heard]
    owner = [index for index, line in enumerate(own) for _ in line]
    wanted = tokens(text)
    if len(owner) * len(wanted) > MAX_CELLS:
        raise ValueError("the call is too long to be aligned at once; cut it, or give times")
    if not owner or not wanted:
        return Dealt(pieces=tuple(Piece(text="", agreement=0.0) for _ in heard), left=(text,) if text else ())
    cost = _costs([token for line in own for token in line], [token for token, _ in wanted])
    matched = [owner[row] if row >= 0 else -1 for row in _matches(cost, _table(cost))]
    score = _Borders(text, wanted)
    borders = [score.border(*_free(matched, index)) for index in range(-1, len(heard))]
    borders[0], borders[-1] = score.outer(borders[0], first=True), score.outer(borders[-1], first=False)
    spans, reached = [], 0
    for (_, start), (end, _) in pairwise(borders):
        reached = max(reached, start)
        spans.append((reached, max(reached, end)))
        reached = max(reached, end)
    pieces = []
    for line, (start, end) in zip(heard, spans, strict=True):
        piece = score.text(start, end)
        pieces.append(Piece(text=piece, agreement=agreement(line, piece)))
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(wanted)]
    left = (score.text(end, start) for end, start in zip(ends, starts, strict=True) if start > end)
    return Dealt(pieces=tuple(pieces), left=tuple(left))


def _free(matched: Sequence[int], utterance: int) -> tuple[int, int]:
    """Return the range in which the border behind ``utterance`` may lie, in tokens before it."""
    low = max((i + 1 for i, owner in enumerate(matched) if 0 <= owner <= utterance), default=0)
    high = min((i for i, owner in enumerate(matched) if owner > utterance), default=len(matched))
    return min(low, high), max(low, high)


class _Borders:
    """Finds the best places to cut one transcript.

    Args:
        text: verbatim form.
        wanted: its tokens, with the index behind each.
    """

    def __init__(self, text: str, wanted: Sequence[tuple[str, int]]) -> None:
        self._text = text
        self._wanted = wanted

    def text(self, start: int, end: int) -> str:
        """Return tokens ``start`` to ``end`` with the marks behind them."""
        if end <= start:
            return ""
        first = self._past_marks(self._wanted[start - 1][1]) if start else 0
        return self._text[first : self._past_marks(self._wanted[end - 1][1])].strip()

    def _past_marks(self, index: int) -> int:
        while index < len(self._text) and self._text[index] in MARKS:
            index += 1
        return index

    def border(self, low: int, high: int) -> tuple[int, int]:
        """Return where one utterance ends and the next begins; apart if much lies between."""
        if high - low > MISSED:
            return self._best(low, low), self._best(high, high)
        best = self._best(low, high)
        return best, best

    def outer(self, border: tuple[int, int], *, first: bool) -> tuple[int, int]:
        """Return the border before the first utterance or behind the last: all text, if little is left."""
        end, start = border
        if first:
            return (0, start if start > MISSED else 0)
        over = len(self._wanted) - end
        return (end if over > MISSED else len(self._wanted), len(self._wanted))

    def _best(self, low: int, high: int) -> int:
        middle = (low + high) / 2

        def merit(count: int) -> float:
            mark = self._text[self._wanted[count - 1][1] :][:1] if count else "。"
            bonus = 3.0 if mark and mark in "。？！" else 2.0 if mark == "，" else 0.0
            outside = max(low - count, count - high, 0)
            return bonus - 0.75 * outside - 0.1 * abs(count - middle)

        return max(range(max(0, low - SNAP), min(len(self._wanted), high + SNAP) + 1), key=merit)
