"""What was sent in a call and is not safe yet: sent again on another line, or to another server. Pure.

All positions are ms from the first sample of the conversation. A server that has forgotten the conversation
gets the rest of it as a call of its own, which begins at :attr:`Journal.origin_ms`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from client.audio import AudioFormat
from client.in_force import InForce
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

KEPT_MS = 300_000
"""Audio that is kept for a new line. When so much is not safe, the sender waits."""
ROUNDING_MS = 20
"""Audio that may seem to be missing at the end although it is not."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A message, and where it ends, in ms of the conversation."""

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
        self._first = 0  # number of the first one
        self._next = 0  # number of the next one for the present line
        self._had = 0  # those below were on some line of the present call
        self._taken: frozenset[int] = frozenset()  # behind the cursor, and not for this call any more
        self._first_sequence = 0
        self._safe_ms = 0.0
        self._end_ms = 0.0
        self.origin_ms = 0.0
        self.in_force = InForce()
        """Behind the controls that are not kept any more."""

    @property
    def end_ms(self) -> float:
        """End of the audio so far."""
        return self._end_ms

    @property
    def full(self) -> bool:
        """Whether too much is not safe yet."""
        return self._end_ms - self._safe_ms > self._kept_ms

    @property
    def safe(self) -> bool:
        """Whether nothing was added that a server might lose."""
        return self._end_ms - self._safe_ms <= ROUNDING_MS

    def add(self, message: pb.StreamCallRequest, end_ms: float | None = None) -> None:
        """Append a message; ``end_ms`` where its audio ends, None for a message without audio."""
        self._end_ms = max(self._end_ms, end_ms or 0.0)
        self._entries.append(_Entry(message, self._end_ms))

    def next(self) -> pb.StreamCallRequest | None:
        """Return the next message for the present line, as its call counts; None when it has had all."""
        while self._next in self._taken:
            self._next += 1
        if self._next - self._first >= len(self._entries):
            return None
        message = self._entries[self._next - self._first].message
        self._next += 1
        self._had = max(self._had, self._next)
        if not self.origin_ms or not message.HasField("audio"):
            return message
        own = pb.StreamCallRequest()
        own.CopyFrom(message)
        own.audio.sequence -= self._first_sequence
        own.audio.offset_ms = max(0, own.audio.offset_ms - int(self.origin_ms))
        return own

    def acknowledge(self, until_ms: float) -> None:
        """What lies before ``until_ms`` of the present call is safe, and not needed any more."""
        self._safe_ms = max(self._safe_ms, self.origin_ms + until_ms)
        # The newest position may still be needed, for the controls that stand there: see resume_at.
        done = min(self._safe_ms, math.nextafter(self._end_ms, 0.0))
        while self._first < self._next and self._entries[0].end_ms <= done:
            message = self._entries.popleft().message
            self._first += 1
            if message.HasField("control"):
                self.in_force = self.in_force.behind(message.control)

    def resume_at(self, received_ms: float) -> None:
        """A new line goes on with the present call, which has audio up to ``received_ms``.

        A control at the very end of that audio may have been taken or not. It is sent again if doing so
        twice changes nothing (pause, resume, finalize, ping), else it is not.
        """
        at = self.origin_ms + received_ms
        numbered = list(enumerate(self._entries, self._first))
        self._next = next(
            (number for number, entry in numbered if number >= self._had or _again(entry, at)), self._had
        )
        self._taken = frozenset(
            number for number, entry in numbered if self._next <= number < self._had and not _again(entry, at)
        )

    def begin_anew(self, audio: AudioFormat) -> None:
        """A new call begins where what is safe ends: everything behind it is sent, as that call counts.

        Args:
            audio: how audio is coded; a message that is safe in part is cut.
        """
        kept = [entry for entry in self._entries if not _is_audio(entry) or entry.end_ms > self._safe_ms]
        self._entries = deque(_cut(entry, self._safe_ms, audio) for entry in kept)
        self._first = self._next = self._had = 0
        self._taken = frozenset()
        self.origin_ms = self._safe_ms
        numbers = [entry.message.audio.sequence for entry in self._entries if _is_audio(entry)]
        self._first_sequence = numbers[0] if numbers else self._first_sequence
        if self.in_force.pause is not None:  # a message again, and in force once the new call has it
            pause = pb.StreamCallRequest(control=self.in_force.pause)
            self._entries.appendleft(_Entry(pause, self._safe_ms))
            self.in_force = replace(self.in_force, pause=None)


def _is_audio(entry: _Entry) -> bool:
    return entry.message.HasField("audio")


def _cut(entry: _Entry, from_ms: float, audio: AudioFormat) -> _Entry:
    """Return a message of audio without what lies before ``from_ms``."""
    if not _is_audio(entry) or entry.message.audio.offset_ms >= from_ms:
        return entry
    whole = entry.message.audio
    frames = round((from_ms - whole.offset_ms) * audio.rate / 1000)
    rest = audio_pb2.Audio(
        sequence=whole.sequence, offset_ms=int(from_ms), data=whole.data[frames * audio.frame_bytes :]
    )
    return _Entry(pb.StreamCallRequest(audio=rest), entry.end_ms)


def _again(entry: _Entry, received_ms: float) -> bool:
    """Tell whether an entry must be sent again on a new line."""
    if entry.end_ms != received_ms:
        return entry.end_ms > received_ms
    kind = entry.message.WhichOneof("message")
    return kind == "end_call" or (kind == "control" and _is_idempotent(entry.message.control))


def _is_idempotent(control: audio_pb2.Control) -> bool:
    return control.WhichOneof("control") in ("pause", "resume", "finalize", "ping")
