"""The audit log for one event loop: what comes at one moment is flushed to disk together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

import structlog

from pipeline.audit.entry import AuditEntry
from pipeline.audit.log import AuditLog
from pipeline.audit.receivers import AuditSender
from pipeline.errors import AuditUnavailable
from pipeline.metrics import Metrics
from pipeline.sections.audit import AuditSettings

MOST_WAITING = 5000
"""Records that may wait for the disk; beyond, what needs one is refused."""
FORGET_S = 3600.0
CHECKPOINT_S = 60.0
"""Time from which a new checkpoint is due, s."""
UNAVAILABLE = "the audit log cannot be written, and nothing may be read without it; try again"

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Auditor(Protocol):
    """Where it is written down who did what."""

    async def record(self, entry: AuditEntry) -> None:
        """Write a record; it is on disk when this returns.

        Raises:
            AuditUnavailable: it cannot be written.
        """
        ...


class NoAudit:
    """An :class:`Auditor` where there is no identity to write down."""

    async def record(self, entry: AuditEntry) -> None:
        """Write nothing."""

    async def run(self) -> None:
        """Return: nothing waits."""

    async def close(self) -> None:
        """Do nothing."""


class AuditService:
    """An :class:`Auditor` on files.

    Args:
        log: the files.
        metrics: where failures are counted.
        settings: how long it is kept, and where it is sent as well.
    """

    def __init__(self, log: AuditLog, metrics: Metrics, settings: AuditSettings | None = None) -> None:
        self._log = log
        self._settings = settings or AuditSettings()
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._waiting: list[tuple[AuditEntry, asyncio.Future[None]]] = []  # bounded by MOST_WAITING
        self._woken = asyncio.Event()
        self._healthy = True

    async def record(self, entry: AuditEntry) -> None:
        """Write a record; see :class:`Auditor`."""
        if len(self._waiting) >= MOST_WAITING:
            raise AuditUnavailable(UNAVAILABLE)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        self._woken.set()
        await written

    async def run(self) -> None:
        """Write what comes, and sign heads, until cancelled; what waits then is still written."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_all(), name="audit writer")
                tasks.create_task(self._sign(), name="audit checkpoints")
                tasks.create_task(self._forget(), name="audit retention")
                for receiver in self._settings.receivers:
                    sender = AuditSender(self._log.folder, receiver, self._metrics)
                    tasks.create_task(sender.run(), name=f"audit receiver {receiver.name}")
        finally:
            await self._write()
            await self._checkpoint(due_only=False)

    async def _write_all(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self._write()
            await self._checkpoint(due_only=True)

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        failure: AuditUnavailable | None = AuditUnavailable(UNAVAILABLE)
        try:
            await self._in_thread(partial(self._log.append, [entry for entry, _written in batch]))
            self._healthy, failure = True, None
        except Exception as error:  # noqa: BLE001 (a full disk, a folder that is gone: told to those who wait)
            self._fail(error)
        finally:  # also where this is cancelled: nobody waits for ever
            for _entry, written in batch:
                if not written.done():
                    written.set_exception(failure) if failure else written.set_result(None)

    async def _sign(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            await self._checkpoint(due_only=False)

    async def _forget(self) -> None:
        while True:
            try:
                for name in await self._in_thread(partial(self._log.forget, self._settings.keep_months)):
                    _log.info("audit segment deleted: it is older than audit.keep_months", segment=name)
            except (OSError, ValueError) as error:
                self._fail(error)
            await asyncio.sleep(FORGET_S)

    async def _checkpoint(self, *, due_only: bool) -> None:
        try:
            await self._in_thread(partial(self._log.checkpoint, due_only=due_only))
        except (OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._metrics.failures.labels("audit log").inc()
        if self._healthy:
            _log.error("the audit log cannot be written", error=type(error).__name__)
        self._healthy = False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True)
