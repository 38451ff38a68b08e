"""Events that hardly anybody reads again, packed: finals with word times are a tenth of their size so.

In memory only, by and for the process itself.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.events import Envelope

FASTEST = 1
"""Of zlib; slower ones save little more."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Consecutive events of one call.

    Attributes:
        first: number of the first one.
        count: how many there were, those of no use to anybody included.
        data: the others.
    """

    first: int
    count: int
    data: bytes

    @property
    def last(self) -> int:
        """Number of the last one."""
        return self.first + self.count - 1

    def unpacked(self) -> tuple[Envelope, ...]:
        """Return the events that are of use."""
        events: tuple[Envelope, ...] = pickle.loads(zlib.decompress(self.data))  # noqa: S301 (our own bytes)
        return events


def packed(first: int, events: Sequence[Envelope | None]) -> Packed:
    """Return ``events``, numbered from ``first`` on, as bytes; None is of no use to anybody."""
    useful = tuple(event for event in events if event is not None)
    data = zlib.compress(pickle.dumps(useful, pickle.HIGHEST_PROTOCOL), FASTEST)
    return Packed(first=first, count=len(events), data=data)
