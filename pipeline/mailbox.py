"""A bounded queue of one call's messages that can be closed from outside, even when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Many writers, one reader; for one event loop.

    Args:
        size: messages kept. When full, :meth:`put` waits: the client is held back by flow control.
    """

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque()
        self._last: T | None = None
        self._room = asyncio.Semaphore(size)
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> None:
        """Append ``item``; wait while the box is full."""
        await self._room.acquire()
        self._items.append(item)
        self._changed.set()

    def close(self, last: T) -> None:
        """Let the reader get ``last`` behind what is in the box; the first call counts."""
        if self._last is None:
            self._last = last
            self._changed.set()

    @property
    def full(self) -> bool:
        """Whether a writer would have to wait."""
        return self._room.locked()

    async def filled(self) -> None:
        """Wait until there is something to take."""
        while not self._items and self._last is None:
            self._changed.clear()
            await self._changed.wait()

    def take(self) -> list[T]:
        """Return all that is there, in order; once the box is closed and empty the last item, every time."""
        items = list(self._items)
        self._items.clear()
        for _ in items:
            self._room.release()
        return items if items or self._last is None else [self._last]
