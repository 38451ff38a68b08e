"""Heartbeats in streams that may be silent for hours: proxies cut idle ones, and dead ones are noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

T = TypeVar("T")
HEARTBEAT_S = 10.0
"""Silence after which a heartbeat is sent; proxies commonly cut streams after 60 s without a byte (nginx's
grpc_read_timeout, AWS's idle timeout of load balancers)."""

CALL_HEARTBEAT_S = 1.0
"""The same on the streams of one call: people speak there, and a dead line must be noticed at once."""


async def with_heartbeats(items: AsyncIterator[T], every_s: float) -> AsyncGenerator[T | None, None]:
    """Yield ``items``, and None whenever nothing came for ``every_s``; ends with them."""
    pending: asyncio.Task[T] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.create_task(_next(items), name="next item")
            done, _waiting = await asyncio.wait([pending], timeout=every_s)
            if not done:
                yield None
                continue
            try:
                item = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield item
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
