"""How the two talk with each other: interruptions, talking over, pace, repeated questions. Pure.

Positions are samples at 16 kHz since the start of the call. All thresholds are ours, set by ear on generated
calls; the kinds of evidence are the usual ones of conversation analysis in call centres (Galanis et al. 2013,
"Classification of emotional speech units in call centre interactions"; Pandharipande & Kopparapu 2012).
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from emotion.base import SAMPLE_RATE

INTERRUPTION_S = 0.4
"""Speech of both at once from which taking the floor counts; shorter is a back-channel (係, 嗯)."""
OVERLAP_WINDOW_S = 20.0
PACE_RISE = 1.3
"""Times the own pace from which somebody speaks fast."""
PACE_UTTERANCES = 3
REPEAT_SHARE = 0.6
"""Share of character pairs in common from which a question is the same one (Dice 1945)."""
REPEAT_LENGTH = 5
REPEAT_WINDOW_S = 180.0
KEPT = 12
_FIGURES = frozenset("零〇一二三四五六七八九十百千萬0123456789")
_UNITS = re.compile(r"[㐀-鿿豈-﫿]|[A-Za-z']+|[0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Something that an agitated caller does.

    Attributes:
        kind: interruption, overlap, pace, repeat or calls.
        at: when, position.
        weight: what it says, in [0, 1].
    """

    kind: str
    at: int
    weight: float


WEIGHTS = {"interruption": 0.35, "overlap": 0.3, "pace": 0.25, "repeat": 0.3, "calls": 0.15}


class BehaviourTracker:
    """Watches one speaker against the other.

    Args:
        earlier_calls: of this customer about the same matter, if the telephony system knows.
    """

    def __init__(self, earlier_calls: int = 0) -> None:
        self._since: dict[bool, int | None] = {True: None, False: None}
        self._overlaps: deque[tuple[int, int]] = deque(maxlen=64)
        self._paces: deque[float] = deque(maxlen=8)
        self._said: deque[tuple[int, frozenset[str]]] = deque(maxlen=KEPT)
        self._earlier_calls = earlier_calls

    def opening(self) -> list[Behaviour]:
        """Return what is known before the first word."""
        if not self._earlier_calls:
            return []
        weight = min(2 * WEIGHTS["calls"], WEIGHTS["calls"] * self._earlier_calls)
        return [Behaviour(kind="calls", at=0, weight=weight)]

    def begins(self, *, own: bool, at: int) -> None:
        """Someone begins to speak: the watched one (``own``) or the other."""
        self._since[own] = at

    def ends(self, *, own: bool, at: int) -> list[Behaviour]:
        """Someone stops; return what that shows of the watched one."""
        start, other = self._since[own], self._since[not own]
        self._since[own] = None
        if start is None or other is None:
            return []
        both = at - max(start, other)
        came_later = start > other if own else other > start
        if both <= 0 or not came_later:
            return []  # who is talked over is not the one who talks over
        self._overlaps.append((max(start, other), at))
        found = []
        # The other one stops while the watched one, who came later, goes on: the floor was taken.
        if not own and both >= INTERRUPTION_S * SAMPLE_RATE:
            found.append(Behaviour(kind="interruption", at=at, weight=WEIGHTS["interruption"]))
        share = self._overlap_share(at)
        if share > 0.15:
            found.append(Behaviour(kind="overlap", at=at, weight=WEIGHTS["overlap"] * min(1.0, share / 0.4)))
        return found

    def _overlap_share(self, at: int) -> float:
        window = int(OVERLAP_WINDOW_S * SAMPLE_RATE)
        inside = sum(max(0, end - max(start, at - window)) for start, end in self._overlaps)
        return inside / min(window, max(at, SAMPLE_RATE))

    def said(self, text: str, *, start: int, end: int) -> list[Behaviour]:
        """Take a final of the watched one; return what it shows."""
        units = _UNITS.findall(text.lower())
        return [*self._pace(len(units), start, end), *self._repeat(units, end)]

    def _pace(self, units: int, start: int, end: int) -> list[Behaviour]:
        seconds = (end - start) / SAMPLE_RATE
        if units < 6 or seconds < 1.0:
            return []
        pace = units / seconds
        usual = sum(self._paces) / len(self._paces) if len(self._paces) >= PACE_UTTERANCES else None
        self._paces.append(pace)
        if usual is None or pace < PACE_RISE * usual:
            return []
        return [Behaviour(kind="pace", at=end, weight=WEIGHTS["pace"])]

    def _repeat(self, units: list[str], at: int) -> list[Behaviour]:
        pairs = frozenset(first + second for first, second in pairwise(units))
        if len(pairs) < REPEAT_LENGTH or sum(unit in _FIGURES for unit in units) > len(units) / 3:
            return []  # a number that is read out twice is no question
        oldest = at - int(REPEAT_WINDOW_S * SAMPLE_RATE)
        known = any(then >= oldest and _dice(pairs, said) >= REPEAT_SHARE for then, said in self._said)
        self._said.append((at, pairs))
        return [Behaviour(kind="repeat", at=at, weight=WEIGHTS["repeat"])] if known else []


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / max(1, len(one) + len(other))
