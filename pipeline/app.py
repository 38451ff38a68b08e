"""The composition root: builds a server from its settings, runs it and reloads it. No wire here."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Protocol

import httpx2
import structlog
from threadpoolctl import threadpool_limits

from asr import AsrEngine
from cantonese.personal import prepare as prepare_redaction
from models import ModelError
from pipeline.access.authenticator import Authenticator
from pipeline.access.exposure import Exposure, exposure_of
from pipeline.alerts.profile_rules import read_rules
from pipeline.alerts.service import AlertService
from pipeline.alerts.webhook import WebhookSender
from pipeline.audit.entry import AuditEntry
from pipeline.call import Call
from pipeline.calls.directory import CallDirectory
from pipeline.calls.events import CallEvent
from pipeline.calls.info import SAMPLE_RATE, CallSpec
from pipeline.calls.log import CallLog
from pipeline.cluster.log import ClusterCallLog
from pipeline.cluster.node import ClusterNode
from pipeline.cluster.pointers import PointerFollower
from pipeline.cluster.shared_rules import RulesFollower, publish
from pipeline.config import ProfileSettings, Settings
from pipeline.engines import (
    build_emotion,
    build_knowledge,
    build_phrases,
    build_vad,
    build_voices,
    local_recogniser,
)
from pipeline.errors import AuditUnavailable, InvalidRequest, SettingsError
from pipeline.inference.capacity import Capacity
from pipeline.inference.detector import VadBatcher
from pipeline.inference.recogniser import Recogniser
from pipeline.inference.shares import Shares
from pipeline.inference.ticker import BatchTicker
from pipeline.knowledge.service import KnowledgeService
from pipeline.logs.directory import MemoryCallDirectory
from pipeline.logs.memory import MemoryCallLog
from pipeline.logs.recorded import RecordedCallLog
from pipeline.metrics import Metrics
from pipeline.record.recorder import CallRecorder
from pipeline.record.service import RecordService
from pipeline.reloading import Reloadable, Reloaded
from pipeline.reloads import AccessReload, RecogniserReload
from pipeline.services import CallServices
from pipeline.side_services import build_alerts, build_auditor, build_second_look, build_suggestions
from pipeline.tracing import tracer_of

WARN_S = 600.0
"""Time between two warnings about how the server can be reached, s."""

_log = structlog.get_logger(__name__)


class RemoteModel(Recogniser, Reloadable, Protocol):
    """A recogniser of another machine, which can be asked again what it serves."""


class App:
    """A server without its wire.

    Args:
        settings: of the server.
        factory: makes the recogniser; None takes the one that the settings name.
        exposure: how the server may be reached; None judges the settings.
        reread: reads the settings again; None where they come from nowhere.
        recogniser: a recogniser of another machine, which can be asked again what it is; None loads one here.

    Attributes:
        settings: of the server.
        metrics: what it counts.
        capacity: admits calls.
        authenticator: says who somebody is.
        auditor: writes down who did what.
        shares: what each company has of the server.
        services: what calls share.
        alerts: keeps alerts.
        knowledge: the knowledge base.
        record: of calls; None where nothing is kept.
        cluster: what this node shares with others; None for a server that stands alone.
        reloads: how often everything was read again.

    Raises:
        SettingsError: a model, a file or a store cannot be used; the message names the fix.
    """

    def __init__(
        self,
        settings: Settings,
        factory: Callable[[], AsrEngine] | None = None,
        exposure: Exposure | None = None,
        reread: Callable[[], Settings] | None = None,
        recogniser: Callable[[Metrics], RemoteModel] | None = None,
    ) -> None:
        self._reread = reread
        self.shares = Shares(settings.tenants)
        self.reloads = 0
        self.exposure = exposure or exposure_of(settings.server, settings.access)
        prepare_redaction()
        threadpool_limits(1, user_api="blas")  # numpy's products here are tiny; idle BLAS threads spin
        self.settings = settings
        self.metrics = Metrics()
        ticker = BatchTicker()
        scheduler, self._recogniser = self._recognisers(factory, recogniser)
        self.capacity = Capacity(settings.limits, scheduler, ticker, shares=self.shares)
        self.services = self._services(scheduler, ticker)
        self.authenticator = Authenticator(
            settings.access, development=self.exposure.development, client=httpx2.AsyncClient()
        )
        self.auditor = build_auditor(settings, self.metrics, identified=not self.exposure.development)
        self.cluster = self._cluster()
        self.record = self._record()

    def _recognisers(
        self,
        factory: Callable[[], AsrEngine] | None,
        remote: Callable[[Metrics], RemoteModel] | None,
    ) -> tuple[Recogniser, Reloadable]:
        """Return what recognises, and the same as something that can be read again."""
        if remote is not None:
            found = remote(self.metrics)
            return found, found
        here = local_recogniser(self.settings, self.metrics, factory)
        return here, RecogniserReload(self.settings, here)

    def _cluster(self) -> ClusterNode | None:
        settings = self.settings
        if settings.cluster.url is None:
            return None
        return ClusterNode(
            settings.cluster, settings.limits.resume_window_s, self.metrics.cluster_commit.observe
        )

    def _services(self, scheduler: Recogniser, ticker: BatchTicker) -> CallServices:
        settings, metrics = self.settings, self.metrics
        phrases = Reloaded("phrases", functools.partial(build_phrases, settings))
        rules = Reloaded("rules", functools.partial(read_rules, settings.profiles))
        self.alerts = build_alerts(settings, metrics)
        self.knowledge = build_knowledge(settings, metrics)
        return CallServices(
            scheduler=scheduler,
            detector=VadBatcher(build_vad(settings), metrics),
            ticker=ticker,
            metrics=metrics,
            emotion=Reloaded(
                "emotion model",
                functools.partial(build_emotion, settings),
                lambda engine: engine.name,
            ),
            emotion_thread=ThreadPoolExecutor(1, thread_name_prefix="emotion"),
            voices=Reloaded(
                "speaker models",
                functools.partial(build_voices, settings),
                lambda voices: voices.name,
            ),
            voice_thread=ThreadPoolExecutor(1, thread_name_prefix="voices"),
            second_look=build_second_look(settings),
            alerts=self.alerts,
            suggestions=build_suggestions(self.knowledge),
            rules=rules,
            phrases=phrases,
            tracer=tracer_of(settings.tracing, settings.cluster.node),
        )

    def _record(self) -> RecordService | None:
        if not self.settings.record.enabled:
            return None
        derived = [
            part
            for part in (self.alerts, self.knowledge)
            if isinstance(part, AlertService | KnowledgeService)
        ]
        peers = None if self.cluster is None else self.cluster.peers
        return RecordService(self.settings.record, self.metrics, self.auditor, derived, peers)

    # ---------------------------------------------------------------- calls

    def log_of(self, spec: CallSpec, appended: Callable[[CallEvent], None]) -> CallLog:
        """Return the log of a call that begins now.

        Args:
            spec: of the call.
            appended: is told every event.

        Raises:
            InvalidRequest: unknown profile, or unknown class of the record.
        """
        recorder = self._recorder(spec)

        def kept(log: MemoryCallLog) -> CallLog:
            return log if recorder is None else RecordedCallLog(spec.call_id, log, recorder)

        shared = self.cluster.log_of(spec, appended, kept) if self.cluster is not None else None
        log = shared or kept(MemoryCallLog(spec.call_id, appended=appended))
        if (
            self.record is not None
            and recorder is not None
            and isinstance(log, ClusterCallLog | RecordedCallLog)
        ):
            self.record.follow(recorder, log.warn)
        return log

    def _recorder(self, spec: CallSpec) -> CallRecorder | None:
        profile = self._profile(spec)
        return None if self.record is None else self.record.recorder(spec, profile.record)

    def start(self, spec: CallSpec, log: CallLog) -> Call:
        """Return a call that begins now, with a log of :meth:`log_of`.

        Raises:
            InvalidRequest: unknown profile.
        """
        here = log.inner if isinstance(log, ClusterCallLog) else log
        recorder = here.recorder if isinstance(here, RecordedCallLog) else None
        call = Call(spec, log, self._profile(spec), self.settings.limits, self.services, recorder)
        if self.cluster is not None:
            self.cluster.bind(call)
        return call

    def _profile(self, spec: CallSpec) -> ProfileSettings:
        known = self.shares.profiles(self.settings.profiles, spec.info.tenant)
        if spec.info.profile not in known:
            raise InvalidRequest(f"no profile of that name; there are: {', '.join(known)}")
        return self.settings.profiles[spec.info.profile]

    # ---------------------------------------------------------------- life

    @asynccontextmanager
    async def running(
        self, reloading: asyncio.Event
    ) -> AsyncIterator[tuple[MemoryCallDirectory, CallDirectory]]:
        """Run everything in the background; yield the calls of this process, and the directory for clients.

        Args:
            reloading: set whenever models, rules, phrases and tables shall be read again.

        Raises:
            BaseExceptionGroup: of what failed in the background.
        """
        services = self.services
        async with asyncio.TaskGroup() as tasks:
            calls = MemoryCallDirectory(
                self.start, self.log_of, self.capacity.admit, self.settings.limits.resume_window_s, tasks
            )
            self._count(calls)
            directory = calls if self.cluster is None else self.cluster.directory(calls)
            works: dict[str, Coroutine[Any, Any, None]] = {
                "asr scheduler": services.scheduler.run(),
                "voice detector": services.detector.run(),
                "capacity": self.capacity.run(),
                "reloader": self._reload_when(reloading),
                "alerts": self.alerts.run(calls),
                "access": self.authenticator.run(),
                "audit log": self.auditor.run(),
                "warnings": self._warn(),
                **({} if self.record is None else {"record": self.record.run()}),
                **self._webhooks(),
                **self._shared(calls, reloading),
            }
            workers = [tasks.create_task(work, name=name) for name, work in works.items()]
            await self.knowledge.start()
            workers.append(tasks.create_task(self.knowledge.run(), name="knowledge base"))
            await self._note("server.start")
            yield calls, directory
            if not await self.alerts.flush():
                _log.error("alerts could not be stored before the end")
            await calls.abandon()  # before what they wait for: the recogniser, the voice detector
            calls.stop_second_looks()
            await self._note("server.stop")
            for worker in workers:
                worker.cancel()

    def _shared(
        self, calls: MemoryCallDirectory, reloading: asyncio.Event
    ) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the work of a node of a cluster."""
        if self.cluster is None:
            return {}
        follower = PointerFollower(self.cluster.store, self.settings.asr.models_dir, reloading.set)
        rules = RulesFollower(self.cluster.store, self.settings.profiles, self.services.rules.reload)
        return {
            "cluster": self.cluster.run(calls, lambda: self.capacity.calls),
            "model pointers": follower.run(),
            "rules of all nodes": rules.run(),
        }

    async def share_rules(self, profile: str, text: str) -> None:
        """Let the other nodes take rules up that were saved here; raises SQLAlchemyError."""
        if self.cluster is not None:
            await asyncio.to_thread(publish, self.cluster.store, profile, text)

    async def _note(self, action: str) -> None:
        """Write into the audit log what the server itself does; where that fails, it goes on."""
        with contextlib.suppress(AuditUnavailable):
            await self.auditor.record(AuditEntry(action=action, detail={"version": version("yuetone")}))

    async def _warn(self) -> None:
        """Say over and over what people must know about how this server can be reached."""
        while self.exposure.warnings:
            await asyncio.sleep(WARN_S)
            self.warn()

    def warn(self) -> None:
        """Say once what people must know about how this server can be reached."""
        for warning in self.exposure.warnings:
            _log.warning(warning)

    def _webhooks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the work of every webhook, by its name."""
        if not isinstance(self.alerts, AlertService):
            return {}
        return {
            f"webhook {hook.name}": WebhookSender(hook, self.alerts, self.metrics, leads=self._leads).run()
            for hook in self.settings.alerts.webhooks
        }

    def _leads(self) -> bool:
        """Tell whether this process does what one of all must do."""
        return self.cluster is None or self.cluster.leads

    def _count(self, calls: MemoryCallDirectory) -> None:
        """Let the metrics ask the directory, from their own thread."""
        metrics = self.metrics
        metrics.follow_live(lambda: [call.info.tenant for call in calls.calls])
        metrics.lag.set_function(lambda: max((call.lag for call in calls.calls), default=0) / SAMPLE_RATE)
        metrics.room.set_function(lambda: float(self.capacity.calls))
        waiting = metrics.queue.labels("mailboxes")
        waiting.set_function(lambda: float(sum(call.backlog for call in calls.calls)))

    async def close(self) -> None:
        """Close what all calls shared."""
        for thread in (self.services.emotion_thread, self.services.voice_thread):
            thread.shutdown(wait=False, cancel_futures=True)
        await self.services.second_look.close()
        await asyncio.to_thread(self.services.tracer.close)
        if self.record is not None:
            await self.record.close()
        if self.cluster is not None:
            await self.cluster.close()
        self.alerts.close()
        await self.knowledge.close()
        await self.authenticator.close()
        await self.auditor.close()

    # ---------------------------------------------------------------- reloading

    @property
    def reloadables(self) -> tuple[Reloadable, ...]:
        """Everything that can be read again while calls go on."""
        services = self.services
        models = (self._recogniser, services.emotion, services.voices)
        access = AccessReload(self._reread, self.authenticator, self.shares)
        return (*models, services.rules, services.phrases, self.knowledge, access)

    async def _reload_when(self, asked: asyncio.Event) -> None:
        """Read everything again, whenever asked; what cannot be loaded changes nothing."""
        while True:
            await asked.wait()
            asked.clear()
            for part in self.reloadables:
                await self._reload(part)
            self.reloads += 1
            await self._note("server.reload")

    async def _reload(self, part: Reloadable) -> None:
        try:
            now = await part.reload()
        except (SettingsError, ModelError) as error:
            self.metrics.failures.labels("reload").inc()
            _log.error(f"reload failed, the old {part.name} stays", reason=str(error))
        except Exception as error:  # noqa: BLE001 (whatever a file holds, live calls go on)
            self.metrics.failures.labels("reload").inc()
            _log.error(f"reload failed, the old {part.name} stays", reason=type(error).__name__)
        else:
            _log.info(f"{part.name} reloaded", **({"now": now} if now else {}))
