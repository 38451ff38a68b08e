"""The server: the app on the wire; it warms models behind live calls and leaves without losing a sentence."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

from asr import AsrEngine
from pipeline.app import App
from pipeline.config import Settings
from pipeline.logs.directory import MemoryCallDirectory
from pipeline.rpc.grpc_server import Listening, listening
from pipeline.rpc.startup_errors import plain

FLUSH_S = 10.0
"""Time for the last finals of calls that are closed at the end of the grace period, s."""

_log = structlog.get_logger(__name__)


class Server:
    """A running server.

    Attributes:
        port: it listens on.
        app: what is behind the wire.
        metrics: what it counts.
        calls: its calls.
    """

    def __init__(
        self,
        port: int,
        app: App,
        calls: MemoryCallDirectory,
        *,
        stop: Callable[[], None],
        reload: Callable[[], None],
    ) -> None:
        self.port = port
        self.app = app
        self.metrics = app.metrics
        self.calls = calls
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
    app = App(settings, factory)
    stopping, reloading = asyncio.Event(), asyncio.Event()
    if signals:
        _listen_to_signals(stopping, reloading)
    inside = settings.server.host.startswith("unix:")
    try:
        async with app.running(reloading) as calls, listening(app, calls) as wire:
            _log.info(
                "ready behind gateways" if inside else "serving",
                port=None if inside else wire.port,
                metrics_port=wire.metrics_port,
                model=app.services.scheduler.model.name,
                tls=settings.server.tls_certificate is not None,
                articles=app.knowledge.articles,
            )
            if ready:
                ready(Server(wire.port, app, calls, stop=stopping.set, reload=reloading.set))
            await stopping.wait()
            await _drain(wire, calls, settings.server.shutdown_grace_s)
    except BaseExceptionGroup as group:
        raise plain(group) from group
    finally:
        await app.close()
        _log.info("stopped")


def _listen_to_signals(stopping: asyncio.Event, reloading: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)


async def _drain(wire: Listening, calls: MemoryCallDirectory, grace_s: float) -> None:
    """Refuse new calls, let live ones finish within the grace period, then close them with their finals."""
    calls.drain()
    await wire.health.enter_graceful_shutdown()
    _log.info("shutting down", live_calls=len(calls))
    if not await calls.wait_empty(grace_s):
        calls.close_all("shutdown")
        await calls.wait_empty(FLUSH_S)
    await wire.server.stop(grace=1.0)
