"""Notices that a client has fallen silent, with one timer a stream instead of one a message."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from pipeline.errors import CallError, IdleTimeout


class IdleWatch:
    """Tells once that nothing came for a while; for one event loop.

    Args:
        wait_s: how long may pass without a message.
        tell: is told the error.
    """

    def __init__(self, wait_s: float, tell: Callable[[CallError], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell = tell
        self._wait_s = wait_s
        self._last = self._loop.time()
        self._timer = self._loop.call_later(wait_s, self._look)

    def heard(self) -> None:
        """A message came, and is being taken."""
        self._last = math.inf  # however long that takes: it is not the client who is silent

    def taken(self) -> None:
        """The next message may come."""
        self._last = self._loop.time()

    def wait(self, wait_s: float) -> None:
        """Let ``wait_s`` pass without a message from now on."""
        self._wait_s = wait_s
        self._timer.cancel()
        self._timer = self._loop.call_later(wait_s, self._look)

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._last  # -inf while a message is being taken
        if silent < self._wait_s:
            self._timer = self._loop.call_later(self._wait_s - max(0.0, silent), self._look)
            return
        self._tell(
            IdleTimeout(
                f"no audio came for {self._wait_s:.0f} s (limits.idle_timeout_s); send Pause for a hold"
            )
        )
