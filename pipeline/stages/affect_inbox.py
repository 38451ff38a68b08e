"""What waits for the affect stage; it never makes another stage wait."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

from pipeline.stages.ingest import AudioBlock, Close
from pipeline.stages.segment import SegmentItem
from pipeline.stages.transcribe import Heard

AUDIO_ITEMS = 128
"""Of all items in the inbox, from which further audio is left out: windows of the voice are lost first."""
ITEMS = 512
"""From which everything else but the end of a channel is left out too, and counted."""

AffectItem = SegmentItem | Heard


class AffectInbox:
    """What the stage has yet to look at; offering never waits."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, int, AffectItem]] = deque()  # bounded by offer()
        self._lost: Counter[int] = Counter()
        self._ready = asyncio.Event()
        self.dropped = 0

    def offer(self, channel: int, item: AffectItem) -> None:
        """Take an item of a channel, or leave it out."""
        if isinstance(item, AudioBlock) and len(self._items) >= AUDIO_ITEMS:
            self._lost[channel] += len(item.pcm)
            self.dropped += 1
            return
        if len(self._items) >= ITEMS and not isinstance(item, Close):
            self.dropped += 1
            return
        self._items.append((channel, self._lost.pop(channel, 0), item))
        self._ready.set()

    async def get(self) -> tuple[int, int, AffectItem]:
        """Return channel, samples that were left out before, and item."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()
