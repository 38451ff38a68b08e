"""Streams that watch: so many at once, so many of one machine, and none that does not read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from pipeline.config import LimitSettings
from pipeline.errors import AtCapacity, CallError, SlowConsumer
from pipeline.rpc.caller import caller
from pipeline.rpc.peers import StreamCounter
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.writing import reset, write_in_time

Write = Callable[[Any], Awaitable[None]]
_Context = grpc.aio.ServicerContext[Any, Any]


class Watchers:
    """The watchers of one method; for one event loop.

    Args:
        limits: of the server.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._streams = StreamCounter()

    @asynccontextmanager
    async def admitted(self, context: _Context) -> AsyncIterator[Write]:
        """Admit a watcher; yield what writes to it. A CallError inside ends the stream with its status."""
        try:
            with self._streams.counted(caller().connection.host) as of_this_host:
                self._check(of_this_host)
                yield self._writer(context)
        except SlowConsumer:
            raise reset() from None
        except CallError as error:
            await context.abort(status_of(error), details_of(error))

    def _check(self, of_this_host: int) -> None:
        if self._streams.total > self._limits.max_watchers:
            raise AtCapacity("too many watchers (limits.max_watchers)")
        if of_this_host > self._limits.max_watchers_per_host:
            raise AtCapacity("too many watchers from this machine (limits.max_watchers_per_host)")

    def _writer(self, context: _Context) -> Write:
        async def write(message: Any) -> None:
            await write_in_time(context, message, self._limits.write_timeout_s)

        return write
