"""A gateway of a cluster: whatever node has a call, or can do what is asked, it goes there."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog

from pipeline.config import LimitSettings
from pipeline.inference.ticker import BatchTicker
from pipeline.rpc import merging
from pipeline.rpc.forwarding import GATHER_S, STREAM_CALL, carry, forward
from pipeline.rpc.gateway_metrics import GatewayMetrics
from pipeline.rpc.identity import identity_of
from pipeline.rpc.peers import OLD_TLS, is_old_tls
from pipeline.rpc.relay import CallRelay
from pipeline.rpc.routing import Identity, Node, NodeRouter
from pipeline.rpc.status import is_gone, is_ours
from pipeline.rpc.watch_relay import WATCH_CALL, WatchRelay
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import suggestion_service_pb2

ABOUT_A_CALL: dict[str, Any] = {
    "/yuetone.v1.CallService/SetSensitive": pb.SetSensitiveRequest,
    "/yuetone.v1.SuggestionService/SubmitFeedback": suggestion_service_pb2.SubmitFeedbackRequest,
    "/yuetone.v1.SuggestionService/SetReplyLanguage": suggestion_service_pb2.SetReplyLanguageRequest,
}
"""Requests that the node which has the call must answer."""
AT_LEADER = frozenset({"/yuetone.v1.RecordService/SearchCalls", "/yuetone.v1.RecordService/EraseCalls"})
"""What the node does that keeps the record: it has the search index."""
MERGED: dict[str, Callable[[NodeRouter, bytes, Identity], Awaitable[bytes]]] = {
    merging.LIST_CALLS: merging.list_calls,
    merging.GET_CAPABILITIES: merging.capabilities,
}
_EOF = grpc.aio.EOF
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class ClusterForwarder(grpc.GenericRpcHandler):
    """Forwards every method to a node; for one event loop.

    Args:
        router: knows the nodes.
        limits: of the server.
        secret: by which nodes know gateways.
        metrics: of the gateway.
    """

    def __init__(
        self, router: NodeRouter, limits: LimitSettings, secret: str, metrics: GatewayMetrics
    ) -> None:
        self._router, self._limits, self._secret, self._metrics = router, limits, secret, metrics
        self._pulse = BatchTicker(GATHER_S)

    def service(self, handler_call_details: Any) -> Any:
        """Return what serves a method: its bytes both ways."""
        method = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(functools.partial(self._forward, method))

    async def _forward(self, method: str, _requests: Any, context: _Context) -> None:
        if is_old_tls(context):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, OLD_TLS)
        identity = identity_of(context, self._secret)
        try:
            if method == STREAM_CALL:
                with self._metrics.call():
                    relay = CallRelay(
                        context, self._router, identity, self._limits, self._pulse, self._metrics
                    )
                    await relay.run()
                return
            await self._request(method, context, identity)
        except grpc.aio.AioRpcError as error:
            if is_gone(error.code(), error.details()) and not is_ours(error.details()):
                error = merging.unavailable()
            await context.abort(error.code(), error.details() or "")

    async def _request(self, method: str, context: _Context, identity: Identity) -> None:
        """Serve a method whose request is one message, or a stream of them that any node takes."""
        merged = MERGED.get(method)
        if merged is not None:
            await context.write(await merged(self._router, await _whole(context), identity))
        elif method == merging.WATCH_CALLS:
            await merging.CallsWatch(context, self._router, await _whole(context), identity).run()
        elif method == WATCH_CALL:
            relay = WatchRelay(
                context, self._router, await _whole(context), identity, self._limits.resume_window_s
            )
            await relay.run()
        elif method in ABOUT_A_CALL:
            await context.write(await self._at_owner(method, await _whole(context), identity))
        elif method in AT_LEADER:
            await self._through(method, context, identity, self._router.leader() or self._any())
        else:
            await self._through(method, context, identity, self._any())

    def _any(self) -> Node:
        node = self._router.any()
        if node is None:
            raise merging.unavailable()
        return node

    async def _at_owner(self, method: str, request: bytes, identity: Identity) -> bytes:
        """Return the answer of the node that has the call; of any, where nobody does.

        Raises:
            AioRpcError: it refuses.
        """
        call_id = ABOUT_A_CALL[method].FromString(request).call_id
        names = await self._router.owners(call_id) or [self._any().name]
        refusal = merging.unavailable()
        for node in filter(None, map(self._router.named, names)):
            try:
                return await merging.ask(node, method, request, identity)
            except grpc.aio.AioRpcError as error:
                refusal = error
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    break
        raise refusal

    async def _through(self, method: str, context: _Context, identity: Identity, node: Node) -> None:
        """Forward a method as it is to one node."""
        call: Any = node.channel.stream_stream(method)(metadata=identity, timeout=context.time_remaining())
        await forward(call, context, carry(call, context))


async def _whole(context: _Context) -> bytes:
    """Return the one message of a request."""
    message = await context.read()
    return b"" if message is _EOF else bytes(message)
