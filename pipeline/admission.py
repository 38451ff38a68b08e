"""May another call come? Judged by how long finals would then take; pure, the caller gives the time.

With no admission an overloaded recogniser lets every call lag, by tens of seconds in the servers that do
so; a call that is refused can go to another server at once.
"""

from __future__ import annotations

from collections import deque

import numpy as np

WINDOW_S = 15.0
"""Over which finals are looked at."""
FEWEST = 5
"""Finals from which their spread is worth something."""
NEARLY_FULL = 0.98
"""Share of busy time beyond which the prediction is bounded."""


class Admission:
    """Follows the finals of all calls."""

    def __init__(self) -> None:
        self._finals: deque[tuple[float, float]] = deque(maxlen=4096)

    def note(self, now: float, seconds: float) -> None:
        """A final took ``seconds`` from its request to its result."""
        self._finals.append((now, seconds))

    def predicted_s(self, now: float, *, calls: int, busy: float, lag_s: float) -> float:
        """Return the p95 of finals, s from request to result, with one more call; 0 if too little is known.

        A queue's wait grows with 1 / (1 - utilisation): the present p95 is scaled by what one call more
        does to that. Only finals count as utilisation; partials give way.

        Args:
            now: s, monotonic.
            calls: live now.
            busy: share of the recogniser's time that finals took, in [0, 1].
            lag_s: by which the event loop is behind.
        """
        while self._finals and self._finals[0][0] < now - WINDOW_S:
            self._finals.popleft()
        if len(self._finals) < FEWEST or not calls:
            return lag_s
        p95 = float(np.quantile([seconds for _at, seconds in self._finals], 0.95))
        more = min(NEARLY_FULL, busy * (calls + 1) / calls)
        return p95 * (1 - min(NEARLY_FULL, busy)) / (1 - more) + lag_s
