"""Watching calls and alerts for hours: over broken lines and restarted servers, each event once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import grpc

from client.connection import call_stub, overview_stub, supervisor_stub
from client.errors import LineLost
from client.quiet import alive
from client.retry import Retry, is_broken_line, is_expired
from yuetone.v1 import call_service_pb2, overview_service_pb2, supervisor_service_pb2

QUIET_S = 35.0
"""Silence after which a line counts as dead, where the server sends heartbeats every 10 s."""
CALL_QUIET_S = 5.0
"""The same for the line of one call, where they come every second."""

T = TypeVar("T")
Lost = Callable[[str], None]
"""Is told why a line broke, each time."""


def _nobody(_reason: str) -> None:
    """Tell nobody."""


async def watch_alerts(
    channel: grpc.aio.Channel,
    request: supervisor_service_pb2.WatchAlertsRequest,
    *,
    retry: Retry | None = None,
    lost: Lost = _nobody,
) -> AsyncIterator[supervisor_service_pb2.WatchAlertsResponse]:
    """Yield the alerts of a server, from the request's cursor on, through restarts and broken lines.

    Args:
        channel: to the server.
        request: what to watch; its cursor is the place to begin.
        retry: when to try again; for ever by default.
        lost: is told why a line broke.

    Raises:
        grpc.aio.AioRpcError: the server refuses, for a reason that another attempt would not change.
        LineLost: ``retry.give_up_s`` passed without an answer.
    """
    stub, wanted = supervisor_stub(channel), supervisor_service_pb2.WatchAlertsRequest()
    wanted.CopyFrom(request)

    def line() -> AsyncIterator[supervisor_service_pb2.WatchAlertsResponse]:
        return aiter(stub.WatchAlerts(wanted))

    async for message in _mended(line, retry or Retry(), lost, quiet_s=QUIET_S):
        wanted.cursor = message.cursor
        if message.HasField("alert"):
            yield message


async def watch_calls(
    channel: grpc.aio.Channel,
    request: overview_service_pb2.WatchCallsRequest,
    *,
    retry: Retry | None = None,
    lost: Lost = _nobody,
) -> AsyncIterator[overview_service_pb2.WatchCallsResponse]:
    """Yield a server's live calls and their changes; behind a broken line comes a snapshot again.

    Args:
        channel: to the server.
        request: what to watch.
        retry: when to try again; for ever by default.
        lost: is told why a line broke.

    Raises:
        grpc.aio.AioRpcError, LineLost: as :func:`watch_alerts` does.
    """
    stub = overview_stub(channel)

    def line() -> AsyncIterator[overview_service_pb2.WatchCallsResponse]:
        return aiter(stub.WatchCalls(request))

    async for message in _mended(line, retry or Retry(), lost, quiet_s=QUIET_S):
        if message.snapshot or message.calls:
            yield message


async def watch_call(
    channel: grpc.aio.Channel,
    call_id: str,
    *,
    after: int | None = None,
    retry: Retry | None = None,
    lost: Lost = _nobody,
) -> AsyncIterator[call_service_pb2.WatchCallResponse]:
    """Yield a live call's events, each once, until the call is over.

    Args:
        channel: to the server.
        call_id: of a live call.
        after: begin behind this server_seq; None at the oldest event that is kept.
        retry: when to try again; for ever by default.
        lost: is told why a line broke.

    Raises:
        grpc.aio.AioRpcError: there is no such call, or it ended while the line was down.
        LineLost: ``retry.give_up_s`` passed without an answer.
    """
    stub = call_stub(channel)
    wanted = call_service_pb2.WatchCallRequest(call_id=call_id, after_server_seq=after)

    def line() -> AsyncIterator[call_service_pb2.WatchCallResponse]:
        return aiter(stub.WatchCall(wanted))

    async for message in _mended(line, retry or Retry(), lost, quiet_s=CALL_QUIET_S, ends=True):
        if not message.event.HasField("heartbeat"):
            wanted.after_server_seq = message.event.server_seq
            yield message


async def _mended(
    line: Callable[[], AsyncIterator[T]],
    retry: Retry,
    lost: Lost,
    *,
    quiet_s: float | None,
    ends: bool = False,
) -> AsyncIterator[T]:
    """Yield what comes over lines that are opened again and again.

    Args:
        line: opens one; called once the last message of the line before was handed on.
        retry: when to try again.
        lost: is told why a line broke.
        quiet_s: silence after which a line counts as dead; None never.
        ends: whether the server closing a line is the end; else it is opened again.
    """
    failures, down_since = 0, 0.0
    while True:
        began = False
        try:
            async for message in alive(line(), quiet_s):
                failures, began = 0, True
                yield message
            if ends:
                return
            reason = "the server closed the line"
        except grpc.aio.AioRpcError as error:
            if not is_broken_line(error) and not (is_expired(error) and began):
                raise
            reason = error.details() or error.code().name
        except TimeoutError:
            reason = f"nothing came for {quiet_s:.0f} s"
        failures += 1
        down_since = time.monotonic() if failures == 1 else down_since
        if retry.give_up_s is not None and time.monotonic() - down_since > retry.give_up_s:
            raise LineLost(f"the line to the server broke and was not mended ({reason})")
        lost(reason)
        await asyncio.sleep(retry.wait_s(failures))
