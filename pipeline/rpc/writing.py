"""Writing to clients that may not read."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from pipeline.errors import SlowConsumer

REFUSED_S = 0.5
"""How long a refused client may go on sending."""


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


async def drained(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Take what a refused client still sends until it has read why: gRPC resets streams with leftovers."""
    try:
        async with asyncio.timeout(REFUSED_S):
            while await context.read() is not grpc.aio.EOF:
                pass
    except (TimeoutError, grpc.aio.UsageError):
        pass


def reset() -> asyncio.CancelledError:
    """Return what a method raises to break its stream off: a status would wait behind what is not read."""
    return asyncio.CancelledError()
