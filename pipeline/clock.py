"""Wall-clock time and waiting for it, so that tests need not wait as long as a receiver that is down."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Wall-clock time.

    Args:
        pace: how many seconds of it pass in one second; 1 in earnest.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace
        self._began = time.time()

    def now(self) -> float:
        """Return the time, s since 1970 UTC."""
        return self._began + (time.time() - self._began) * self._pace

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        await asyncio.sleep(seconds / self._pace)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for an event, but no longer than that; return whether it came."""
        try:
            async with asyncio.timeout(seconds / self._pace):
                await event.wait()
        except TimeoutError:
            return False
        return True
