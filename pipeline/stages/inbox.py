"""What waits for a stage that assists; it never makes another stage wait."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

from pipeline.stages.heard import Answered, Heard, Partly
from pipeline.stages.ingest import AudioBlock, Close
from pipeline.stages.segment import SegmentItem

AUDIO_ITEMS = 128
"""Of all items in the inbox, from which further audio is left out: the voice is lost first."""
ITEMS = 384
"""Above that, from which everything else but the end of a channel is left out too, and counted."""

TURNS = 64
"""Of what waits for suggestions; above that partials and finals are left out, and counted."""

InboxItem = SegmentItem | Heard | Answered
TurnItem = Heard | Partly | Close


class Inbox:
    """What the stage has yet to look at; offering never waits.

    Args:
        audio_items: of all items, from which further audio is left out.
    """

    def __init__(self, audio_items: int = AUDIO_ITEMS) -> None:
        self._audio_items = audio_items
        self._items: deque[tuple[int, int, InboxItem]] = deque()  # bounded by offer()
        self._lost: Counter[int] = Counter()
        self._ready = asyncio.Event()
        self.dropped = 0

    def offer(self, channel: int, item: InboxItem) -> None:
        """Take an item of a channel, or leave it out."""
        if isinstance(item, AudioBlock) and len(self._items) >= self._audio_items:
            self._lost[channel] += len(item.pcm)
            self.dropped += 1
            return
        if len(self._items) >= self._audio_items + ITEMS and not isinstance(item, Close):
            self.dropped += 1
            return
        self._items.append((channel, self._lost.pop(channel, 0), item))
        self._ready.set()

    async def get(self) -> tuple[int, int, InboxItem]:
        """Return channel, samples that were left out before, and item."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()


class TurnInbox:
    """What was said, for the stage that suggests; a newer partial takes the place of an older one."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, TurnItem]] = deque()  # bounded by offer()
        self._ready = asyncio.Event()
        self.dropped = 0

    def offer(self, channel: int, item: TurnItem) -> None:
        """Take an item of a channel, or leave it out; never waits."""
        older = [entry for entry in self._items if entry[0] == channel and isinstance(entry[1], Partly)]
        for entry in older:
            self._items.remove(entry)
        if len(self._items) >= TURNS and not isinstance(item, Close):
            self.dropped += 1
            return
        self._items.append((channel, item))
        self._ready.set()

    async def get(self) -> tuple[int, TurnItem]:
        """Return channel and item."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inboxes:
    """Of the stages that assist; none makes the transcript wait.

    Attributes:
        affect: emotion and alerts.
        diarize: who speaks.
        advise: suggestions.
        listening: those that want the sound too; waking the others for it would cost more than the wire.
    """

    affect: Inbox
    diarize: Inbox
    advise: TurnInbox
    listening: tuple[Inbox, ...]

    def offer(self, channel: int, item: InboxItem | Partly) -> None:
        """Tell every stage what it wants to know."""
        if isinstance(item, AudioBlock):
            for inbox in self.listening:
                inbox.offer(channel, item)
            return
        if isinstance(item, Heard | Partly | Close):
            self.advise.offer(channel, item)
        if not isinstance(item, Partly):
            for inbox in (self.affect, self.diarize):
                inbox.offer(channel, item)
