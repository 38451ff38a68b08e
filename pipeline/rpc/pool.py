"""A server of the recogniser pool: single utterances in, text out; ``yuetone recogniser``."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import structlog
from grpc_health.v1 import health as health_service
from grpc_health.v1 import health_pb2, health_pb2_grpc
from threadpoolctl import threadpool_limits

from asr import AsrEngine, AsrRequest, Transcript
from models import ModelError
from pipeline.access.exposure import is_near
from pipeline.access.secrets import same_secret
from pipeline.config import Settings
from pipeline.engines import local_recogniser
from pipeline.errors import (
    AtCapacity,
    CallError,
    RecognitionFailed,
    SettingsError,
    Unauthenticated,
)
from pipeline.inference.scheduler import AsrScheduler
from pipeline.metrics import Metrics
from pipeline.reloads import RecogniserReload
from pipeline.rpc.answering import answered
from pipeline.rpc.grpc_server import KEEPALIVE, bind, metrics_endpoint
from pipeline.rpc.recognition import LARGEST_BYTES, SECRET, SERVICE, from_request, to_response
from pipeline.rpc.server import Stopping, listen_to_signals
from pipeline.rpc.startup_errors import plain
from yuetone.v1 import recogniser_service_pb2 as pb
from yuetone.v1 import recogniser_service_pb2_grpc as pb_grpc

CONNECTION_AGE_MS = 60_000
"""Age at which a connection is renewed, so that nodes look up the pool's addresses again, ms."""
DRAIN_S = 10.0
"""Time that requests under way have when the server leaves, s."""
_Context: TypeAlias = "grpc.aio.ServicerContext[pb.RecogniseRequest, pb.RecogniseResponse]"
_log = structlog.get_logger(__name__)


class RecogniserServicer(pb_grpc.RecogniserServiceServicer):
    """The service; for one event loop.

    Args:
        scheduler: recognises.
        secret: secret that nodes show; None where nobody but this machine reaches the server.
        most: requests under way at most; whoever comes then is sent to another server.
    """

    def __init__(self, scheduler: AsrScheduler, secret: str | None, most: int) -> None:
        self._scheduler, self._secret, self._most = scheduler, secret, most
        self._keys = map(str, itertools.count())
        self._under_way = 0

    async def Recognise(self, message: pb.RecogniseRequest, context: _Context) -> pb.RecogniseResponse:  # noqa: N802
        """Recognise an utterance; see the proto file."""

        async def work() -> pb.RecogniseResponse:
            self._check(context)
            if self._under_way >= self._most:
                raise AtCapacity("ask another server")
            self._under_way += 1
            try:
                return await self._answer(from_request(message))
            finally:
                self._under_way -= 1

        return await answered(context, work, _engine)

    async def _answer(self, request: AsrRequest) -> pb.RecogniseResponse:
        if not request.final:
            return to_response(await self._partial(request), 0.0, self._load())
        heard = await self._scheduler.heard(request)
        return to_response(heard.transcript, heard.waited_s, self._load())

    async def _partial(self, request: AsrRequest) -> Transcript:
        """Return a partial; nobody takes its place here, since a node asks for one a channel at a time."""
        key = next(self._keys)
        try:
            result = await self._scheduler.partial(key, request)
        finally:
            self._scheduler.drop_partial(key)
        if result is None:
            raise RuntimeError("a partial was dropped")
        return result

    async def GetRecogniser(  # noqa: N802
        self, message: pb.GetRecogniserRequest, context: _Context
    ) -> pb.GetRecogniserResponse:
        """Tell which model is served, and how busy it is."""

        async def work() -> pb.GetRecogniserResponse:
            self._check(context)
            if not self._scheduler.ready:
                raise AtCapacity("the model is being loaded")
            model = self._scheduler.model
            return pb.GetRecogniserResponse(model=model.name, languages=model.languages, load=self._load())

        return await answered(context, work, _engine)

    def _load(self) -> pb.RecogniserLoad:
        return pb.RecogniserLoad(
            busy=self._scheduler.load(),
            busy_with_finals=self._scheduler.load(finals_only=True),
            waiting=self._scheduler.waiting,
        )

    def _check(self, context: _Context) -> None:
        """Refuse whoever does not show the secret.

        Raises:
            Unauthenticated: it is another one, or none.
        """
        shown = dict(context.invocation_metadata() or ()).get(SECRET)
        if self._secret is not None and not same_secret(self._secret, str(shown)):
            raise Unauthenticated("asr.remote_secret differs")


