"""The events of one call, for everyone who reads them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from cantonese.personal import Category
from pipeline.calls.events import (
    CallEvent,
    EmotionEvent,
    Envelope,
    HealthReport,
    RedactionEvent,
    TranscriptEvent,
)
from pipeline.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One event for one reader.

    Attributes:
        envelope: the event, numbered.
        missed: events before it that are gone, because the reader came too late for them.
    """

    envelope: Envelope
    missed: int = 0


View = frozenset[Category]
"""Categories of personal data that a reader may see."""
REDACTED: View = frozenset()
"""What everybody sees who has no need of more."""


class CallLog(Protocol):
    """A bounded log of numbered events; each reader has its own cursor: the number of the last event it has.

    A reader that is behind skips what was replaced meanwhile (see :func:`replaces`) and is told how much of
    the rest is gone. Nothing else is ever skipped. Personal data is hidden from every reader who does not
    name the categories that it may see.
    """

    @property
    def first_seq(self) -> int:
        """Number of the oldest event still kept; last_seq + 1 when empty."""
        ...

    @property
    def last_seq(self) -> int:
        """Number of the newest event; 0 when empty."""
        ...

    @property
    def all_told(self) -> bool:
        """Whether readers can have every event that was appended; false while some wait for a disk."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        ...

    @property
    def stored_seq(self) -> int:
        """Every event that is kept, up to this number, is on disk; 0 where nothing is kept."""
        ...

    @property
    def stored_audio(self) -> int:
        """Samples of the call up to which its sound is on disk; 0 where it is not kept."""
        ...

    def append(self, event: CallEvent, acked: int) -> None:
        """Append an event; never waits. Ended closes the log, unless it is held open.

        Args:
            event: what happened.
            acked: samples of audio that are safe: everything said in them is in finals up to this event.
        """
        ...

    async def read(self, after: int, limit: int = 256, view: View = REDACTED) -> tuple[LogEntry, ...]:
        """Return at most ``limit`` events behind number ``after``, oldest first, without waiting for more."""
        ...

    def follow(
        self, after: int, heartbeat_s: float | None = None, view: View = REDACTED
    ) -> AsyncGenerator[LogEntry | None, None]:
        """Yield the events behind number ``after``, then each further one; ends when the log is closed.

        Args:
            after: number of the last event that the reader has.
            heartbeat_s: None is yielded whenever nothing came for so long.
            view: personal data that the reader may see.
        """
        ...

    def hold_open(self) -> None:
        """Let more events come behind Ended, until :meth:`close`."""
        ...

    def close(self) -> None:
        """Let nothing more come."""
        ...


def check_cursor(log: CallLog, after: int) -> None:
    """Check the number of the last event that a reader says it has.

    Raises:
        InvalidRequest: the log has no such event.
    """
    if not 0 <= after <= log.last_seq:
        raise InvalidRequest(f"this call has no event {after}; its newest one is {log.last_seq}")


def replaceable(event: CallEvent) -> str | None:
    """Return the name of what a newer event of the same name makes void; None for what stands for ever."""
    if isinstance(event, TranscriptEvent) and not event.final:
        return event.utterance_id
    if isinstance(event, EmotionEvent) and event.quality == 0:
        return f"agitation {event.channel}"  # a point of the curve; the next one says it all
    if isinstance(event, RedactionEvent):
        return f"redaction {event.final.utterance_id}"
    return "health" if isinstance(event, HealthReport) else None


def replaces(event: CallEvent) -> str | None:
    """Return the name of what this event makes void; None if nothing."""
    return event.utterance_id if isinstance(event, TranscriptEvent) else replaceable(event)
