"""The events of one call in memory: a bounded log with a cursor for each reader.

What is pushed out of the log is lost for readers that had not come so far: they are told how many. Only the
newest events are kept as they are, older ones packed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from pipeline.calls.events import CallEvent, Ended, Envelope
from pipeline.calls.log import REDACTED, LogEntry, View, replaceable, replaces
from pipeline.logs.packing import Packed, packed
from pipeline.redaction.views import seen

LOG_LENGTH = 8192
"""Events kept for each call. When full, the oldest go, 64 at once; a client that far behind is ended."""
UNPACKED = 128
"""Newest events that are kept as they are: live readers are hardly ever further behind."""
PACK = 64
"""Events packed together."""


@dataclass(slots=True)
class _Reader:
    """Where one reader is.

    Attributes:
        after: number of the last event that it has.
        view: personal data that it may see.
        page: what it has unpacked, if it is far behind.
        events: in that page.
    """

    after: int
    view: View = REDACTED
    page: Packed | None = None
    events: tuple[Envelope, ...] = ()


class MemoryCallLog:
    """A :class:`pipeline.calls.log.CallLog`; for one event loop.

    Args:
        call_id: goes into every envelope.
        length: events kept.
        appended: is told every event.
        after: number behind which events are counted.

    Attributes:
        stored_seq: nothing of it is on a disk.
        stored_audio: the same.
        all_told: nothing waits for a disk.
    """

    stored_seq = 0
    stored_audio = 0
    all_told = True

    def __init__(
        self,
        call_id: str,
        length: int = LOG_LENGTH,
        appended: Callable[[CallEvent], None] | None = None,
        after: int = 0,
    ) -> None:
        self._call_id = call_id
        self._length = length
        self._appended = appended
        self._old: deque[Packed] = deque()
        self._kept: deque[Envelope | None] = deque()  # None: replaced, of no use to anybody
        self._last_seq = after
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
        return self._old[0].first if self._old else self._first_kept

    @property
    def _first_kept(self) -> int:
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

    def append(self, event: CallEvent, acked: int) -> None:
        """Append an event; Ended closes the log, unless it is held open."""
        if self._closed:
            return
        if name := replaces(event):
            self._forget(self._newest.pop(name, 0))
        self._last_seq += 1
        if name := replaceable(event):
            self._newest[name] = self._last_seq
        self._kept.append(
            Envelope(call_id=self._call_id, server_seq=self._last_seq, acked=acked, event=event)
        )
        self._shorten()
        self._closed = isinstance(event, Ended) and not self._held
        if self._appended is not None:
            self._appended(event)
        self._wake()

    def _forget(self, seq: int) -> None:
        """Let go of what is being replaced: an hour of partials is an hour of memory."""
        if seq >= self._first_kept:
            self._kept[seq - self._first_kept] = None

    def _shorten(self) -> None:
        """Pack what is no longer new, and drop what is too old."""
        if len(self._kept) >= UNPACKED + PACK:
            first = self._first_kept
            self._old.append(packed(first, [self._kept.popleft() for _ in range(PACK)]))
        while self._last_seq - self.first_seq >= self._length:
            (self._old or self._kept).popleft()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, after: int, limit: int = 256, view: View = REDACTED) -> tuple[LogEntry, ...]:
        """Return at most ``limit`` events behind number ``after``, without waiting for more."""
        reader = _Reader(after, view)
        found: list[LogEntry] = []
        while len(found) < limit and (entry := self._next(reader)) is not None:
            found.append(entry)
        return tuple(found)

    async def follow(
        self, after: int, heartbeat_s: float | None = None, view: View = REDACTED
    ) -> AsyncGenerator[LogEntry | None, None]:
        """Yield the events behind number ``after``, then each further one, until the log is closed."""
        reader = _Reader(after, view)
        while True:
            if (entry := self._next(reader)) is not None:
                yield entry
            elif self._closed:
                return
            elif not await self._change(heartbeat_s):
                yield None

    async def _change(self, within_s: float | None) -> bool:
        """Wait for the next change; tell whether it came in time."""
        changed = self._changed
        try:
            async with asyncio.timeout(within_s):
                await changed.wait()
        except TimeoutError:
            return changed.is_set()  # it came while the time ran out
        return True

    def _next(self, reader: _Reader) -> LogEntry | None:
        """Return the next event for ``reader`` and move it on; None if there is none yet."""
        missed = max(0, self.first_seq - reader.after - 1)
        envelope = self._first_behind(reader)
        if envelope is None:
            return None
        reader.after = envelope.server_seq
        return LogEntry(envelope=seen(envelope, reader.view), missed=missed)

    def _first_behind(self, reader: _Reader) -> Envelope | None:
        return self._first_packed(reader) or self._first_unpacked(reader.after)

    def _first_packed(self, reader: _Reader) -> Envelope | None:
        if reader.after + 1 >= self._first_kept:
            reader.page, reader.events = None, ()
            return None
        for page in self._old:
            if page.last <= reader.after:
                continue
            if reader.page is not page:
                reader.page, reader.events = page, page.unpacked()
            for envelope in reader.events:
                if envelope.server_seq > reader.after and self._stands(envelope):
                    return envelope
        return None

    def _first_unpacked(self, after: int) -> Envelope | None:
        start = max(0, after + 1 - self._first_kept)
        kept = itertools.islice(self._kept, start, None)
        return next((envelope for envelope in kept if envelope is not None), None)

    def _stands(self, envelope: Envelope) -> bool:
        """Tell whether nothing newer makes an event void that was packed before."""
        name = replaceable(envelope.event)
        return name is None or self._newest.get(name) == envelope.server_seq
