"""Calls that have ended a moment ago, on whichever node, for those who still read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from pipeline.calls.events import CallEvent, Envelope
from pipeline.calls.info import CallInfo
from pipeline.calls.log import REDACTED, CallLog, LogEntry, View


class PastCallLog:
    """A :class:`pipeline.calls.log.CallLog` of what was kept; nothing more comes.

    Args:
        told: in order.
    """

    stored_seq = 0
    stored_audio = 0
    all_told = True
    closed = True

    def __init__(self, told: tuple[Envelope, ...]) -> None:
        self._told = told

    @property
    def first_seq(self) -> int:
        """Number of the oldest event."""
        return self._told[0].server_seq if self._told else 1

    @property
    def last_seq(self) -> int:
        """Number of the newest event."""
        return self._told[-1].server_seq if self._told else 0

    def append(self, event: CallEvent, acked: int) -> None:
        """Take nothing: the call is over."""

    def hold_open(self) -> None:
        """Do nothing: the call is over."""

    def close(self) -> None:
        """Do nothing: the call is over."""

    async def read(self, after: int, limit: int = 256, view: View = REDACTED) -> tuple[LogEntry, ...]:
        """Return events; what they hide is not kept, so that every view is the same."""
        return tuple([LogEntry(envelope=told) for told in self._told if told.server_seq > after][:limit])

    async def follow(
        self, after: int, heartbeat_s: float | None = None, view: View = REDACTED
    ) -> AsyncGenerator[LogEntry | None, None]:
        """Yield the events behind a number."""
        for entry in await self.read(after, len(self._told)):
            yield entry


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A call that has ended.

    Attributes:
        info: whose it was.
        log: of it.
    """

    info: CallInfo
    log: CallLog
