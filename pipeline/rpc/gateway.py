"""A gateway: takes calls off the wire and hands them to the server behind it in fewer, larger messages.

Every method is forwarded as it is; only the audio of a call is looked at, and put together. The server
behind keeps calls, alerts, the knowledge base and the recogniser, so it does not matter which gateway a
client meets, and a broken call is resumed through any of them. Measured on one core: a message costs gRPC
in Python 140 µs whether it holds 20 or 100 ms of audio.

    python -m pipeline.rpc.gateway SETTINGS.json unix:/run/yuetone/core.sock
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
from pathlib import Path
from typing import Any

import grpc

from pipeline.cluster.store import ClusterStore
from pipeline.config import LimitSettings, ServerSettings
from pipeline.errors import YuetoneError
from pipeline.inference.ticker import BatchTicker
from pipeline.rpc import requests
from pipeline.rpc.children import end_of_input
from pipeline.rpc.cluster_gateway import ClusterForwarder
from pipeline.rpc.forwarding import GATHER_S, STREAM_CALL, carry, forward
from pipeline.rpc.gateway_metrics import GatewayMetrics
from pipeline.rpc.grpc_server import bind, metrics_endpoint, most_streams, wire_options
from pipeline.rpc.identity import identity_of
from pipeline.rpc.joiner import Joiner, audio_of
from pipeline.rpc.peers import (
    OLD_TLS,
    is_old_tls,
)
from pipeline.rpc.routing import NodeRouter
from pipeline.rpc.servicer import END_OF_STREAM_S
from pipeline.rpc.status import is_gone, is_ours, refusal
from pipeline.sections.base import Section
from yuetone.v1 import call_service_pb2 as pb

UNREACHABLE = "the server behind this gateway does not answer; try again"
_FROM_CORE = [("grpc.max_receive_message_length", -1)]
_Context = grpc.aio.ServicerContext[Any, Any]


class GatewaySettings(Section):
    """What a gateway is told by the server that starts it.

    Attributes:
        server: where it listens.
        limits: of the server.
        secret: that it shows.
        cluster: address of the nodes' database, who signs their certificates, s after which a silent one is
            gone; None in front of one server.
    """

    server: ServerSettings
    limits: LimitSettings
    secret: str
    cluster: tuple[str, Path | None, float] | None = None


class Forwarder(grpc.GenericRpcHandler):
    """Forwards every method to the server behind.

    Args:
        core: channel to it.
        max_bytes: of one message of audio.
        secret: by which the server behind knows its gateways.
        metrics: of the gateway.
    """

    def __init__(self, core: grpc.aio.Channel, max_bytes: int, secret: str, metrics: GatewayMetrics) -> None:
        self._core, self._metrics = core, metrics
        self._secret = secret
        self._max_bytes = max_bytes
        self._pulse = BatchTicker(GATHER_S)

    def service(self, handler_call_details: Any) -> Any:
        """Return what serves a method: its bytes both ways."""
        method = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(functools.partial(self._forward, method))

    async def _forward(self, method: str, _requests: Any, context: _Context) -> None:
        if is_old_tls(context):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, OLD_TLS)
        metadata = identity_of(context, self._secret)
        call: Any = self._core.stream_stream(method)(metadata=metadata, timeout=context.time_remaining())
        is_call = method == STREAM_CALL
        carrying = self._carry_call if is_call else carry
        try:
            with self._metrics.call() if is_call else contextlib.nullcontext():
                await forward(call, context, carrying(call, context))
        except grpc.aio.AioRpcError as error:
            if is_gone(error.code(), error.details()) and not is_ours(error.details()):
                error = refusal(grpc.StatusCode.UNAVAILABLE, UNREACHABLE)  # its text would name our socket
            if is_call:
                self._metrics.refused.labels(error.code().name).inc()
            await context.abort(error.code(), error.details() or "")

    async def _carry_call(self, call: Any, context: _Context) -> None:
        """Forward a call's messages, its audio put together."""
        first = await context.read()
        if first is grpc.aio.EOF:
            await call.done_writing()
            return
        await call.write(first)
        try:
            joiner = Joiner(requests.call_spec(pb.StreamCallRequest.FromString(first)), self._max_bytes)
        except Exception:  # noqa: BLE001 (whatever is wrong with it, the server behind says so)
            await carry(call, context)
            return
        writing = asyncio.Lock()
        flusher: asyncio.Task[None] | None = None
        try:
            while (data := await context.read()) is not grpc.aio.EOF:
                chunk = audio_of(data)
                if chunk is not None:
                    joiner.add(chunk)
                    if joiner.full:
                        await _flush(joiner, call, writing)
                    elif flusher is None or flusher.done():
                        flusher = asyncio.create_task(self._flush_soon(joiner, call, writing))
                    continue
                await _flush(joiner, call, writing)
                await call.write(data)
            await _flush(joiner, call, writing)
            await asyncio.sleep(END_OF_STREAM_S)
            await call.done_writing()
        finally:
            if flusher is not None:
                flusher.cancel()
                await asyncio.gather(flusher, return_exceptions=True)

    async def _flush_soon(self, joiner: Joiner, call: Any, writing: asyncio.Lock) -> None:
        while joiner.waiting:
            await self._pulse.next()
            await _flush(joiner, call, writing)