@contextmanager
def _engine() -> Iterator[None]:
    """Turn what an engine raises into an error of the request."""
    try:
        yield
    except CallError:
        raise
    except Exception as error:  # an engine may raise anything
        _log.warning("recognition failed", error=type(error).__name__)
        raise RecognitionFailed("on this audio") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A server of the pool that listens.

    Attributes:
        port: port of gRPC.
        metrics: metrics that it keeps.
        stop: asks it to end.
    """

    port: int
    metrics: Metrics
    stop: Callable[[], None]


async def serve_pool(
    settings: Settings,
    *,
    ready: Callable[[Pool], None] | None = None,
    factory: Callable[[], AsrEngine] | None = None,
    signals: bool = True,
) -> None:
    """Serve single utterances until SIGTERM or SIGINT; SIGHUP reads the model again.

    Args:
        settings: name the model, the address and the secret.
        ready: called once the model is loaded.
        factory: makes the recogniser; None takes the one that the settings name.
        signals: listen to them.

    Raises:
        SettingsError: the model, a certificate or the address cannot be used.
    """
    threadpool_limits(1, user_api="blas")  # as in the server
    secret = _secret(settings)
    metrics, stopping, reloading = Metrics(), Stopping(), asyncio.Event()
    scheduler = local_recogniser(settings, metrics, factory)
    if signals:
        listen_to_signals(stopping, reloading, 2 * DRAIN_S)
    try:
        async with asyncio.TaskGroup() as tasks:
            works = [
                tasks.create_task(scheduler.run(), name="asr scheduler"),
                tasks.create_task(_reload_when(reloading, settings, scheduler), name="reloader"),
            ]
            async with _listening(settings, scheduler, metrics, secret) as (server, health, port):
                pool = Pool(port=port, metrics=metrics, stop=stopping.ask)
                announcing = _announced(scheduler, health, pool, ready)
                works.append(tasks.create_task(announcing, name="announcement"))
                await stopping.asked.wait()
                await health.enter_graceful_shutdown()
                await server.stop(grace=DRAIN_S)
            for work in works:
                work.cancel()
    except BaseExceptionGroup as group:
        raise plain(group) from group
    finally:
        _log.info("stopped")


def _secret(settings: Settings) -> str | None:
    """Return what nodes must show.

    Raises:
        SettingsError: other machines reach the server, and it is not protected.
    """
    secret, server = settings.asr.remote_secret, settings.server
    if not is_near(server.host) and not settings.access.insecure:
        if server.tls_certificate is None:
            raise SettingsError(
                f"server.host {server.host} can be reached from other machines, and speech would go there in "
                "clear: set server.tls_certificate and server.tls_key, or say --insecure"
            )
        if secret is None:
            raise SettingsError("asr.remote_secret: set it here and on the nodes, or say --insecure")
    return secret.get_secret_value() if secret else None


@asynccontextmanager
async def _listening(
    settings: Settings, scheduler: AsrScheduler, metrics: Metrics, secret: str | None
) -> AsyncIterator[tuple[grpc.aio.Server, health_service.aio.HealthServicer, int]]:
    """Listen; health says NOT_SERVING until the model is loaded."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", LARGEST_BYTES),
            ("grpc.max_allowed_incoming_connections", settings.limits.max_connections),
            ("grpc.so_reuseport", 0),
            ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
            ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_MS),
            *KEEPALIVE,
        ]
    )
    servicer = RecogniserServicer(scheduler, secret, settings.asr.max_pending_finals)
    pb_grpc.add_RecogniserServiceServicer_to_server(servicer, server)
    health = health_service.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for service in ("", SERVICE):
        await health.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
    try:
        port = bind(server, settings.server)
        with metrics_endpoint(settings.server, metrics.registry):
            await server.start()
            yield server, health, port
    finally:
        await server.stop(grace=0.5)


async def _announced(
    scheduler: AsrScheduler,
    health: health_service.aio.HealthServicer,
    pool: Pool,
    ready: Callable[[Pool], None] | None,
) -> None:
    """Say that requests are welcome once the model is loaded."""
    while not scheduler.ready:  # noqa: ASYNC110 (asked at the start alone)
        await asyncio.sleep(0.05)
    for service in ("", SERVICE):
        await health.set(service, health_pb2.HealthCheckResponse.SERVING)
    _log.info("recognising", port=pool.port, model=scheduler.model.name)
    if ready:
        ready(pool)


async def _reload_when(asked: asyncio.Event, settings: Settings, scheduler: AsrScheduler) -> None:
    """Read the model again, whenever asked; one that cannot be loaded changes nothing."""
    part = RecogniserReload(settings, scheduler)
    while True:
        await asked.wait()
        asked.clear()
        try:
            _log.info("model reloaded", now=await part.reload())
        except (ModelError, SettingsError) as error:
            _log.error("reload failed, the old model stays", reason=str(error))
