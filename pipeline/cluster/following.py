"""Looks at what nodes share in the database, over and over; for one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import structlog

T = TypeVar("T")
_log = structlog.get_logger(__name__)


async def followed(look: Callable[[], T], every_s: float, what: str) -> AsyncIterator[T]:
    """Yield what ``look`` returns, again and again; while the database is away, nothing.

    Args:
        look: reads the database; blocks.
        every_s: time between two looks, s.
        what: it looks at, for the log.
    """
    while True:
        try:
            found = await asyncio.to_thread(look)
        except Exception as error:  # noqa: BLE001 (the database is away: its writer says so)
            _log.debug("the nodes' database does not answer", what=what, error=type(error).__name__)
        else:
            yield found
        await asyncio.sleep(every_s)
