"""The server: listens, warms models behind live calls, and leaves without losing a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import structlog
from grpc_health.v1 import health as health_service
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server
from threadpoolctl import threadpool_limits

from asr import AsrEngine, ModelError
from pipeline.config import ServerSettings, Settings
from pipeline.engines import asr_factory, build_vad, find_model
from pipeline.errors import SettingsError
from pipeline.metrics import Metrics
from pipeline.pool import AsrScheduler, ServedModel
from pipeline.registry import CallRegistry
from pipeline.rpc.servicer import CallServicer
from pipeline.session import Engines
from yuetone.v1 import call_service_pb2, call_service_pb2_grpc

CALL_SERVICE = call_service_pb2.DESCRIPTOR.services_by_name["CallService"].full_name
HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Of gRPC itself; above limits.max_chunk_bytes, so that a chunk too large gets our own clear error."""
FLUSH_S = 10.0
"""For the last finals of calls that are closed at the end of the grace period."""

_log = structlog.get_logger(__name__)


class Server:
    """A running server.

    Attributes:
        port: it listens on.
        metrics: what it counts.
        registry: its calls.
    """

    def __init__(
        self,
        port: int,
        metrics: Metrics,
        registry: CallRegistry,
        *,
        stop: Callable[[], None],
        reload: Callable[[], None],
    ) -> None:
        self.port = port
        self.metrics = metrics
        self.registry = registry
        self._stop = stop
        self._reload = reload

    def stop(self) -> None:
        """Begin a graceful shutdown: no new calls, live ones get their grace period."""
        self._stop()

    def reload(self) -> None:
        """Look for the model again and load it behind live calls, as on SIGHUP."""
        self._reload()


async def serve(
    settings: Settings,
    *,
    ready: Callable[[Server], None] | None = None,
    factory: Callable[[], AsrEngine] | None = None,
    signals: bool = True,
) -> None:
    """Serve until SIGTERM, SIGINT or :meth:`Server.stop`.

    Args:
        settings: of the server.
        ready: called once it listens.
        factory: makes the recogniser; None takes the one that the settings name.
        signals: listen to SIGTERM and SIGINT.

    Raises:
        SettingsError: the model, a certificate or the address cannot be used.
    """
    directory = find_model(settings)
    threadpool_limits(1, user_api="blas")  # numpy's products here are tiny; idle BLAS threads spin
    metrics, stopping = Metrics(), asyncio.Event()
    scheduler = AsrScheduler(
        factory or asr_factory(settings, directory),
        ServedModel(directory.name, directory.languages),
        metrics,
        max_batch=settings.asr.max_batch,
        max_finals=settings.asr.max_pending_finals,
    )
    engines = Engines(
        scheduler=scheduler,
        vad=build_vad(settings),
        vad_thread=ThreadPoolExecutor(1, thread_name_prefix="vad"),
        metrics=metrics,
    )
    reloading = asyncio.Event()
    if signals:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, reloading.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            worker = tasks.create_task(scheduler.run(), name="asr scheduler")
            reloader = tasks.create_task(_reload_models(settings, engines, reloading), name="model reloader")
            registry = CallRegistry(settings, engines, tasks)
            async with _listening(settings, registry, engines) as (server, health, port):
                _log.info(
                    "serving",
                    port=port,
                    model=directory.name,
                    tls=settings.server.tls_certificate is not None,
                )
                if ready:
                    ready(Server(port, metrics, registry, stop=stopping.set, reload=reloading.set))
                await stopping.wait()
                await _drain(server, health, registry, settings.server.shutdown_grace_s)
            reloader.cancel()
            worker.cancel()
    except BaseExceptionGroup as group:
        raise _plain(group) from group
    finally:
        engines.vad_thread.shutdown(wait=False, cancel_futures=True)
        _log.info("stopped")


async def _reload_models(settings: Settings, engines: Engines, asked: asyncio.Event) -> None:
    """Load what ``asr.model`` means now, whenever asked; what cannot be loaded changes nothing."""
    while True:
        await asked.wait()
        asked.clear()
        try:
            directory = find_model(settings)
            model = ServedModel(directory.name, directory.languages)
            await engines.scheduler.reload(asr_factory(settings, directory), model)
        except (SettingsError, ModelError) as error:
            engines.metrics.failures.labels("reload").inc()
            _log.error("reload failed, the old model stays", reason=str(error))
        else:
            _log.info("model reloaded", model=directory.name)


def _plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what the operator can mend as one plain error, anything else as it is."""
    leaves = list(_leaves(group))
    for error in leaves:
        if isinstance(error, SettingsError):
            return error
        if isinstance(error, ModelError):
            return SettingsError(f"asr.model: {error}")
    return leaves[0] if len(leaves) == 1 else group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@asynccontextmanager
async def _listening(
    settings: Settings, registry: CallRegistry, engines: Engines
) -> AsyncIterator[tuple[grpc.aio.Server, health_service.aio.HealthServicer, int]]:
    """Listen; on the way out, stop at once (calls have ended by then)."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),  # two servers on one port would share the calls unnoticed
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ]
    )
    call_service_pb2_grpc.add_CallServiceServicer_to_server(CallServicer(registry, settings, engines), server)
    health = health_service.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((CALL_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    port = _bind(server, settings.server)
    with _metrics_endpoint(settings.server, engines.metrics):
        await server.start()
        for service in ("", CALL_SERVICE):
            await health.set(service, health_pb2.HealthCheckResponse.SERVING)
        try:
            yield server, health, port
        finally:
            await server.stop(grace=0.5)


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    address = f"{settings.host}:{settings.port}"
    try:
        if settings.tls_certificate is None or settings.tls_key is None:
            return server.add_insecure_port(address)
        authorities = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
        pair = (settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())
        credentials = grpc.ssl_server_credentials(
            [pair], root_certificates=authorities, require_client_auth=authorities is not None
        )
        return server.add_secure_port(address, credentials)
    except (RuntimeError, OSError) as error:
        raise SettingsError(
            f"cannot listen on {address}: the port is taken or the address is not this machine's; "
            "set server.port or server.host"
        ) from error


@contextlib.contextmanager
def _metrics_endpoint(settings: ServerSettings, metrics: Metrics) -> Iterator[None]:
    if settings.metrics_port is None:
        yield
        return
    try:
        endpoint, thread = start_http_server(
            settings.metrics_port, addr=settings.metrics_host, registry=metrics.registry
        )
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.metrics_host}:{settings.metrics_port} for metrics; "
            "set server.metrics_port, or null to do without"
        ) from error
    try:
        yield
    finally:
        endpoint.shutdown()
        endpoint.server_close()
        thread.join()


async def _drain(
    server: grpc.aio.Server, health: health_service.aio.HealthServicer, registry: CallRegistry, grace_s: float
) -> None:
    """Refuse new calls, let live ones finish within the grace period, then close them with their finals."""
    registry.drain()
    await health.enter_graceful_shutdown()
    _log.info("shutting down", live_calls=len(registry))
    if not await registry.wait_empty(grace_s):
        registry.close_all("shutdown")
        await registry.wait_empty(FLUSH_S)
    await server.stop(grace=1.0)
