"""All alerts of a server: stored, followed by supervisors, acknowledged, expired."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import ParamSpec, Protocol, TypeVar

import structlog

from pipeline.alerts.jumps import ClockJumps
from pipeline.alerts.record import FALSE_ALARM, REAL, AlertRecord
from pipeline.alerts.store import AlertStore
from pipeline.calls.commands import CloseAlert
from pipeline.calls.directory import CallDirectory
from pipeline.calls.events import AlertEvent, AlertState
from pipeline.calls.info import CallInfo
from pipeline.calls.reach import CallReach
from pipeline.errors import AlertClosed, AlertsUnavailable, CallError, InvalidRequest, UnknownAlert
from pipeline.metrics import Metrics

SWEEP_S = 5.0
"""Pause between looks for alerts that nobody took, and for what is too old to be kept, s."""
UNSAVED = 1000
"""Records that wait for the store. When full, the oldest is lost and counted; its call had it."""
CLOSED = 1000
"""Closed alerts of which live calls are still to be told. When full, the oldest is left out."""
RETRY_S = 1.0
OTHERS_S = 0.25
"""Time between two looks for what other processes have written, s."""
FLUSH_S = 3.0
"""How long a supervisor, or the end of the server, waits for a store that cannot be written."""

P = ParamSpec("P")
R = TypeVar("R")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which records a webhook gets."""

    name: str
    wants: Callable[[AlertRecord], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of a record.

    Attributes:
        done: the store has dealt with it; False when it cannot now.
        record: as it is stored; None if it was not, or came too late.
    """

    done: bool
    record: AlertRecord | None = None


class AlertPublisher(Protocol):
    """Where calls report alerts."""

    @property
    def enabled(self) -> bool:
        """Whether alerts are raised at all."""
        ...

    def publish(self, call: CallInfo, event: AlertEvent, expire_s: float) -> None:
        """Take an alert of a live call; never waits."""
        ...


class NoAlerts:
    """An :class:`AlertPublisher` where alerts are turned off."""

    enabled = False

    def publish(self, call: CallInfo, event: AlertEvent, expire_s: float) -> None:
        """Keep nothing."""

    async def run(self, calls: CallDirectory) -> None:
        """Return: there is nothing to store."""

    async def flush(self) -> bool:
        """Return True: nothing waits."""
        return True

    def close(self) -> None:
        """Do nothing."""


class UnpublishedAlerts(NoAlerts):
    """An :class:`AlertPublisher` for calls of the past: alerts are events of the call, and nobody is told."""

    enabled = True


class AlertService:
    """An :class:`AlertPublisher` that keeps alerts; for one event loop, the store in a thread of its own.

    Args:
        store: the file.
        routes: one for each webhook.
        metrics: where to count.
        keep_s: after which closed alerts are deleted.
        shared: whether other processes write into the same store.

    Attributes:
        watchers: how many follow now.
    """

    enabled = True

    def __init__(
        self,
        store: AlertStore,
        routes: tuple[Route, ...],
        metrics: Metrics,
        keep_s: float,
        *,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self._store = store
        self._routes = routes
        self._metrics = metrics
        self._keep_s = keep_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alerts")
        self._unsaved: asyncio.Queue[AlertRecord] = asyncio.Queue(UNSAVED)
        self._changed = asyncio.Event()
        self._closed: asyncio.Queue[AlertRecord] = asyncio.Queue(CLOSED)
        self._last_seq = self._followed = store.last_seq()
        self._healthy = True
        self.watchers = 0

    async def in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` where the store lives."""
        call = functools.partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    @property
    def store(self) -> AlertStore:
        """The file; only for use in :meth:`in_thread`."""
        return self._store

    def changed(self) -> asyncio.Event:
        """Return what is set at the next change."""
        return self._changed

    # ---------------------------------------------------------------- from calls

    def publish(self, call: CallInfo, event: AlertEvent, expire_s: float) -> None:
        """Take an alert of a live call; never waits.

        Args:
            call: whose.
            event: what.
            expire_s: after which nobody took it.
        """
        self._count(call, event)
        if self._unsaved.full():
            self._unsaved.get_nowait()
            self._unsaved.task_done()
            self._metrics.dropped.labels("alert_record").inc()
        self._unsaved.put_nowait(AlertRecord(at=time.time(), call=call, event=event, expire_s=expire_s))

    async def run(self, calls: CallDirectory) -> None:
        """Store what is published, close what nobody takes and tell live calls of it, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._save_all(), name="alert store")
            tasks.create_task(self._sweep(), name="alert expiry")
            tasks.create_task(self._tell_calls(calls), name="alert closures")
            if self._shared:
                tasks.create_task(self._follow_others(), name="alerts of others")

    async def _follow_others(self) -> None:
        """Take note of what other processes write: watchers here are told, and so are calls here."""
        while True:
            await asyncio.sleep(OTHERS_S)
            try:
                fresh = await self.in_thread(self._store.after, self._followed)
            except Exception as error:  # noqa: BLE001 (as in _save, which tells)
                _log.debug("alerts of others cannot be read", error=type(error).__name__)
                continue
            for record in fresh:
                self._followed = record.seq
                self._last_seq = max(self._last_seq, record.seq)
                if record.event.state in (AlertState.ACKNOWLEDGED, AlertState.EXPIRED):
                    self._tell_call(record)
            if fresh:
                self._changed.set()
                self._changed = asyncio.Event()

    async def _tell_calls(self, calls: CallDirectory) -> None:
        """Tell each live call which of its alerts were closed."""
        while True:
            record = await self._closed.get()
            try:
                reach = CallReach(tenant=record.call.tenant)
                await calls.send(record.call.call_id, CloseAlert(event=record.event), reach)
            except CallError:
                continue  # it has ended meanwhile

    async def _save_all(self) -> None:
        while True:
            record = await self._unsaved.get()
            while not (await self._save(record)).done:  # noqa: ASYNC110 (a disk sets no event)
                await asyncio.sleep(RETRY_S)
            self._unsaved.task_done()

    async def _save(self, record: AlertRecord) -> Saved:
        """Store a record and wake everyone who waits for one."""
        webhooks = [route.name for route in self._routes if route.wants(record)]
        try:
            stored, dropped = await self.in_thread(self._store.add, record, webhooks)
        except Exception as error:  # noqa: BLE001 (a full disk, a locked file: tried again)
            self._metrics.failures.labels("alert store").inc()
            if self._healthy:
                _log.error("alert store failed, trying again", error=type(error).__name__)
            self._healthy = False
            return Saved(done=False)
        self._healthy = True
        if stored is None:
            return Saved(done=True)
        if dropped:
            self._metrics.dropped.labels("webhook").inc(dropped)
            _log.warning("webhook outbox full, oldest given up", count=dropped)
        self._last_seq = stored.seq
        self._changed.set()
        self._changed = asyncio.Event()
        return Saved(done=True, record=stored)

    async def _sweep(self) -> None:
        jumps = ClockJumps()
        while True:
            now = time.time()
            jump = jumps.look(now, time.monotonic())
            try:
                for record in await self.in_thread(self._store.overdue, now, jump):
                    await self._close(record, AlertState.EXPIRED)
                if jump is None:  # else the time may be wrong, and what is deleted does not come back
                    await self.in_thread(self._store.forget, now - self._keep_s)
            except Exception as error:  # noqa: BLE001 (the same store may work in a moment)
                self._metrics.failures.labels("alert store").inc()
                _log.error("alert expiry failed", error=type(error).__name__)
            await asyncio.sleep(SWEEP_S)

    async def flush(self, seconds: float = FLUSH_S) -> bool:
        """Wait until everything that was published is stored; return whether it was in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._unsaved.join()
        except TimeoutError:
            return False
        return True

    # ---------------------------------------------------------------- for supervisors

    def cursor(self, seq: int) -> str:
        """Return the place behind number ``seq``, for clients."""
        return self._store.cursors.seal(seq)

    def position(self, cursor: str | None) -> int:
        """Return the number that a cursor stands for; a cursor of another store begins at the beginning.

        Raises:
            InvalidRequest: it is none of ours.
        """
        if cursor is None:
            return self._last_seq
        if cursor == "0":
            return 0
        try:
            return min(self._store.cursors.open(cursor), self._last_seq)
        except ValueError:
            raise InvalidRequest("cursor is not one from WatchAlertsResponse") from None

    async def watch(self, after: int) -> AsyncGenerator[AlertRecord, None]:
        """Yield the records behind number ``after``, then every further one."""
        self.watchers += 1
        try:
            while True:
                changed = self._changed
                records = await self.in_thread(self._store.after, after)
                for record in records:
                    yield record
                    after = record.seq
                if not records:
                    await changed.wait()
        finally:
            self.watchers -= 1

    async def forget_call(self, tenant: str | None, call_id: str, since: float, until: float) -> None:
        """Delete the alerts of a call; see :meth:`AlertStore.forget_call`."""
        await self.in_thread(self._store.forget_call, tenant, call_id, since, until)

    async def taken(self, tenant: str | None, since: float, until: float) -> list[tuple[str, float]]:
        """Return when alerts were taken; see :meth:`AlertStore.taken`."""
        return await self.in_thread(self._store.taken, tenant, since, until)

    async def of_call(
        self, tenant: str | None, call_id: str, since: float, until: float, limit: int
    ) -> list[AlertRecord]:
        """Return the alerts of a call; see :meth:`AlertStore.of_call`."""
        await self.flush()
        return await self.in_thread(self._store.of_call, tenant, call_id, since, until, limit)

    async def open(self, tenant: str | None) -> tuple[list[AlertRecord], int]:
        """Return the alerts that nobody has taken, the oldest first, and the position behind them.

        Args:
            tenant: only this company's; None for those of all.

        Raises:
            AlertsUnavailable: the store cannot be written now, so that not all of them are in it.
        """
        if not await self.flush():
            raise AlertsUnavailable("the alert store cannot be written; try again")
        last = await self.in_thread(self._store.last_seq)
        return await self.in_thread(self._store.open, tenant), last

    async def acknowledge(
        self,
        alert_id: str,
        *,
        false_alarm: bool,
        note: str | None,
        seen: Callable[[AlertRecord], bool],
        by: str | None = None,
    ) -> AlertRecord:
        """Take an alert; doing so again changes nothing.

        Args:
            alert_id: of the alert.
            false_alarm: whether nothing was wrong.
            note: of whoever takes it.
            seen: whether whoever takes it may know of it.
            by: id of whoever takes it.

        Raises:
            UnknownAlert: there is no such alert that they may know of.
            AlertClosed: it expired before.
            AlertsUnavailable: the store cannot be written now.
        """
        if not await self.flush():
            raise AlertsUnavailable("the alert store cannot be written; try again")
        record = await self.in_thread(self._store.newest, alert_id)
        if record is None or not seen(record):
            raise UnknownAlert("no alert has this alert_id; closed ones are kept for alerts.keep_days")
        if record.event.state is AlertState.EXPIRED:
            raise AlertClosed("the alert has expired; nobody took it in time")
        if record.event.state is not AlertState.ACKNOWLEDGED:
            verdict = FALSE_ALARM if false_alarm else REAL
            taken = replace(
                record, event=replace(record.event, taken_by=by), verdict=verdict, note=note or None
            )
            if not await self._close(taken, AlertState.ACKNOWLEDGED):
                raise AlertsUnavailable("the alert store cannot be written; try again")
        newest = await self.in_thread(self._store.newest, alert_id)  # another one may have been quicker
        return newest or record

    def _count(self, call: CallInfo, event: AlertEvent) -> None:
        company = self._metrics.company(call.tenant)
        self._metrics.alerts.labels(event.rule, event.state.value, company).inc()

    async def _close(self, record: AlertRecord, state: AlertState) -> bool:
        """Close an alert, unless that has happened meanwhile; return whether the store took it."""
        event = replace(record.event, state=state)
        fresh = replace(record, seq=0, at=time.time(), event=event)
        saved = await self._save(fresh)
        if saved.record is None:
            return saved.done
        self._count(record.call, event)
        if not self._shared:  # else it is told as those of others are
            self._tell_call(saved.record)
        return True

    def _tell_call(self, record: AlertRecord) -> None:
        if self._closed.full():
            self._closed.get_nowait()
        self._closed.put_nowait(record)

    def close(self) -> None:
        """Close the store."""
        self._thread.submit(self._store.close)
        self._thread.shutdown(wait=True)
