"""Guesses of passwords: so many for a name, then none for a while. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST = 10
"""Wrong passwords in a row for a name, behind which nobody logs in under it for a while."""
WAIT_S = 60.0
NAMES = 10_000
"""Names that are remembered; the one that was tried longest ago goes."""


class Guesses:
    """Counts wrong passwords.

    So whoever knows a name can lock it, for a minute at a time; that is better than a guessed password.

    Args:
        clock: s, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}  # bounded by NAMES

    def may(self, name: str) -> bool:
        """Tell whether somebody may try a password for a name now."""
        count, last = self._wrong.get(name, (0, 0.0))
        return count < MOST or self._clock() - last >= WAIT_S

    def wrong(self, name: str) -> None:
        """Note a wrong password."""
        count, last = self._wrong.pop(name, (0, 0.0))
        now = self._clock()
        self._wrong[name] = (count + 1 if now - last < WAIT_S else 1, now)
        if len(self._wrong) > NAMES:
            del self._wrong[next(iter(self._wrong))]

    def right(self, name: str) -> None:
        """Forget the wrong ones of a name."""
        self._wrong.pop(name, None)
