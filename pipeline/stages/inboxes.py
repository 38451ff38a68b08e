"""What waits for a stage that assists; it never makes another stage wait."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

from pipeline.calls.commands import CloseAlert, CommandMessage, KeepNow
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import UnknownCall
from pipeline.stages.items import AudioBlock, ChannelItem, Close, FinalReady, LookupOutcome, PartialReady

MOST_AUDIO = 5 * SAMPLE_RATE
"""Samples of audio in an inbox, over channels, above which further audio is left out: it is lost first."""
MOST_OTHERS = 384
"""Other items, small ones, from which all but the end of a channel is left out too, and counted."""
MOST_TURNS = 64
"""Items that wait for suggestions; above that partials and finals are left out, and counted."""

InboxItem = ChannelItem | FinalReady | LookupOutcome | CommandMessage
TurnItem = FinalReady | PartialReady | Close | CommandMessage


class Inbox:
    """What the stage has yet to look at; offering never waits.

    Args:
        most_audio: samples of audio, over channels, from which further audio is left out.
        gathered: samples of audio, over channels, that alone wake nobody: a stage that is not in a hurry
            is woken once for many packets.
    """

    def __init__(self, most_audio: int = MOST_AUDIO, gathered: int = 0) -> None:
        self._most_audio, self._gathered = most_audio, gathered
        self._items: deque[tuple[int, int, InboxItem]] = deque()  # bounded by offer()
        self._audio = 0
        self._others = 0
        self._lost: Counter[int] = Counter()
        self._ready = asyncio.Event()
        self.dropped = 0

    def offer(self, channel: int, item: InboxItem) -> None:
        """Take an item of a channel, or leave it out."""
        if isinstance(item, AudioBlock):
            if self._audio >= self._most_audio:
                self._lost[channel] += len(item.pcm)
                self.dropped += 1
                return
            self._audio += len(item.pcm)
        elif self._others >= MOST_OTHERS and not isinstance(item, Close):
            self.dropped += 1
            _refuse(item)
            return
        else:
            self._others += 1
        self._items.append((channel, self._lost.pop(channel, 0), item))
        if self._audio > self._gathered or not isinstance(item, AudioBlock):
            self._ready.set()

    async def get(self) -> tuple[int, int, InboxItem]:
        """Return channel, samples that were left out before, and item."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        entry = self._items.popleft()
        item = entry[2]
        if isinstance(item, AudioBlock):
            self._audio -= len(item.pcm)
        else:
            self._others -= 1
        return entry


def _refuse(item: InboxItem | TurnItem) -> None:
    """Let nobody wait for the answer to a command that was left out."""
    if isinstance(item, CommandMessage):
        item.refuse(UnknownCall("the call is too far behind to take the command; try again"))


class TurnInbox:
    """What was said, for the stage that suggests; a newer partial takes the place of an older one."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, TurnItem]] = deque()  # bounded by offer()
        self._ready = asyncio.Event()
        self.dropped = 0

    def offer(self, channel: int, item: TurnItem) -> None:
        """Take an item of a channel, or leave it out; never waits."""
        older = [entry for entry in self._items if entry[0] == channel and isinstance(entry[1], PartialReady)]
        for entry in older:
            self._items.remove(entry)
        if len(self._items) >= MOST_TURNS and not isinstance(item, Close):
            self.dropped += 1
            _refuse(item)
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
    """The inboxes of the stages that assist; none makes the transcript wait.

    Attributes:
        emotion: emotion and alerts.
        speakers: who speaks.
        suggestions: replies for the agent.
        listening: those that want the sound too; waking the others for it would cost more than the wire.
        recording: one of these, which wants nothing but the sound and its end; None where none is kept.
    """

    emotion: Inbox
    speakers: Inbox
    suggestions: TurnInbox
    listening: tuple[Inbox, ...]
    recording: Inbox | None = None

    def offer(self, channel: int, item: ChannelItem | FinalReady | PartialReady) -> None:
        """Tell every stage what it wants to know."""
        if isinstance(item, AudioBlock):
            for inbox in self.listening:
                inbox.offer(channel, item)
            return
        if isinstance(item, Close) and self.recording is not None:
            self.recording.offer(channel, item)
        if isinstance(item, FinalReady | PartialReady | Close):
            self.suggestions.offer(channel, item)
        if not isinstance(item, PartialReady):
            for inbox in (self.emotion, self.speakers):
                inbox.offer(channel, item)

    def command(self, message: CommandMessage) -> None:
        """Hand a command to the stage that it is for."""
        if isinstance(message.command, CloseAlert):
            self.emotion.offer(0, message)
        elif isinstance(message.command, KeepNow):
            if self.recording is None:
                message.answer()
            else:
                self.recording.offer(0, message)
        else:
            self.suggestions.offer(0, message)
