"""Sound on its way to a recording: held in memory until its words are final, then cut. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.calls.info import SAMPLE_RATE
from pipeline.redaction.dtmf import DtmfDetector

Pcm = NDArray[np.float32]
Stretch = tuple[int, int]
"""First sample, and behind the last one."""
Cut = tuple[int, Pcm]
"""Sound that was silenced, and its first sample."""
MOST_HELD = 45 * SAMPLE_RATE
"""Samples that wait for their words; what waits longer is recorded as silence: nobody knows what is in it."""
LOOKED_AHEAD = SAMPLE_RATE // 5
"""Samples behind which nothing is let go: a key that has begun is not known yet."""


def silenced(pcm: Pcm, first: int, stretches: Iterable[Stretch]) -> Pcm:
    """Return sound with stretches of it at exactly zero.

    Args:
        pcm: float32, shape (n,).
        first: sample of the channel that it begins at.
        stretches: in samples of the channel.
    """
    out = pcm.copy()
    for start, end in stretches:
        out[max(0, start - first) : max(0, end - first)] = 0.0
    return out


def cut_out(pcm: Pcm, first: int, stretches: Iterable[Stretch]) -> list[Cut]:
    """Return the parts of sound that lie in stretches and are not silent, in order, none twice.

    Args:
        pcm: float32, shape (n,).
        first: sample of the channel that it begins at.
        stretches: in samples of the channel.
    """
    found: list[Cut] = []
    at = 0
    for start, end in sorted(stretches):
        begin, stop = max(at, start - first), min(len(pcm), end - first)
        if begin < stop:
            at = stop
            if pcm[begin:stop].any():
                found.append((first + begin, pcm[begin:stop].copy()))
    return found


class HeldSound:
    """Holds the sound of one channel back.

    Attributes:
        start: first sample that is held.
        end: behind the last one.
        lost: samples that waited too long, and were silenced.
        cut: what was silenced, where it is wanted.
    """

    def __init__(self) -> None:
        self._blocks: deque[Pcm] = deque()  # bounded by MOST_HELD
        self._unsearched: list[Pcm] = []  # the newest of them, in which no keys were looked for
        self._keys: deque[Stretch] = deque()
        self._detector = DtmfDetector()
        self.start = 0
        self.end = 0
        self.lost = 0
        self.cut: list[Cut] = []  # whoever wants it takes it behind each release

    def hear(self, pcm: Pcm) -> None:
        """Take sound, float32 at 16 kHz, shape (n,)."""
        self._unsearched.append(pcm)
        self._blocks.append(pcm)
        self.end += len(pcm)

    def release(
        self,
        settled: int,
        hidden: Sequence[Stretch],
        *,
        never: Sequence[Stretch] | None = None,
        closing: bool = False,
    ) -> list[Pcm]:
        """Return what may be recorded, cut; what waited too long is silence.

        Args:
            settled: sample before which all words are final.
            hidden: stretches in which something personal is said.
            never: those of them that nobody may hear; what is cut of the others is kept in :attr:`cut`.
                None keeps nothing.
            closing: whether nothing follows.
        """
        self._search()
        until = min(settled, self.end if closing else self.end - LOOKED_AHEAD)
        overdue = self.end - MOST_HELD
        first, known = self.start, self._taken(until)
        late = self._taken(overdue)
        self.lost += sum(map(len, late))
        out: list[Pcm] = []
        if known:
            whole = np.concatenate(known)
            out.append(silenced(whole, first, (*hidden, *self._keys)))
            if never is not None:
                audible = silenced(whole, first, (*never, *self._keys))
                self.cut += cut_out(audible, first, hidden)
        while self._keys and self._keys[0][1] < self.start:
            self._keys.popleft()
        return out + [np.zeros_like(block) for block in late]

    def _search(self) -> None:
        """Look for keys in what is new; a look at a second costs little more than one at 20 ms."""
        if self._unsearched:
            self._keys.extend(self._detector.accept(np.concatenate(self._unsearched)))
            self._unsearched.clear()

    def _taken(self, until: int) -> list[Pcm]:
        """Take the blocks that end at a sample, or before it."""
        blocks: list[Pcm] = []
        while self._blocks and self.start + len(self._blocks[0]) <= until:
            blocks.append(self._blocks.popleft())
            self.start += len(blocks[-1])
        return blocks
