"""A call in which people say things, and what is suggested in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.engines import SayingEngine
from tests.integration.helpers import (
    Running,
    audio,
    demo_bytes,
    end,
    events,
    rest,
    silence,
    start,
    take,
)
from yuetone.v1 import assist_pb2, suggestion_service_pb2_grpc
from yuetone.v1 import call_service_pb2 as pb

PROPOSED, WITHDRAWN = assist_pb2.Suggestion.STATE_PROPOSED, assist_pb2.Suggestion.STATE_WITHDRAWN


def adviser(run: Running) -> suggestion_service_pb2_grpc.SuggestionServiceAsyncStub:
    return suggestion_service_pb2_grpc.SuggestionServiceStub(run.channel)  # type: ignore[return-value]


def shown(messages: list[pb.StreamCallResponse]) -> list[assist_pb2.Suggestion]:
    return events(messages, "suggestion")


def one_side(seconds: float, channel: int = 0) -> bytes:
    """The customer's first sentence on one channel, silence on the other, and silence behind it."""
    both = bytearray(demo_bytes(seconds + 6.0)[int(6.0 * 16000) :])
    both[1 - channel :: 2] = b"\xff" * len(both[1 - channel :: 2])
    if channel:
        both[1::2] = bytearray(demo_bytes(seconds + 6.0)[int(6.0 * 16000) :])[0::2]
    return bytes(both) + silence(1.6)


@asynccontextmanager
async def watched(run: Running, call_id: str) -> AsyncIterator[list[assist_pb2.Suggestion]]:
    """Follow a call's suggestions beside it."""
    found: list[assist_pb2.Suggestion] = []

    async def follow() -> None:
        stream = run.stub.WatchCall(pb.WatchCallRequest(call_id=call_id, after_server_seq=0))
        async for message in stream:
            found.extend(events([message.event], "suggestion"))

    task = asyncio.create_task(follow(), name="Task-follow")
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


class Call:
    """A live call whose suggestions are followed by WatchCall, and whose words the test chooses."""

    def __init__(self, run: Running, found: list[assist_pb2.Suggestion], stream: Any) -> None:
        self.run, self.found, self._stream, self._sequence = run, found, stream, 0
        self.messages: list[pb.StreamCallResponse] = []

    async def say(self, text: str, channel: int = 0) -> None:
        assert isinstance(self.run.engine, SayingEngine)
        self.run.engine._text = text
        data = one_side(3.0, channel)
        for at in range(0, len(data), 960):
            await self._stream.write(audio(self._sequence, data[at : at + 960]))
            self._sequence += 1
        await asyncio.sleep(1.2)


@asynccontextmanager
async def calling(run: Running, **fields: Any) -> AsyncIterator[Call]:
    stream = run.stub.StreamCall()
    await stream.write(start(**fields))
    await take(stream)
    async with watched(run, "call-1") as found:
        call = Call(run, found, stream)
        yield call
    await stream.write(end())
    call.messages = await rest(stream)
