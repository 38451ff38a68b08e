"""Rows that change, and readers of any speed: each gets the newest of what it lacks. Pure.

A reader that is slow gets fewer patches, never older rows; what a patch costs to encode, it costs once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

MOST_ROWS = 5_000
"""Rows of a topic; the one that was written longest ago goes for a new one."""
MOST_GONE = 2_000
"""Keys that are remembered as gone; a reader from before gets everything anew."""

LINE = "line"
"""Key of the row that tells how the line to the server is."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What a reader lacks.

    Attributes:
        seq: where it stands with it.
        snapshot: it forgets what it had.
        rows: new or changed ones, encoded as JSON objects, in the order in which they were first written.
        gone: keys of rows that are there no more.
    """

    seq: int
    snapshot: bool
    rows: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    order: int
    encoded: str


class Topic:
    """The rows."""

    def __init__(self) -> None:
        self._rows: dict[str, _Kept] = {}  # the one that was written last is last; bounded by MOST_ROWS
        self._gone: dict[str, int] = {}  # bounded by MOST_GONE
        self._version = 0
        self._order = 0
        self._oldest = 0  # readers from before this version get everything

    @property
    def version(self) -> int:
        """Counts changes."""
        return self._version

    def put(self, key: str, row: Row) -> bool:
        """Write a row; return whether that changed anything."""
        encoded = json.dumps({"key": key, **row}, ensure_ascii=False, separators=(",", ":"))
        before = self._rows.get(key)
        if before is not None and before.encoded == encoded:
            return False
        self._version += 1
        if before is not None:
            self._rows[key] = _Kept(self._version, self._rows.pop(key).order, encoded)
            return True
        self._gone.pop(key, None)
        self._order += 1
        self._rows[key] = _Kept(self._version, self._order, encoded)
        if len(self._rows) > MOST_ROWS:
            self.drop(next(iter(self._rows)))
        return True

    def drop(self, key: str) -> None:
        """Let a row be there no more."""
        if self._rows.pop(key, None) is None:
            return
        self._version += 1
        self._gone[key] = self._version
        if len(self._gone) > MOST_GONE:
            self._oldest = max(self._oldest, self._gone.pop(next(iter(self._gone))))

    def keep_only(self, keys: set[str]) -> None:
        """Drop every row but some."""
        for key in [key for key in self._rows if key not in keys]:
            self.drop(key)

    def since(self, seq: int | None) -> Patch | None:
        """Return what a reader lacks; None where it lacks nothing.

        Args:
            seq: where it stands; None for one that has nothing.
        """
        if seq == self._version:
            return None
        everything = seq is None or not self._oldest <= seq < self._version
        after = -1 if seq is None or everything else seq
        newest_first = takewhile(lambda kept: kept.version > after, reversed(self._rows.values()))
        rows = sorted(newest_first, key=lambda kept: kept.order)
        gone = () if everything else tuple(key for key, at in self._gone.items() if at > after)
        return Patch(
            seq=self._version, snapshot=everything, rows=tuple(kept.encoded for kept in rows), gone=gone
        )
