"""Windows of one speaker's speech, cut from the channel's audio. Pure.

Positions are samples at 16 kHz since the start of the channel. Silence, hold music and the other party
never get in, because only stretches that the voice detector marked are taken.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.base import SAMPLE_RATE

Pcm = NDArray[np.float32]

LONGEST = 3 * SAMPLE_RATE
HOP = 3 * SAMPLE_RATE // 2
SHORTEST = SAMPLE_RATE
"""Shorter utterances are joined with the next ones of the speaker."""
LEAST = 2 * SAMPLE_RATE // 5
"""0.4 s: less than this, even joined, is thrown away at the end."""
JOIN_WITHIN = 15 * SAMPLE_RATE
"""Short utterances further apart do not belong together."""
KEPT = 8 * SAMPLE_RATE
"""Audio kept: a window, and the longest wait of the voice detector for the end of an utterance."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechWindow:
    """Speech to be judged.

    Attributes:
        start: where its first piece begins.
        end: where its last piece ends.
        pcm: the pieces, joined; float32 at 16 kHz, shape (n,), at most 3 s.
    """

    start: int
    end: int
    pcm: Pcm


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    start: int
    end: int
    pcm: Pcm


class SpeechCollector:
    """Collects the windows of one channel."""

    def __init__(self) -> None:
        self._blocks: deque[Pcm] = deque()  # bounded by _keep()
        self._length = 0  # of all blocks
        self._position = 0  # behind the last sample
        self._open: int | None = None  # where speech that no window covers begins
        self._first: int | None = None  # where the open utterance begins
        self._speaking = False
        self._short: list[_Piece] = []

    def hear(self, pcm: Pcm) -> list[SpeechWindow]:
        """Take audio, speech or not; return the window that became due, if one did."""
        self._keep(pcm)
        if self._first is None or self._open is None or not self._speaking:
            return []
        if self._position - self._first < LONGEST or self._position - self._open < HOP:
            return []
        self._open = self._position
        return [self._window(self._position - LONGEST, self._position)]

    @property
    def position(self) -> int:
        """Samples taken so far."""
        return self._position

    def lose(self, samples: int) -> None:
        """Audio is missing: time goes on, and no window reaches over the gap."""
        self._position += samples
        self._blocks.clear()
        self._length = 0
        self._short.clear()
        if self._first is not None:
            self._first = self._open = self._position

    def cut(self, start: int, end: int) -> SpeechWindow:
        """Return an utterance as far as its audio is kept."""
        return self._window(start, end)

    def begin(self, start: int) -> None:
        """An utterance began at ``start``."""
        self._first = self._open = start
        self._speaking = True

    def pause(self) -> None:
        """The speaker may have finished."""
        self._speaking = False

    def resume(self) -> None:
        """The speaker had not finished."""
        self._speaking = self._first is not None

    def end(self, end: int) -> list[SpeechWindow]:
        """The utterance ended at ``end``; return the window of its rest, if that is long enough."""
        first, since = self._first, self._open
        self._first = self._open = None
        self._speaking = False
        if first is None or since is None or end <= since:
            return []
        if end - first < SHORTEST:
            return self._joined(first, end)
        if end - since < SHORTEST and since > first:
            return []
        return [self._window(max(first, end - LONGEST), end)]

    def finish(self) -> list[SpeechWindow]:
        """Return what is left of short utterances, at the end of the call."""
        window = self._join()
        return [window] if window and len(window.pcm) >= LEAST else []

    def _joined(self, start: int, end: int) -> list[SpeechWindow]:
        if self._short and start - self._short[-1].end > JOIN_WITHIN:
            self._short.clear()
        self._short.append(_Piece(start, end, self._slice(start, end)))
        if sum(len(piece.pcm) for piece in self._short) < SHORTEST:
            return []
        window = self._join()
        return [window] if window else []

    def _join(self) -> SpeechWindow | None:
        pieces, self._short = self._short, []
        if not pieces:
            return None
        pcm = np.concatenate([piece.pcm for piece in pieces])[-LONGEST:]
        return SpeechWindow(start=pieces[0].start, end=pieces[-1].end, pcm=pcm)

    def _window(self, start: int, end: int) -> SpeechWindow:
        return SpeechWindow(start=max(0, start), end=end, pcm=self._slice(start, end))

    def _keep(self, pcm: Pcm) -> None:
        """Append audio, and let go of whole blocks that are older than :data:`KEPT`."""
        self._blocks.append(pcm)
        self._length += len(pcm)
        self._position += len(pcm)
        while self._length - len(self._blocks[0]) >= KEPT:
            self._length -= len(self._blocks.popleft())

    def _slice(self, start: int, end: int) -> Pcm:
        if not self._blocks:
            return np.zeros(0, np.float32)
        first = self._position - self._length
        return np.concatenate(self._blocks)[max(0, start - first) : max(0, end - first)].copy()
