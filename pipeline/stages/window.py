"""The last seconds of a channel's audio, addressed by position."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.float32]


class AudioWindow:
    """Keeps audio until it is forgotten; positions are samples since the start of the channel."""

    def __init__(self) -> None:
        self._blocks: deque[Pcm] = deque()
        self._start = 0
        self._end = 0

    @property
    def start(self) -> int:
        """Position of the first sample that is kept."""
        return self._start

    @property
    def end(self) -> int:
        """Position behind the last sample."""
        return self._end

    def append(self, pcm: Pcm) -> None:
        """Add audio at the end."""
        self._blocks.append(pcm)
        self._end += len(pcm)

    def forget(self, before: int) -> None:
        """Drop whole blocks that end at or before position ``before``."""
        while self._blocks and self._start + len(self._blocks[0]) <= before:
            self._start += len(self._blocks.popleft())

    def slice(self, start: int, end: int) -> Pcm:
        """Return audio from ``start`` to ``end`` as far as it is kept, shape (n,)."""
        if not self._blocks:
            return np.zeros(0, np.float32)
        kept = np.concatenate(self._blocks)
        return kept[max(0, start - self._start) : max(0, end - self._start)]
