"""What was sent in a call and is not acknowledged yet: sent again when the line broke. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

KEPT_MS = 300_000
"""Audio that is kept for a new line. When so much is not acknowledged, the sender waits."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A message, and where it ends on the time line, in ms."""

    message: pb.StreamCallRequest
    end_ms: float


class Journal:
    """Messages in their order; a cursor stands behind the last one that the present line has had.

    Args:
        kept_ms: audio kept.
    """

    def __init__(self, kept_ms: float = KEPT_MS) -> None:
        self._kept_ms = kept_ms
        self._entries: deque[_Entry] = deque()  # bounded by full
        self._next = 0
        self._acked_ms = 0.0
        self._end_ms = 0.0

    @property
    def end_ms(self) -> float:
        """End of the audio so far."""
        return self._end_ms

    @property
    def full(self) -> bool:
        """Whether too much is not acknowledged yet."""
        return self._end_ms - self._acked_ms > self._kept_ms

    def add(self, message: pb.StreamCallRequest, end_ms: float | None = None) -> None:
        """Append a message; ``end_ms`` where its audio ends, None for a message without audio."""
        self._end_ms = max(self._end_ms, end_ms or 0.0)
        self._entries.append(_Entry(message, self._end_ms))

    def next(self) -> pb.StreamCallRequest | None:
        """Return the next message for the present line; None when it has had all."""
        if self._next >= len(self._entries):
            return None
        self._next += 1
        return self._entries[self._next - 1].message

    def acknowledge(self, until_ms: float) -> None:
        """The server has taken the audio up to ``until_ms``: what lies before is not needed any more."""
        self._acked_ms = max(self._acked_ms, until_ms)
        done = min(
            self._acked_ms, math.nextafter(self._end_ms, 0.0)
        )  # the newest may still be needed: rewind
        while self._next and self._entries[0].end_ms <= done:
            self._entries.popleft()
            self._next -= 1

    def rewind(self, acked_ms: float) -> None:
        """A new line begins, behind ``acked_ms``: everything later is sent again, in its order.

        A control at the very end of the acknowledged audio may have been taken or not. It is sent again if
        doing so twice changes nothing (pause, resume, finalize, ping), else it is not.
        """
        self._acked_ms = max(self._acked_ms, acked_ms)
        self._entries = deque(
            entry
            for index, entry in enumerate(self._entries)
            if index >= self._next or _again(entry, self._acked_ms)
        )
        self._next = 0


def _again(entry: _Entry, acked_ms: float) -> bool:
    """Tell whether an entry must be sent again on a new line."""
    if entry.end_ms != acked_ms:
        return entry.end_ms > acked_ms
    kind = entry.message.WhichOneof("message")
    return kind == "end_call" or (kind == "control" and _is_idempotent(entry.message.control))


def _is_idempotent(control: audio_pb2.Control) -> bool:
    return control.WhichOneof("control") in ("pause", "resume", "finalize", "ping")
