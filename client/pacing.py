"""Audio in real time, as a switch sends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of audio whose time has come.

    Attributes:
        number: counts from 0.
        first: its first frame.
        last: behind its last frame.
        due: when its last sample would have been spoken, s, monotonic.
        late_s: by how much this comes later than that, s.
    """

    number: int
    first: int
    last: int
    due: float
    late_s: float


async def paced(
    frames: int,
    rate: int,
    chunk_ms: float,
    *,
    speed: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Chunk]:
    """Yield stretches of ``chunk_ms``, each when its last sample would have been spoken.

    Args:
        frames: samples a channel, in all.
        rate: samples a second.
        chunk_ms: audio in one stretch.
        speed: 1 is real time, 2 twice as fast, 0 without waiting.
        clock: s, monotonic.
    """
    step = max(1, int(rate * chunk_ms) // 1000)
    began = clock()
    for number, first in enumerate(range(0, frames, step)):
        last = min(frames, first + step)
        due = began + last / rate / speed if speed > 0 else clock()
        if (wait := due - clock()) > 0:
            await asyncio.sleep(wait)
        yield Chunk(number, first, last, due, max(0.0, clock() - due))
