"""The server: the app on the wire; it warms models behind live calls and leaves without losing a sentence."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from asr import AsrEngine
from pipeline.access.exposure import PRIVATE, exposure_of
from pipeline.app import App
from pipeline.config import ServerSettings, Settings
from pipeline.logs.directory import MemoryCallDirectory
from pipeline.rpc.grpc_server import Listening, listening
from pipeline.rpc.remote import RemoteRecogniser
from pipeline.rpc.startup_errors import plain

FLUSH_S = 6.0
"""Time for the last finals of calls that are closed at the end of the grace period, s."""
HURRY_S = 1.0
"""The same when somebody asks a second time."""
BEYOND_GRACE_S = 9.5
"""The process ends this long after the grace period, whatever happens, s."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The gateways in front of a server.

    Attributes:
        secret: that they show.
        outside: where they listen.
    """

    secret: str
    outside: ServerSettings


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
        """Begin a graceful shutdown: no new calls, live ones get their grace period; again: hurry."""
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
    behind: Behind | None = None,
    private: bool = False,
    reread: Callable[[], Settings] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or :meth:`Server.stop`.

    Args:
        settings: of the server.
        ready: called once it listens.
        factory: makes the recogniser; None takes the one that the settings name.
        signals: listen to SIGTERM and SIGINT.
        behind: the gateways in front; None where there are none.
        private: whether nobody reaches it but the program that calls this.
        reread: reads the settings again, on SIGHUP; None leaves access and companies as they are.

    Raises:
        SettingsError: the model, a certificate or the address cannot be used.
    """
    outside = behind.outside if behind else settings.server
    exposure = PRIVATE if private else exposure_of(outside, settings.access)
    recogniser = (
        functools.partial(RemoteRecogniser, settings) if settings.asr.remote and not factory else None
    )
    app = App(settings, factory, exposure, reread, recogniser)
    stopping, reloading = Stopping(), asyncio.Event()
    if signals:
        handing = settings.cluster.hand_over_s + BEYOND_GRACE_S if settings.cluster.url is not None else 0.0
        longest = settings.server.shutdown_grace_s + BEYOND_GRACE_S + handing
        listen_to_signals(stopping, reloading, longest)
    secret = behind.secret if behind else None
    try:
        async with app.running(reloading) as (calls, directory), listening(app, directory, secret) as wire:
            _log.info(
                "ready behind gateways" if behind else "serving",
                port=None if behind else wire.port,
                metrics_port=wire.metrics_port,
                model=app.services.scheduler.model.name,
                tls=outside.tls_certificate is not None,
                identity="development" if app.exposure.development else "required",
                articles=app.knowledge.articles,
            )
            app.warn()
            if ready:
                ready(Server(wire.port, app, calls, stop=stopping.ask, reload=reloading.set))
            await stopping.asked.wait()
            await _drain(app, wire, calls, settings.server.shutdown_grace_s, stopping.hurry)
    except BaseExceptionGroup as group:
        raise plain(group) from group
    finally:
        await app.close()
        _log.info("stopped")


class Stopping:
    """Whether the server has been asked to stop, and whether it was asked twice."""

    def __init__(self) -> None:
        self.asked, self.hurry = asyncio.Event(), asyncio.Event()

    def ask(self) -> None:
        """Ask once to stop, twice to hurry."""
        (self.hurry if self.asked.is_set() else self.asked).set()


def listen_to_signals(stopping: Stopping, reloading: asyncio.Event, longest_s: float) -> None:
    """Stop on SIGTERM and SIGINT, reload on SIGHUP; the process ends in time though the event loop hang."""

    def asked() -> None:
        if not stopping.asked.is_set():
            last = threading.Timer(longest_s, _end_now)
            last.daemon = True
            last.start()
        stopping.ask()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)


def _end_now() -> None:
    _log.error("the server did not stop in time and ends now")
    os._exit(1)


async def _drain(
    app: App, wire: Listening, calls: MemoryCallDirectory, grace_s: float, hurry: asyncio.Event
) -> None:
    """Refuse new calls, let live ones finish within the grace period, then close them with their finals.

    A node of a cluster hands them over to others instead. What is not done by then is cancelled, so that
    every client is told that its call has ended.
    """
    calls.drain()
    await wire.health.enter_graceful_shutdown()
    _log.info("shutting down", live_calls=len(calls))
    if app.cluster is not None:
        await app.cluster.leave(lambda seconds: _emptied(calls, seconds, hurry))
    if not await _emptied(calls, grace_s, hurry):
        calls.close_all("shutdown")
        if not await _emptied(calls, FLUSH_S, hurry):
            await calls.wait_empty(HURRY_S)
    if len(calls):
        _log.warning("calls were cut off before their last sentences", calls=len(calls))
        await calls.abandon()
    await wire.server.stop(grace=1.0)


async def _emptied(calls: MemoryCallDirectory, timeout_s: float, hurry: asyncio.Event) -> bool:
    """Wait until no call is left; return whether that came true in time, before somebody wants it faster."""
    waits = [asyncio.create_task(calls.wait_empty(timeout_s)), asyncio.create_task(hurry.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return not len(calls)
