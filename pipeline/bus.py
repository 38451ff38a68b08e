"""One call's events for everyone who reads them: a bounded log with a cursor for each reader.

A reader that is behind skips what was replaced meanwhile (partials, points of agitation, health); nothing
else is ever skipped. What is
pushed out of the log is lost for readers that had not come so far: they are told how many.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass

from pipeline.assist import EmotionEvent
from pipeline.events import CallEvent, Ended, Envelope, HealthReport, TranscriptEvent

LOG_LENGTH = 8192
"""Events kept for each call. When full, the oldest goes; a telephony client that far behind is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one reader, and how many it missed before."""

    envelope: Envelope
    missed: int


class EventLog:
    """The log of one call; for one event loop.

    Args:
        call_id: goes into every envelope.
        length: events kept.
    """

    def __init__(self, call_id: str, length: int = LOG_LENGTH) -> None:
        self._call_id = call_id
        self._kept: deque[Envelope | None] = deque(maxlen=length)  # None: replaced, of no use to anybody
        self._last_seq = 0
        self._newest: dict[str, int] = {}  # replaceable thing -> its newest server_seq
        self._changed = asyncio.Event()
        self._closed = False
        self._held = False

    @property
    def last_seq(self) -> int:
        """Number of the newest event."""
        return self._last_seq

    @property
    def first_seq(self) -> int:
        """Number of the oldest event still kept; last_seq + 1 when empty."""
        return self._last_seq - len(self._kept) + 1

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    def hold_open(self) -> None:
        """Let more events come behind Ended, until :meth:`close`."""
        self._held = True

    def close(self) -> None:
        """Let nothing more come."""
        self._held = False
        self._closed = True
        self._wake()

    def publish(self, event: CallEvent, acked: int) -> None:
        """Append an event; Ended closes the log, unless it is held open."""
        if self._closed:
            return
        key = _replaceable(event) or (event.utterance_id if isinstance(event, TranscriptEvent) else None)
        if key:
            self._forget(self._newest.get(key, 0), key)
        self._last_seq += 1
        if key:
            self._newest[key] = self._last_seq
        while len(self._newest) > LOG_LENGTH:
            self._newest.pop(next(iter(self._newest)))
        self._kept.append(
            Envelope(call_id=self._call_id, server_seq=self._last_seq, acked=acked, event=event)
        )
        self._closed = isinstance(event, Ended) and not self._held
        self._wake()

    def _forget(self, seq: int, key: str) -> None:
        """Let go of what is being replaced: an hour of partials is an hour of memory."""
        back = self._last_seq - seq + 1
        if seq and back <= len(self._kept):
            old = self._kept[-back]
            if old is not None and _replaceable(old.event) == key:
                self._kept[-back] = None

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def next(self, after: int) -> Delivery | None:
        """Return the first event behind number ``after``; None when the call is over.

        Replaced partials are passed over. Waits until there is one.
        """
        while True:
            missed = max(0, self.first_seq - after - 1)
            envelope = self._first_behind(after)
            if envelope is not None:
                return Delivery(envelope=envelope, missed=missed)
            if self._closed:
                return None
            await self._changed.wait()

    def _first_behind(self, after: int) -> Envelope | None:
        start = max(0, after + 1 - self.first_seq)
        kept = itertools.islice(self._kept, start, None)
        return next((envelope for envelope in kept if envelope is not None), None)


def _replaceable(event: CallEvent) -> str | None:
    """Return the name of what a newer event of the same name makes void."""
    if isinstance(event, TranscriptEvent) and not event.final:
        return event.utterance_id
    if isinstance(event, EmotionEvent) and event.quality == 0:
        return f"agitation {event.channel}"  # a point of the curve; the next one says it all
    return "health" if isinstance(event, HealthReport) else None
