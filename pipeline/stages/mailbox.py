"""A bounded queue of one call's messages that can be closed from outside, even when it is full."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.audio.codecs import BYTES_PER_SAMPLE
from pipeline.calls.info import CallSpec
from pipeline.calls.messages import AudioChunk, CallMessage

T = TypeVar("T")
LEAST_MESSAGE_S = 0.01
"""What a message counts for that holds less audio, or none, s: so that messages are bounded too."""


class Mailbox(Generic[T]):
    """Many writers, one reader; for one event loop.

    Args:
        limit: how much is kept, in the unit of ``size``. When full, :meth:`put` waits: the client is held
            back by flow control. A single item that is larger comes in when there is room at all.
        size: gives the size of an item, above 0.
    """

    def __init__(self, limit: int, size: Callable[[T], int]) -> None:
        self._limit = limit
        self._size = size
        self._items: deque[T] = deque()
        self._held = 0
        self._last: T | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: T) -> None:
        """Append ``item``; wait while the box is full."""
        while self.full:
            self._room.clear()
            await self._room.wait()
        self.put_now(item)

    def put_now(self, item: T) -> None:
        """Append ``item`` although the box may be full: for the few small items that must not wait."""
        self._items.append(item)
        self._held += self._size(item)
        self._changed.set()

    def close(self, last: T) -> None:
        """Let the reader get ``last`` behind what is in the box; the first call counts."""
        if self._last is None:
            self._last = last
            self._changed.set()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._last is not None

    @property
    def full(self) -> bool:
        """Whether a writer would have to wait."""
        return self._held >= self._limit

    async def filled(self) -> None:
        """Wait until there is something to take."""
        while not self._items and self._last is None:
            self._changed.clear()
            await self._changed.wait()

    def take(self) -> list[T]:
        """Return all that is there, in order; once the box is closed and empty the last item, every time."""
        items = list(self._items)
        self._items.clear()
        self._held = 0
        self._room.set()
        return items if items or self._last is None else [self._last]


def size_of_messages(spec: CallSpec) -> Callable[[CallMessage], int]:
    """Return what gives the size of a message in samples, as sent, at least :data:`LEAST_MESSAGE_S`."""
    least = int(LEAST_MESSAGE_S * spec.sample_rate)
    frame = BYTES_PER_SAMPLE[spec.codec] * len(spec.roles)

    def size(message: CallMessage) -> int:
        return max(least, len(message.data) // frame) if isinstance(message, AudioChunk) else least

    return size
