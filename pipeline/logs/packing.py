"""Events that hardly anybody reads again, packed: finals with word times are a tenth of their size so."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.calls.codec import decode, encode
from pipeline.calls.events import Envelope

FASTEST = 1
"""Level of zlib; slower ones save little more."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Consecutive events of one call.

    Attributes:
        first: number of the first one.
        count: how many there were, those of no use to anybody included.
        data: the others, one line each (:mod:`pipeline.calls.codec`), compressed.
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
        return tuple(decode(line) for line in zlib.decompress(self.data).splitlines())


def packed(first: int, events: Sequence[Envelope | None]) -> Packed:
    """Return ``events``, numbered from ``first`` on, as bytes; None is of no use to anybody."""
    lines = b"\n".join(encode(event) for event in events if event is not None)
    return Packed(first=first, count=len(events), data=zlib.compress(lines, FASTEST))