async def _flush(joiner: Joiner, call: Any, writing: asyncio.Lock) -> None:
    async with writing:
        for message in joiner.take():
            await call.write(message)


async def run(settings: GatewaySettings, core: str) -> None:
    """Forward until standard input ends: then the server behind has let its calls finish, or is gone.

    Signals that go to the whole group (Ctrl-C, a service manager) are for the server behind.

    Raises:
        SettingsError: it cannot listen.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if settings.cluster is not None:
        await _run_in_cluster(settings, *settings.cluster)
        return
    async with grpc.aio.insecure_channel(core, options=_FROM_CORE) as channel:
        metrics = GatewayMetrics()
        handler = Forwarder(channel, settings.limits.max_chunk_bytes, settings.secret, metrics)
        await _listen(settings, handler, metrics)


async def _run_in_cluster(settings: GatewaySettings, url: str, tls_ca: Path | None, silent_s: float) -> None:
    store = ClusterStore(url, "gateway")
    router = NodeRouter(store, tls_ca, silent_s)
    await router.look()
    looks = asyncio.create_task(router.run(), name="nodes")
    try:
        metrics = GatewayMetrics()
        metrics.follow_nodes(lambda: router.alive)
        await _listen(settings, ClusterForwarder(router, settings.limits, settings.secret, metrics), metrics)
    finally:
        looks.cancel()
        await asyncio.gather(looks, return_exceptions=True)
        await router.close()
        store.close()


async def _listen(
    settings: GatewaySettings, handler: grpc.GenericRpcHandler, metrics: GatewayMetrics
) -> None:
    """Listen until standard input ends.

    Raises:
        SettingsError: it cannot.
    """
    limits = settings.limits
    server = grpc.aio.server(
        options=[*wire_options(limits), ("grpc.so_reuseport", 1)],
        maximum_concurrent_rpcs=most_streams(limits),
    )
    server.add_generic_rpc_handlers((handler,))
    bind(server, settings.server)
    with metrics_endpoint(settings.server, metrics.registry):
        await server.start()
        print("listening", flush=True)  # noqa: T201 (the process that started it waits for this line)
        await end_of_input()
        await server.stop(grace=1.0)


def main() -> None:
    """Run one gateway."""
    settings = GatewaySettings.model_validate_json(Path(sys.argv[1]).read_text("utf-8"))
    try:
        asyncio.run(run(settings, sys.argv[2]))
    except YuetoneError as error:
        sys.exit(f"yuetone: {error}")


if __name__ == "__main__":
    main()
