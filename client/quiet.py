"""Lines that fall silent: a peer that is gone, or stuck, says nothing about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def alive(messages: AsyncIterator[T], quiet_s: float | None) -> AsyncIterator[T]:
    """Yield ``messages``; TimeoutError where nothing comes for ``quiet_s``, never where that is None."""
    while True:
        async with asyncio.timeout(quiet_s):
            try:
                message = await anext(messages)
            except StopAsyncIteration:
                return
        yield message
