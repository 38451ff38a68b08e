"""What each of several processes does of a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def share_of(items: Sequence[T], index: int, size: int) -> list[T]:
    """Return one process's part, as long as every other one's: the first items fill the last round.

    Args:
        items: items of all processes.
        index: number of this process, from 0.
        size: number of processes.
    """
    rounds = -(-len(items) // size)
    return (list(items) * size)[: rounds * size][index::size]
