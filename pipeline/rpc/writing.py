"""Writing to clients that may not read."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from pipeline.errors import SlowConsumer


async def write_in_time(context: grpc.aio.ServicerContext[Any, Any], message: Any, within_s: float) -> None:
    """Write a message; give up on a client that takes nothing off its line.

    Args:
        context: of the stream.
        message: of its method's type.
        within_s: that the line may be full.

    Raises:
        SlowConsumer: it was full for longer.
    """
    try:
        async with asyncio.timeout(within_s):
            await context.write(message)
    except TimeoutError:
        raise SlowConsumer("the client does not read (limits.write_timeout_s)") from None


def reset() -> asyncio.CancelledError:
    """Return what a method raises to break its stream off: a status would wait behind what is not read."""
    return asyncio.CancelledError()
