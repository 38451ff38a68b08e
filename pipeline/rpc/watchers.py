"""Streams that watch: so many at once, so many of one machine, and none that does not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from pipeline.config import LimitSettings
from pipeline.errors import AtCapacity, CallError, SlowConsumer
from pipeline.rpc.peers import host_of, peer_of
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
        self._by_host: Counter[str] = Counter()

    @asynccontextmanager
    async def admitted(self, context: _Context) -> AsyncIterator[Write]:
        """Admit a watcher; yield what writes to it. A CallError inside ends the stream with its status."""
        host = host_of(peer_of(context))
        try:
            self._check(host)
            self._by_host[host] += 1
            try:
                yield self._writer(context)
            finally:
                self._by_host[host] -= 1
                self._by_host += Counter()  # forgets who has left
        except SlowConsumer:
            raise reset() from None
        except CallError as error:
            await context.abort(status_of(error), details_of(error))

    def _check(self, host: str) -> None:
        if self._by_host.total() >= self._limits.max_watchers:
            raise AtCapacity("too many watchers (limits.max_watchers)")
        if self._by_host[host] >= self._limits.max_watchers_per_host:
            raise AtCapacity("too many watchers from this machine (limits.max_watchers_per_host)")

    def _writer(self, context: _Context) -> Write:
        async def write(message: Any) -> None:
            await write_in_time(context, message, self._limits.write_timeout_s)

        return write
