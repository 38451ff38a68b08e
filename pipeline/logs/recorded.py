"""A CallLog whose events are kept on disk as well; for one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from pipeline.calls.events import CallEvent, Envelope, WarningEvent
from pipeline.calls.log import REDACTED, CallLog, LogEntry, View
from pipeline.record.kept import is_awaited
from pipeline.record.recorder import CallRecorder

STRICT_S = 2.0
"""How long a strict call waits for a disk that stalls; then it goes on, and says so."""


@dataclass(slots=True, eq=False)
class _Pending:
    event: CallEvent
    acked: int
    ready: bool = False


class RecordedCallLog:
    """A :class:`pipeline.calls.log.CallLog`: in memory for those who read, on disk for later.

    A relaxed call tells an event at once and keeps it meanwhile; a strict one tells what was said once it is
    kept, and everything else in its place behind it.

    Args:
        call_id: goes into every envelope.
        inner: the log of those who read now.
        recorder: of the call.
    """

    def __init__(self, call_id: str, inner: CallLog, recorder: CallRecorder) -> None:
        self.recorder = recorder
        self._call_id = call_id
        self._inner = inner
        self._pending: deque[_Pending] = deque()  # of STRICT_S at most
        self._acked = 0
        self._closing = False

    @property
    def first_seq(self) -> int:
        """Number of the oldest event still in memory."""
        return self._inner.first_seq

    @property
    def last_seq(self) -> int:
        """Number of the newest event that was told."""
        return self._inner.last_seq

    @property
    def all_told(self) -> bool:
        """Whether readers can have every event that was appended."""
        return not self._pending

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._inner.closed

    @property
    def stored_seq(self) -> int:
        """Every event that is kept, up to this number, is on disk."""
        return self.recorder.stored_seq

    @property
    def stored_audio(self) -> int:
        """Samples of the call up to which its sound is on disk."""
        return self.recorder.stored_audio

    def append(self, event: CallEvent, acked: int) -> None:
        """Append an event; see :class:`pipeline.calls.log.CallLog`."""
        if self._inner.closed or self._closing:
            return
        self._acked = max(self._acked, acked)
        if self.recorder.strict:
            self._append_strictly(event, acked)
        else:
            self._inner.append(event, acked)
            self.recorder.keep(self._envelope(self._inner.last_seq, event, acked))
            self._close_with_inner()

    def warn(self, code: str, message: str) -> None:
        """Tell whoever follows the call that its record is not as it should be."""
        self.append(WarningEvent(code=code, message=message), self._acked)

    def _append_strictly(self, event: CallEvent, acked: int) -> None:
        pending = _Pending(event, acked)
        number = self._inner.last_seq + len(self._pending) + 1
        self._pending.append(pending)
        envelope = self._envelope(number, event, acked)
        if not is_awaited(event):
            self.recorder.keep(envelope)
            self._release(pending)
            return
        kept = self.recorder.keep(envelope, lambda: self._release(pending))
        if not kept or self.recorder.failing:
            self._release(pending)
        else:
            asyncio.get_running_loop().call_later(STRICT_S, self._release, pending)

    def _release(self, pending: _Pending) -> None:
        pending.ready = True
        while self._pending and self._pending[0].ready:
            first = self._pending.popleft()
            self._inner.append(first.event, first.acked)
        if self._closing and not self._pending:
            self._inner.close()
        self._close_with_inner()

    def _close_with_inner(self) -> None:
        if self._inner.closed:
            self.recorder.close()

    def _envelope(self, seq: int, event: CallEvent, acked: int) -> Envelope:
        return Envelope(call_id=self._call_id, server_seq=seq, acked=acked, event=event)

    def hold_open(self) -> None:
        """Let more events come behind Ended, until :meth:`close`."""
        self._inner.hold_open()

    def close(self) -> None:
        """Let nothing more come; what waits for the disk is still told."""
        self._closing = True
        if not self._pending:
            self._inner.close()
        self._close_with_inner()

    async def read(self, after: int, limit: int = 256, view: View = REDACTED) -> tuple[LogEntry, ...]:
        """Return events; see :class:`pipeline.calls.log.CallLog`."""
        return await self._inner.read(after, limit, view)

    def follow(
        self, after: int, heartbeat_s: float | None = None, view: View = REDACTED
    ) -> AsyncGenerator[LogEntry | None, None]:
        """Yield events; see :class:`pipeline.calls.log.CallLog`."""
        return self._inner.follow(after, heartbeat_s, view)
