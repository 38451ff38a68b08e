"""One watched call through a gateway of a cluster: followed from node to node until it has ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc

from pipeline.rpc import merging, responses
from pipeline.rpc.routing import Identity, Node, NodeRouter
from pipeline.rpc.status import is_gone, refusal
from yuetone.v1 import call_service_pb2 as pb

WATCH_CALL = "/yuetone.v1.CallService/WatchCall"
AGAIN_S = 0.1
"""Pause between two looks for the node that has the call, s."""
LOOKS = 4
"""Looks after which a call that no node knows is none; it may be on its way from one to another."""
FIRST_S, SILENCE_S = 5.0, 1.8
"""How long a node may say nothing before it has told anything, and later: heartbeats come each second."""
_EOF = grpc.aio.EOF
_Context = grpc.aio.ServicerContext[Any, Any]


class WatchRelay:
    """The relay; for one event loop.

    Args:
        context: of the reader.
        router: knows the nodes.
        request: of the reader.
        identity: of the reader.
        window_s: calls may have no node for so long.
    """

    def __init__(
        self, context: _Context, router: NodeRouter, request: bytes, identity: Identity, window_s: float
    ) -> None:
        self._context, self._router, self._identity = context, router, identity
        self._wanted = pb.WatchCallRequest.FromString(request)
        self._window_s = window_s
        self._seen = self._moved = False
        self._looks = 0  # in vain; none counts once the call was seen

    async def run(self) -> None:
        """Write until the call has ended.

        Raises:
            AioRpcError: there is none, or it may not be seen.
        """
        until = time.monotonic() + self._window_s
        while True:
            why = await self._followed()
            if why is None:
                return
            unknown = why.code() is grpc.StatusCode.NOT_FOUND
            if not unknown and not is_gone(why.code(), why.details()):
                raise why
            self._looks += unknown
            if time.monotonic() > until or (self._looks >= LOOKS and not self._seen):
                raise why
            if self._moved:
                until = time.monotonic() + self._window_s
            alive = pb.WatchCallResponse(event=responses.heartbeat(self._wanted.call_id, 0))
            await self._context.write(alive.SerializeToString())
            await asyncio.sleep(AGAIN_S)

    async def _followed(self) -> grpc.aio.AioRpcError | None:
        """Follow the call at the node that has it; return why that is over, None for the call's end."""
        self._moved = False
        names = await self._router.owners(self._wanted.call_id)
        nodes: list[Node | None] = list(map(self._router.named, names))
        why = merging.unavailable()
        if names and not any(nodes):
            return why  # its node is gone, and no other one has it yet
        for node in filter(None, nodes if names else [self._router.any()]):
            found = await self._at(node)
            if found is None:
                return None
            why = found
            if found.code() is not grpc.StatusCode.NOT_FOUND:
                break
        return why

    async def _at(self, node: Node) -> grpc.aio.AioRpcError | None:
        """Follow the call at one node."""
        watch: Any = node.channel.unary_stream(WATCH_CALL)
        stream = watch(self._wanted.SerializeToString(), metadata=self._identity)
        try:
            while (answer := await self._read(stream)) is not _EOF:
                await self._take(answer)
            code, details = await stream.code(), await stream.details()
        except TimeoutError:
            code, details = grpc.StatusCode.UNAVAILABLE, ""
        except grpc.aio.AioRpcError as error:
            code, details = error.code(), error.details()
        finally:
            stream.cancel()
        if code is grpc.StatusCode.OK:
            return None
        if is_gone(code, details):
            self._router.failed(node.name)
        return refusal(code, details)

    async def _read(self, stream: Any) -> Any:
        async with asyncio.timeout(SILENCE_S if self._moved else FIRST_S):
            return await stream.read()

    async def _take(self, answer: bytes) -> None:
        message = pb.WatchCallResponse.FromString(answer)
        self._seen = self._moved = True
        if message.event.server_seq:
            self._wanted.after_server_seq = message.event.server_seq
        await self._context.write(answer)
