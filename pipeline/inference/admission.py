"""May another call come? Judged by how long finals would then wait for their turn; pure.

With no admission an overloaded recogniser lets every call lag, by tens of seconds in the servers that do
so; a call that is refused can go to another server at once. How long an inference itself takes is the model's
affair and no reason to refuse anybody.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

WINDOW_S = 15.0
"""Time over which finals are looked at, s."""
FEWEST = 10
"""Finals from which their spread is worth something."""
MOST_SCALED = 4.0
"""One call more is never taken to make waits longer than by this factor."""


FINALS = 0.27
"""Finals a second of a call, both channels together (the bundled call)."""
PARTIALS_ALONE = 1.2
"""Partials a second of a call that is alone."""
PARTIALS = 0.5
"""The same on a busy server: they give way."""
OTHERS = 0.026
"""S of a core for a second of a call of two channels, for all but the recogniser, everything on:
16 calls of the bundled, synthetic recording on one core took 0.038 in all, with the small model."""
FULL_RECOGNISER = 0.7
"""Share of the recogniser's time that finals may take: beyond it they wait for each other."""
FULL_PROCESSOR = 0.7
"""Share of the processor that calls may take: beyond it, recogniser and event loop wait for each other."""
LATE = 4.0
"""How much longer than the mean one wait in twenty may be."""
LOOP_CORES = 1.0
"""The event loop has one core at most: Python's lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """What a second of a call costs, in s of a core.

    Attributes:
        finals: of the recogniser.
        partials: of the recogniser, on a busy server.
        others: all else.
        inference: s that whoever comes finds an inference to last: long ones are met more often.
    """

    finals: float
    partials: float
    others: float = OTHERS
    inference: float = 0.0

    @classmethod
    def of_inferences(cls, final_s: float, partial_s: float) -> CallCost:
        """Return the cost where a final of usual length takes ``final_s``, a partial ``partial_s``."""
        finals, partials = FINALS * final_s, PARTIALS * partial_s
        met = (finals * final_s + partials * partial_s) / (finals + partials)
        return cls(finals=finals, partials=partials, inference=met)

    @property
    def whole(self) -> float:
        """All of it."""
        return self.finals + self.partials + self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLoad:
    """What a server does now.

    Attributes:
        finals: share of the recogniser's time that they take, in [0, 1].
        partials: the same; they give way.
        loop: share of a core that the event loop uses.
    """

    finals: float
    partials: float
    loop: float


def fullest(cost: CallCost, wait_s: float) -> float:
    """Return the share of the processor that calls may take so that finals wait ``wait_s`` at most, mostly.

    The mean wait before one worker is ``u * inference / (2 * (1 - u))`` at utilisation ``u`` (Pollaczek and
    Khinchine), and waits are spread widely: one in twenty is three to four times as long.
    """
    share = 1 / (1 + LATE * cost.inference / (2 * wait_s))
    return min(FULL_PROCESSOR, share)


def carries(cost: CallCost, load: ServerLoad, *, unheard: float, cores: float, wait_s: float) -> bool:
    """Tell whether a server carries calls that are in none of its figures yet.

    Args:
        cost: of a call.
        load: of the server.
        unheard: calls that are not in it.
        cores: that it may use.
        wait_s: that finals may wait.
    """
    firm = load.finals + load.loop + load.partials * PARTIALS / PARTIALS_ALONE
    return (
        load.finals + unheard * cost.finals <= FULL_RECOGNISER
        and load.loop + unheard * cost.others <= FULL_PROCESSOR * LOOP_CORES
        and firm + unheard * cost.whole <= fullest(cost, wait_s) * cores
    )


def slots(cost: CallCost, cores: float, wait_s: float) -> int:
    """Return the calls that an idle server carries, at least 1; arguments as of :func:`carries`."""
    most = min(
        FULL_RECOGNISER / cost.finals,
        FULL_PROCESSOR * LOOP_CORES / cost.others,
        fullest(cost, wait_s) * cores / cost.whole,
    )
    return max(1, int(most))


class Admission:
    """Follows the finals of all calls."""

    def __init__(self) -> None:
        self._waits: deque[tuple[float, float]] = deque(maxlen=4096)

    def note(self, now: float, seconds: float) -> None:
        """A final waited ``seconds`` for its turn."""
        self._waits.append((now, max(0.0, seconds)))

    def predicted_s(self, now: float, *, calls: int, busy: float, lag_s: float) -> float:
        """Return the p95 of waits, s, with one more call; that of the event loop if too little is known.

        A queue's wait grows with 1 / (1 - utilisation): the present p95 is scaled by what one call more
        does to that. Only finals count as utilisation; partials give way.

        Args:
            now: s, monotonic.
            calls: live now.
            busy: share of the recogniser's time that finals took, in [0, 1].
            lag_s: by which the event loop is behind.
        """
        while self._waits and self._waits[0][0] < now - WINDOW_S:
            self._waits.popleft()
        if len(self._waits) < FEWEST or not calls:
            return lag_s
        p95 = float(np.quantile([seconds for _at, seconds in self._waits], 0.95))
        left = max(1e-6, 1 - busy * (calls + 1) / calls)
        return p95 * min(MOST_SCALED, max(1.0, (1 - busy) / left)) + lag_s
