"""May another call come? Judged by how long finals would then wait for their turn; pure.

With no admission an overloaded recogniser lets every call lag, by tens of seconds in the servers that do
so; a call that is refused can go to another server at once. How long an inference itself takes is the model's
affair and no reason to refuse anybody.
"""

from __future__ import annotations

from collections import deque

import numpy as np

WINDOW_S = 15.0
"""Time over which finals are looked at, s."""
FEWEST = 10
"""Finals from which their spread is worth something."""
MOST_SCALED = 4.0
"""One call more is never taken to make waits longer than by this factor."""


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
