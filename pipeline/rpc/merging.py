"""What every node of a cluster knows a part of, put together: rows of calls, and what nodes can do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import structlog

from pipeline.rpc.routing import Identity, Node, NodeRouter
from pipeline.rpc.status import is_gone, refusal
from yuetone.v1 import call_service_pb2, overview_service_pb2

WATCH_CALLS = "/yuetone.v1.OverviewService/WatchCalls"
LIST_CALLS = "/yuetone.v1.OverviewService/ListCalls"
GET_CAPABILITIES = "/yuetone.v1.CallService/GetCapabilities"
LOOK_S = 0.3
"""Time between two looks whether there are other nodes, s."""
FIRST_S = 2.0
"""How long a reader waits for the first rows of a node that does not answer, s."""
ASKED_S = 5.0
"""How long a node may take for an answer, s."""
NOBODY = "no node of this cluster answers; try again"
WAITING = 1_000
"""Messages of nodes that wait for a reader. When full, nodes wait: they join what changes meanwhile."""
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


async def ask_all(router: NodeRouter, method: str, request: bytes, identity: Identity) -> list[bytes]:
    """Return what every node answers; a refusal of one is everybody's, a node that is gone has no say.

    Raises:
        AioRpcError: they refuse.
    """
    found = await asyncio.gather(
        *(ask(node, method, request, identity) for node in router.every()), return_exceptions=True
    )
    refusals = [one for one in found if isinstance(one, grpc.aio.AioRpcError)]
    answers = [one for one in found if isinstance(one, bytes)]
    said_no = [one for one in refusals if not is_gone(one.code(), one.details())]
    if said_no or not answers:
        raise (said_no or refusals or [unavailable()])[0]
    return answers


async def ask(node: Node, method: str, request: bytes, identity: Identity) -> bytes:
    """Return what a node answers; raises AioRpcError."""
    call: Any = node.channel.unary_unary(method)
    return bytes(await call(request, metadata=identity, timeout=ASKED_S))


def unavailable() -> grpc.aio.AioRpcError:
    """Return what is said where no node answers."""
    return refusal(grpc.StatusCode.UNAVAILABLE, NOBODY)


async def list_calls(router: NodeRouter, request: bytes, identity: Identity) -> bytes:
    """Return the rows of all nodes, the oldest call first."""
    whole = overview_service_pb2.ListCallsResponse()
    for answer in await ask_all(router, LIST_CALLS, request, identity):
        whole.MergeFromString(answer)
    whole.calls.sort(key=lambda row: row.started_at_unix_ms)
    return whole.SerializeToString()


async def capabilities(router: NodeRouter, request: bytes, identity: Identity) -> bytes:
    """Return what nodes can do, and how many calls they have and take together."""
    answers = await ask_all(router, GET_CAPABILITIES, request, identity)
    found = [call_service_pb2.GetCapabilitiesResponse.FromString(answer) for answer in answers]
    whole = found[0]
    whole.max_calls = sum(one.max_calls for one in found)
    whole.live_calls = sum(one.live_calls for one in found)
    return whole.SerializeToString()


class CallsWatch:
    """The rows of all nodes for one reader; for one event loop.

    Args:
        context: of the reader.
        router: knows the nodes.
        request: of the reader.
        identity: of the reader.
    """

    def __init__(self, context: _Context, router: NodeRouter, request: bytes, identity: Identity) -> None:
        self._context, self._router = context, router
        self._request, self._identity = request, identity
        self._queue: asyncio.Queue[tuple[str, overview_service_pb2.WatchCallsResponse | None]] = (
            asyncio.Queue(WAITING)
        )
        self._rows: dict[str, dict[str, Any]] = {}  # by node: its rows by call id
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._refused: grpc.aio.AioRpcError | None = None

    async def run(self) -> None:
        """Write until the reader leaves.

        Raises:
            AioRpcError: nodes refuse it.
        """
        keeper = asyncio.create_task(self._keep(), name="watch nodes")
        try:
            await self._first()
            while self._refused is None:
                node, message = await self._queue.get()
                if message is None:
                    await self._gone(node)
                else:
                    await self._take(node, message)
            raise self._refused
        finally:
            keeper.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(keeper, *self._tasks.values(), return_exceptions=True)

    async def _keep(self) -> None:
        """Follow every node that there is."""
        while True:
            for node in self._router.every():
                task = self._tasks.get(node.name)
                if task is None or task.done():
                    self._tasks[node.name] = asyncio.create_task(
                        self._follow(node), name=f"watch node {node.name}"
                    )
            await asyncio.sleep(LOOK_S)

    async def _follow(self, node: Node) -> None:
        watch: Any = node.channel.unary_stream(WATCH_CALLS)
        stream = watch(self._request, metadata=self._identity)
        try:
            while (answer := await stream.read()) is not grpc.aio.EOF:
                message = overview_service_pb2.WatchCallsResponse.FromString(answer)
                await self._queue.put((node.name, message))
        except grpc.aio.AioRpcError as error:
            if is_gone(error.code(), error.details()):
                self._router.failed(node.name)
            else:
                self._refused = error
        finally:
            stream.cancel()
        await self._queue.put((node.name, None))

    async def _first(self) -> None:
        """Write the first message: the rows of all nodes that answer in time."""
        until = time.monotonic() + FIRST_S
        while self._refused is None and (left := until - time.monotonic()) > 0:
            names = {node.name for node in self._router.every()}
            if names and names <= set(self._rows):
                break
            try:
                async with asyncio.timeout(min(left, LOOK_S)):
                    node, message = await self._queue.get()
            except TimeoutError:
                continue
            if message is not None:
                self._note(node, message)
        if self._refused is not None:
            raise self._refused
        whole = overview_service_pb2.WatchCallsResponse(snapshot=True)
        for rows in self._rows.values():
            whole.calls.extend(rows.values())
        await self._context.write(whole.SerializeToString())

    def _note(self, node: str, message: overview_service_pb2.WatchCallsResponse) -> None:
        rows = self._rows.setdefault(node, {})
        if message.snapshot:
            rows.clear()
        for row in message.calls:
            if row.phase == row.PHASE_ENDED:
                rows.pop(row.call_id, None)
            else:
                rows[row.call_id] = row

    async def _take(self, node: str, message: overview_service_pb2.WatchCallsResponse) -> None:
        """Hand on what changed at a node."""
        before = set(self._rows.get(node, ()))
        self._note(node, message)
        changed = overview_service_pb2.WatchCallsResponse()
        changed.calls.extend(message.calls)
        if message.snapshot:  # of a node that came back: what it does not have any more is over, or elsewhere
            changed.calls.extend(self._ended(before - set(self._rows[node])))
        await self._write(node, changed)

    async def _gone(self, node: str) -> None:
        """A node is gone: its calls are nobody's, until another node has them."""
        rows = self._rows.pop(node, {})
        changed = overview_service_pb2.WatchCallsResponse()
        for row in rows.values():
            lost = changed.calls.add()
            lost.CopyFrom(row)
            lost.phase = lost.PHASE_LOST
        await self._write(node, changed)

    def _ended(self, names: set[str]) -> list[overview_service_pb2.CallOverview]:
        return [
            overview_service_pb2.CallOverview(
                call_id=name, phase=overview_service_pb2.CallOverview.PHASE_ENDED
            )
            for name in sorted(names)
        ]

    async def _write(self, node: str, changed: overview_service_pb2.WatchCallsResponse) -> None:
        """Write rows, but those of calls that another node has by now."""
        mine = self._rows.get(node, {})
        others = {name for other, rows in self._rows.items() if other != node for name in rows}
        kept = [row for row in changed.calls if row.call_id in mine or row.call_id not in others]
        if kept:
            message = overview_service_pb2.WatchCallsResponse(calls=kept)
            await self._context.write(message.SerializeToString())
