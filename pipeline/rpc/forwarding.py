"""A method carried from a client to a server behind, as it is: bytes both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc

from pipeline.rpc.servicer import END_OF_STREAM_S
from pipeline.rpc.status import refusal

STREAM_CALL = "/yuetone.v1.CallService/StreamCall"
GATHER_S = 0.06
"""Three messages of 20 ms, s: what a call's audio may wait for company."""
_Context = grpc.aio.ServicerContext[Any, Any]


async def forward(call: Any, context: _Context, carrying: Coroutine[Any, Any, None]) -> None:
    """Hand answers on until the method has ended; ``carrying`` sends what the client says meanwhile.

    Raises:
        AioRpcError: it ended with another status than OK.
    """
    sender = asyncio.create_task(carrying, name="forward")
    try:
        while (answer := await call.read()) is not grpc.aio.EOF:
            await context.write(answer)
        code = await call.code()
        if code is not grpc.StatusCode.OK:
            raise refusal(code, await call.details())
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        call.cancel()


async def carry(call: Any, context: _Context) -> None:
    """Send a client's messages until it has sent all."""
    while (message := await context.read()) is not grpc.aio.EOF:
        await call.write(message)
    await asyncio.sleep(END_OF_STREAM_S)  # a broken stream looks the same, but cancels this task
    await call.done_writing()
