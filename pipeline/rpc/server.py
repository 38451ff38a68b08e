"""The server: listens, warms models behind live calls, and leaves without losing a sentence."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import structlog
from grpc_health.v1 import health as health_service
from threadpoolctl import threadpool_limits

from asr import AsrEngine
from models import ModelError
from pipeline.advice.hub import KnowledgeHub
from pipeline.alerts.book import RuleBook
from pipeline.alerts.hub import AlertHub
from pipeline.alerts.store import MEMORY, AlertStore
from pipeline.alerts.webhook import WebhookSender, route_of
from pipeline.config import Settings
from pipeline.engines import (
    asr_factory,
    build_emotion,
    build_knowledge,
    build_vad,
    build_voices,
    check_phrases,
    find_model,
    reload_phrases,
)
from pipeline.errors import SettingsError
from pipeline.metrics import Metrics
from pipeline.pool import AsrScheduler, ServedModel
from pipeline.pulse import Pulse
from pipeline.registry import CallRegistry
from pipeline.review.reviewer import Reviewer
from pipeline.rpc.failures import plain
from pipeline.rpc.listening import listening
from pipeline.session import Engines
from pipeline.vad_pool import VadPool

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
    check_phrases(settings)
    threadpool_limits(1, user_api="blas")  # numpy's products here are tiny; idle BLAS threads spin
    metrics, stopping = Metrics(), asyncio.Event()
    scheduler = AsrScheduler(
        factory or asr_factory(settings, directory),
        ServedModel(directory.name, directory.languages),
        metrics,
        max_batch=settings.asr.max_batch,
        max_finals=settings.asr.max_pending_finals,
        batch_wait_s=settings.asr.batch_wait_ms / 1000,
    )
    engines = Engines(
        scheduler=scheduler,
        vad=VadPool(build_vad(settings), metrics),
        pulse=Pulse(),
        metrics=metrics,
        emotion=build_emotion(settings),
        emotion_thread=ThreadPoolExecutor(1, thread_name_prefix="emotion"),
        voices=build_voices(settings),
        voice_thread=ThreadPoolExecutor(1, thread_name_prefix="voices"),
        reviewer=_reviewer(settings),
        book=RuleBook(settings.profiles),
        alerts=_alert_hub(settings, metrics),
        knowledge=build_knowledge(settings, metrics),
    )
    reloading = asyncio.Event()
    if signals:
        _listen_to_signals(stopping, reloading)
    try:
        async with asyncio.TaskGroup() as tasks:
            worker = tasks.create_task(scheduler.run(), name="asr scheduler")
            others = [tasks.create_task(engines.vad.run(), name="voice detector")]
            others += [tasks.create_task(_reload(settings, engines, reloading), name="reloader")]
            others += _alert_tasks(tasks, settings, engines)
            others += await _knowledge_tasks(tasks, engines.knowledge)
            registry = CallRegistry(settings, engines, tasks)
            async with listening(settings, registry, engines) as (server, health, port):
                inside = settings.server.host.startswith("unix:")
                _log.info(
                    "ready behind front ends" if inside else "serving",
                    port=None if inside else port,
                    model=directory.name,
                    tls=settings.server.tls_certificate is not None,
                    articles=len(engines.knowledge.base) if engines.knowledge else None,
                )
                if ready:
                    ready(Server(port, metrics, registry, stop=stopping.set, reload=reloading.set))
                await stopping.wait()
                await _drain(server, health, registry, settings.server.shutdown_grace_s)
            if engines.alerts and not await engines.alerts.flush():
                _log.error("alerts could not be stored before the end")
            registry.stop_reviews()
            for task in (worker, *others):
                task.cancel()
    except BaseExceptionGroup as group:
        raise plain(group) from group
    finally:
        await _close(engines)
        _log.info("stopped")


def _listen_to_signals(stopping: asyncio.Event, reloading: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)


async def _close(engines: Engines) -> None:
    """Close what all calls shared."""
    for thread in (engines.emotion_thread, engines.voice_thread):
        thread.shutdown(wait=False, cancel_futures=True)
    if engines.reviewer:
        await engines.reviewer.close()
    if engines.alerts:
        engines.alerts.close()
    if engines.knowledge:
        await engines.knowledge.close()


async def _knowledge_tasks(tasks: asyncio.TaskGroup, hub: KnowledgeHub | None) -> list[asyncio.Task[None]]:
    """Make the knowledge base ready, and start what follows its store.

    Raises:
        KnowledgeError: the store or the index cannot be used.
    """
    if hub is None:
        return []
    await hub.start()
    return [tasks.create_task(hub.run(), name="knowledge base")]


def _reviewer(settings: Settings) -> Reviewer | None:
    wanted = settings.diarization.second_look
    return Reviewer(wanted) if wanted.enabled else None


def _alert_hub(settings: Settings, metrics: Metrics) -> AlertHub | None:
    """Return what keeps alerts; None where they are turned off.

    Raises:
        SettingsError: the store cannot be opened.
    """
    alerts = settings.alerts
    if not alerts.enabled:
        return None
    store = AlertStore(alerts.store or MEMORY, alerts.max_pending)
    given_up = store.drop_unknown([webhook.name for webhook in alerts.webhooks])
    if given_up:
        _log.warning("deliveries of webhooks that are gone were given up", count=given_up)
    routes = tuple(route_of(webhook) for webhook in alerts.webhooks)
    return AlertHub(store, routes, metrics, keep_s=alerts.keep_days * 86_400)


def _alert_tasks(tasks: asyncio.TaskGroup, settings: Settings, engines: Engines) -> list[asyncio.Task[None]]:
    """Start what stores alerts and what sends them."""
    hub = engines.alerts
    if hub is None:
        return []
    senders = [WebhookSender(webhook, hub, engines.metrics) for webhook in settings.alerts.webhooks]
    return [
        tasks.create_task(hub.run(), name="alert hub"),
        *(tasks.create_task(sender.run(), name="webhook") for sender in senders),
    ]


async def _reload(settings: Settings, engines: Engines, asked: asyncio.Event) -> None:
    """Load models and rules again, whenever asked; what cannot be loaded changes nothing."""
    while True:
        await asked.wait()
        asked.clear()
        for what, load in (
            ("model", _reload_recogniser), ("emotion model", _reload_emotion),
            ("speaker models", _reload_voices), ("rules", _reload_rules),
        ):  # fmt: skip
            try:
                told = await load(settings, engines)
            except (SettingsError, ModelError) as error:
                engines.metrics.failures.labels("reload").inc()
                _log.error(f"reload failed, the old {what} stays", reason=str(error))
            except Exception as error:  # noqa: BLE001 (whatever a file holds, live calls go on)
                engines.metrics.failures.labels("reload").inc()
                _log.error(f"reload failed, the old {what} stays", reason=type(error).__name__)
            else:
                _log.info(f"{what} reloaded", **told)


async def _reload_recogniser(settings: Settings, engines: Engines) -> dict[str, str]:
    directory = find_model(settings)
    model = ServedModel(directory.name, directory.languages)
    await engines.scheduler.reload(asr_factory(settings, directory), model)
    return {"model": directory.name}


async def _reload_emotion(settings: Settings, engines: Engines) -> dict[str, str]:
    """Load it beside the old one; calls that begin from now on use it."""
    engines.emotion = await asyncio.get_running_loop().run_in_executor(None, build_emotion, settings)
    return {"model": engines.emotion.name if engines.emotion else "none"}


async def _reload_voices(settings: Settings, engines: Engines) -> dict[str, str]:
    """Load them beside the old ones; calls that begin from now on use them."""
    engines.voices = await asyncio.get_running_loop().run_in_executor(None, build_voices, settings)
    return {"model": engines.voices.embedder.name if engines.voices else "none"}


async def _reload_rules(settings: Settings, engines: Engines) -> dict[str, str]:
    """Read rules, words and phrases again, for calls that begin from now on."""
    await asyncio.get_running_loop().run_in_executor(None, reload_phrases, settings)
    await asyncio.get_running_loop().run_in_executor(None, engines.book.reload)
    return {}


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
