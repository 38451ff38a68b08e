"""A CallLog whose events outlive their node: what must not be lost is told once it is committed.

Nothing overtakes an event that waits: a reader that had a later number would never ask for it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from pipeline.calls.codec import decode, encode
from pipeline.calls.events import (
    AlertEvent,
    AttributionEvent,
    CallEvent,
    Ended,
    Envelope,
    ErrorEvent,
    Mark,
    RedactionEvent,
    SpeakerEvent,
    SuggestionEvent,
    TranscriptEvent,
    WarningEvent,
)
from pipeline.calls.info import SAMPLE_RATE, CallPart, InForce
from pipeline.calls.log import REDACTED, CallLog, LogEntry, View
from pipeline.calls.shifting import shifted
from pipeline.cluster.beat import Beat
from pipeline.cluster.store import ClusterStore
from pipeline.errors import CallMoved
from pipeline.redaction.views import seen

POSITION_S = 1
"""Seconds of audio after which a position is written that nothing was told of."""
_KEPT = (
    RedactionEvent, AlertEvent, AttributionEvent, SpeakerEvent, SuggestionEvent, Mark, ErrorEvent, Ended,
)  # fmt: skip


@dataclass(slots=True, eq=False)
class _Pending:
    event: CallEvent
    seq: int
    acked: int
    ready: bool


def outlives(event: CallEvent) -> bool:
    """Tell whether an event must not be lost with its node."""
    return isinstance(event, _KEPT) or (isinstance(event, TranscriptEvent) and event.final)


class ClusterCallLog:
    """A :class:`pipeline.calls.log.CallLog`; for one event loop.

    Args:
        call_id: of the call.
        part: of it.
        inner: the log of those who read now, and of the record; it counts from ``part.last_seq``.
        beat: writes.
        store: has what parts before have told.
        told_after_s: how long an event waits for a database that does not answer.

    Attributes:
        uid: of the call.
        epoch: of the part.
        acked: samples of the call that are safe, whatever happens to this node.
        lost: called once where another node has the call.
    """

    def __init__(
        self,
        call_id: str,
        part: CallPart,
        inner: CallLog,
        beat: Beat,
        store: ClusterStore,
        told_after_s: float,
    ) -> None:
        self.uid, self.epoch = part.uid, part.epoch
        self.acked = part.origin
        self.lost: Callable[[], None] = lambda: None
        self._call_id, self._part = call_id, part
        self._inner, self._beat, self._store = inner, beat, store
        self._told_after_s = told_after_s
        self._pending: deque[_Pending] = deque()  # of told_after_s at most
        self._wanted = part.origin  # what is safe once everything is written
        self._position = part.origin  # that was written last
        self._controls: Callable[[int], InForce] | None = None
        self._gone = self._closing = False
        self._full = False  # something could not be kept: nothing behind it counts as safe

    # ---------------------------------------------------------------- of the call

    def bind(self, controls: Callable[[int], InForce]) -> None:
        """Ask the call for its controls from now on; it counts from the beginning of its part."""
        self._controls = controls

    def in_force(self, at: int) -> InForce:
        """Return the controls at a sample of the call."""
        if self._controls is None:
            raise RuntimeError("the log of a call that has not begun")
        return self._controls(max(0, at - self._part.origin))

    @property
    def first_seq(self) -> int:
        """Number of the oldest event that can be read, in memory or in the database."""
        return 1 if self._part.last_seq else self._inner.first_seq

    @property
    def last_seq(self) -> int:
        """Number of the newest event that was told."""
        return self._inner.last_seq

    @property
    def inner(self) -> CallLog:
        """The log on this node, of what was told."""
        return self._inner

    @property
    def stored_seq(self) -> int:
        """Every event that is kept, up to this number, is in the record."""
        return self._inner.stored_seq

    @property
    def stored_audio(self) -> int:
        """Samples of the call up to which its sound is in the record."""
        return self._inner.stored_audio

    @property
    def all_told(self) -> bool:
        """Whether readers can have every event that was appended."""
        return not self._pending

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._inner.closed

    def append(self, event: CallEvent, acked: int) -> None:
        """Append an event; see :class:`pipeline.calls.log.CallLog`."""
        if self._gone or self._inner.closed or self._closing:
            return
        event = shifted(event, self._part.origin)
        if not self._full:
            self._wanted = max(self._wanted, acked + self._part.origin)
        seq = self._inner.last_seq + len(self._pending) + 1
        kept = outlives(event) and self._put(event, seq)
        pending = _Pending(event, seq, self._wanted, ready=not kept)
        self._pending.append(pending)
        if kept:
            asyncio.get_running_loop().call_later(self._told_after_s, self._let_go, pending)
        elif self._wanted - self._position >= POSITION_S * SAMPLE_RATE:
            self._note_position()
        self._release()

    def _put(self, event: CallEvent, seq: int) -> bool:
        """Let an event be written, redacted; return whether there is room."""
        envelope = Envelope(call_id=self._call_id, server_seq=seq, acked=self._wanted, event=event)
        body = encode(seen(envelope, REDACTED))
        self._position = self._wanted
        kept = self._beat.put(self, self._wanted, seq, body, ended=isinstance(event, Ended))
        self._full = self._full or not kept
        return kept

    def _note_position(self) -> None:
        self._position = self._wanted
        self._beat.put(self, self._wanted, self._inner.last_seq, None)

    def _let_go(self, pending: _Pending) -> None:
        """Tell an event although the database does not answer; it does not count as safe."""
        if not pending.ready:
            pending.ready = True
            self._release()

    def _release(self) -> None:
        while self._pending and self._pending[0].ready and not self._gone:
            first = self._pending.popleft()
            self._inner.append(first.event, min(first.acked, self.acked))
        if self._closing and not self._pending:
            self._inner.close()

    # ---------------------------------------------------------------- of the database

    def written(self, acked: int, seq: int) -> None:
        """Everything up to number ``seq`` is safe, and audio up to ``acked``."""
        self.acked = max(self.acked, acked)
        for pending in self._pending:
            if pending.seq <= seq:
                pending.ready = True
        self._release()

    def fenced(self) -> None:
        """Another node has the call: nothing more is told of it here."""
        if not self._gone:
            self.leave()
            self.lost()

    def leave(self) -> None:
        """Let nothing more be told here; whoever follows is told that the call goes on somewhere else."""
        self._gone = True
        self._pending.clear()
        self._inner.close()

    # ---------------------------------------------------------------- readers

    def warn(self, code: str, message: str) -> None:
        """Tell whoever follows the call."""
        self.append(WarningEvent(code=code, message=message), max(0, self._wanted - self._part.origin))

    def hold_open(self) -> None:
        """Let more events come behind Ended, until :meth:`close`."""
        self._inner.hold_open()

    def close(self) -> None:
        """Let nothing more come; what waits for the database is still told."""
        self._closing = True
        self._release()

    async def read(self, after: int, limit: int = 256, view: View = REDACTED) -> tuple[LogEntry, ...]:
        """Return events; see :class:`pipeline.calls.log.CallLog`."""
        before = await self._before(after)
        rest = await self._inner.read(max(after, self._part.last_seq), limit, view)
        return (*before, *rest)[:limit]

    async def follow(
        self, after: int, heartbeat_s: float | None = None, view: View = REDACTED
    ) -> AsyncGenerator[LogEntry | None, None]:
        """Yield events; see :class:`pipeline.calls.log.CallLog`."""
        for entry in await self._before(after):
            yield entry
        async for found in self._inner.follow(max(after, self._part.last_seq), heartbeat_s, view):
            yield found
        if self._gone:
            raise CallMoved("another node has the call; watch it again")

    async def _before(self, after: int) -> list[LogEntry]:
        """Return what parts before have told behind a number."""
        if after >= self._part.last_seq:
            return []
        bodies = await asyncio.to_thread(self._store.told, self.uid, after)
        found = [decode(body) for body in bodies]
        return [LogEntry(envelope=item) for item in found if item.server_seq <= self._part.last_seq]
