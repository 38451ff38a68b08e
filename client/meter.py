"""Latencies as a client sees them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from yuetone.v1 import assist_pb2, transcript_pb2
from yuetone.v1 import call_service_pb2 as pb

_PROBE_MS = 20
_Key = tuple[str, str]
"""Call and utterance."""


@dataclass(slots=True)
class Latencies:
    """What the client saw, in seconds.

    Attributes:
        finals: from sending the last speech sample to receiving the final.
        partial_ages: from sending a sample to the first partial that covers it.
        suggestions: from sending the last speech sample of an utterance to the first suggestion for it.
        early_suggestions: how many came while the customer still spoke.
    """

    finals: list[float] = field(default_factory=list)
    partial_ages: list[float] = field(default_factory=list)
    suggestions: list[float] = field(default_factory=list)
    early_suggestions: int = 0


class LatencyMeter:
    """Times server messages against when their audio was sent.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: list[tuple[int, float]] = []  # (ms behind the chunk, when it was sent)
        self._speech_end: dict[_Key, int] = {}
        self._covered: dict[_Key, int] = {}
        self._finished: dict[_Key, int] = {}  # utterance -> end of its speech, ms
        self._suggested: set[_Key] = set()
        self.latencies = Latencies()

    def sent(self, until_ms: int) -> None:
        """Audio up to ``until_ms`` has gone out."""
        self._sent.append((until_ms, self._clock()))

    def _sent_at(self, ms: int) -> float | None:
        low, high = 0, len(self._sent)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._sent[middle][0] < ms else (low, middle)
        return self._sent[low][1] if low < len(self._sent) else None

    def received(self, message: pb.StreamCallResponse, origin_ms: int = 0) -> None:
        """Take a message from the server.

        Args:
            message: of any kind.
            origin_ms: where its call begins in what was sent, ms.
        """
        kind, part = message.WhichOneof("event"), message.call_id
        if kind == "speech" and message.speech.edge == transcript_pb2.SpeechEvent.EDGE_END:
            self._speech_end[part, message.speech.utterance_id] = message.speech.at_ms + origin_ms
        elif kind == "transcript":
            self._transcript((part, message.transcript.utterance_id), message.transcript, origin_ms)
        elif kind == "suggestion" and message.suggestion.state == assist_pb2.Suggestion.STATE_PROPOSED:
            self._suggestion((part, message.suggestion.utterance_id))

    def _suggestion(self, key: _Key) -> None:
        if key in self._suggested:
            return
        self._suggested.add(key)
        if key not in self._finished:
            self.latencies.early_suggestions += 1
        elif (sent := self._sent_at(self._finished[key])) is not None:
            self.latencies.suggestions.append(self._clock() - sent)

    def _transcript(self, key: _Key, transcript: transcript_pb2.Transcript, origin_ms: int) -> None:
        now, until = self._clock(), transcript.end_ms + origin_ms
        if transcript.is_final:
            end = self._speech_end.pop(key, until)
            self._covered.pop(key, None)
            self._finished[key] = end
            if not transcript.from_finalize and (sent := self._sent_at(end)) is not None:
                self.latencies.finals.append(now - sent)
            return
        start = self._covered.get(key, transcript.start_ms + origin_ms)
        for ms in range(start + _PROBE_MS, until, _PROBE_MS):
            if (sent := self._sent_at(ms)) is not None:
                self.latencies.partial_ages.append(now - sent)
        self._covered[key] = max(start, until)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that ``share`` of ``values`` do not exceed; None if there are none."""
    if not values:
        return None
    return float(sorted(values)[max(0, math.ceil(share * len(values)) - 1)])
