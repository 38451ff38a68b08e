"""Those who follow the rows of live calls; for one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.calls.overview import CallFilter, CallRow


@dataclass(slots=True)
class Follower:
    """Somebody who follows: the rows that changed since the last message.

    Attributes:
        wanted: which calls.
    """

    wanted: CallFilter
    _changed: dict[tuple[str | None, str], CallRow] = field(default_factory=dict)  # by company and id
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, row: CallRow) -> None:
        """Take a row that has changed, if it is wanted."""
        if self.wanted.takes(row.info):
            self._changed[row.info.tenant, row.info.call_id] = row  # bounded by calls: one row each
            self._woken.set()

    async def changes(self, interval_s: float) -> AsyncGenerator[tuple[CallRow, ...], None]:
        """Yield the rows that changed, at most every ``interval_s``; never ends."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            changed, self._changed = self._changed, {}
            yield tuple(changed.values())
            await asyncio.sleep(interval_s)


class Followers:
    """All of them."""

    def __init__(self) -> None:
        self._every: list[Follower] = []

    @contextmanager
    def one(self, wanted: CallFilter) -> Iterator[Follower]:
        """Let somebody follow as long as the context lasts."""
        follower = Follower(wanted)
        self._every.append(follower)
        try:
            yield follower
        finally:
            self._every.remove(follower)

    def tell(self, row: CallRow) -> None:
        """Tell everybody that a row has changed."""
        for follower in self._every:
            follower.take(row)
