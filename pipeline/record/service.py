"""The record for one event loop: recorders of live calls, and a watch over them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from pipeline.audit.entry import AuditEntry
from pipeline.audit.service import Auditor
from pipeline.calls.info import CallSpec
from pipeline.errors import AuditUnavailable, InvalidRequest, SettingsError
from pipeline.metrics import Metrics
from pipeline.record.archive import EVERY_ROW, Archive, FoundUtterance, RowFilter
from pipeline.record.keeper import DerivedData, RecordKeeper
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import read_master_keys
from pipeline.record.orphans import OrphanCloser
from pipeline.record.ownership import RecordLock
from pipeline.record.peers import Peers
from pipeline.record.recorder import CallRecorder, Keeping
from pipeline.record.search import SearchWanted
from pipeline.record.stores import RecordStores
from pipeline.record.writer import GATHERED_S, RecordWriter, nothing_told
from pipeline.sections.record import Kept, ProfileRecordSettings, RecordSettings

DAY_S = 86_400.0
WRITTEN_S = 2.0
"""How long whoever looks for a call that has just ended waits for the disk, s."""
ORPHANS_S = 5.0
"""Time between two looks for records that no node writes any more, s: well within the time for which a
cluster keeps what was told of a call that has ended."""
WATCH_S = 5.0
"""Time between two looks whether everything is kept."""
STALLED_S = 30.0
"""Time from which a disk that takes nothing, and reports nothing, counts as failing."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Live:
    recorder: CallRecorder
    warn: Callable[[str, str], None]
    told: bool = False


class RecordService:
    """The record of a server.

    Args:
        settings: of it; enabled.
        metrics: where to count.
        auditor: is told when the record is not kept, and when it is again.
        derived: what else is erased with a call.
        peers: the nodes that write the same record; None where this server alone does.

    Raises:
        SettingsError: keys or folders cannot be used.
    """

    def __init__(
        self,
        settings: RecordSettings,
        metrics: Metrics,
        auditor: Auditor,
        derived: Sequence[DerivedData] = (),
        peers: Peers | None = None,
    ) -> None:
        self._settings, self._peers = settings, peers
        self._metrics, self._auditor = metrics, auditor
        self._failing = False
        folder = settings.folder.expanduser()
        self._node = None if peers is None else peers.node
        self._lock = RecordLock(folder, settings.store, node=self._node)
        self.stores = RecordStores(folder, settings.store, node=self._node)
        try:
            reread = functools.partial(read_master_keys, settings)
            self.keys = KeyStore(settings.keys, reread(), reread)
            self._check_keys()
            self._orphans = None if peers is None else OrphanCloser(self.stores, self.keys, peers)
            self._close_interrupted()
        except SettingsError:
            self.stores.close()
            self._lock.release()
            raise
        waiting = settings.waiting_mb * 1_000_000
        told = nothing_told if peers is None else peers.told
        self.writer = RecordWriter(self.stores, self.keys, waiting, told)
        pack = settings.opus_after_hours
        self.keeper = RecordKeeper(
            self.stores,
            self.keys,
            derived,
            None if pack is None else pack * 3_600,
            None if peers is None else lambda: peers.term,
        )
        self._live: dict[str, _Live] = {}

    def _check_keys(self) -> None:
        """Look whether the keys belong to the record.

        Raises:
            SettingsError: not one call can be opened: the keys are others, or their disk is not there.
        """
        there = {tenant: self.stores.of(tenant).names() for tenant in self.stores.tenants()}
        known = self.keys.known() | self.keys.destroyed()  # behind the calls: nodes begin some meanwhile
        for names in there.values():
            missing = len(names - known)
            if missing and missing == len(names):
                raise SettingsError(
                    f"record.keys: not one of {missing} calls has its key there; is its disk mounted?"
                )
            if missing:
                _log.error("calls cannot be read: their keys are missing", count=missing)

    def _close_interrupted(self) -> None:
        """Say of the calls that the process before left alive that nobody saw their end."""
        try:
            if self._orphans is not None:
                count = self._orphans.close_own()
            else:
                count = sum(len(self.stores.of(tenant).interrupt()) for tenant in self.stores.tenants())
        except sa.exc.SQLAlchemyError as error:
            raise SettingsError(
                f"record.store: the calls of before cannot be closed ({type(error).__name__})"
            ) from error
        if count:
            _log.warning(
                "calls were interrupted when the server stopped; their record is closed", count=count
            )

    # ---------------------------------------------------------------- live calls

    def recorder(self, spec: CallSpec, profile: ProfileRecordSettings) -> CallRecorder | None:
        """Return what keeps a call that begins now; None where nothing of it is kept.

        Raises:
            InvalidRequest: there is no class of that name.
        """
        keeping = self._keeping(spec, profile)
        return (
            None
            if keeping is None
            else CallRecorder(
                spec,
                keeping,
                self.writer,
                self._metrics.record_wait.observe,
                self._node or "",
            )
        )

    def follow(self, recorder: CallRecorder, warn: Callable[[str, str], None]) -> None:
        """Watch over a recorder until it is closed.

        Args:
            recorder: of a live call.
            warn: tells its call that something is not kept.
        """
        self._live[recorder.record_id] = _Live(recorder, warn)

    def _keeping(self, spec: CallSpec, profile: ProfileRecordSettings) -> Keeping | None:
        classes = self._settings.classes
        name = spec.retention or profile.retention or next(iter(classes))
        if name not in classes:
            raise InvalidRequest(f"StartCall.retention_class: there is {', '.join(classes)}")
        if profile.keep is Kept.NOTHING or spec.unrecorded:
            return None
        if spec.past and spec.info.started_at + classes[name].keep_days * DAY_S <= time.time():
            raise InvalidRequest(
                f"the recording is older than {name} calls are kept ({classes[name].keep_days:g} days)"
            )
        return Keeping(
            retention=name,
            rules=classes[name],
            with_sound=profile.keep is Kept.ALL,
            durability=profile.durability,
            notice_given=spec.notice_given,
        )

    # ---------------------------------------------------------------- readers

    def archive(self, tenant: str | None) -> Archive:
        """Return the record of a company, for those who read it."""
        return Archive(tenant, self.stores.of(tenant), self.keys)

    async def search(
        self, tenant: str | None, wanted: SearchWanted, limit: int, like: RowFilter = EVERY_ROW
    ) -> list[FoundUtterance]:
        """Return utterances in which something was said; see :meth:`Archive.search`.

        Raises:
            RecordUnavailable: another node has the index.
        """
        self.keeper.check_leading()
        indexer = await self.keeper.in_thread(self.keeper.indexer, tenant)
        return await asyncio.to_thread(self.archive(tenant).search, indexer.index, wanted, limit, like)

    async def written(self) -> None:
        """Wait until all that came before is on disk, on whichever node; two seconds at most."""
        if self._peers is not None:
            await asyncio.sleep(2 * GATHERED_S)
        began = time.monotonic()
        while self.writer.waited_s > (passed := time.monotonic() - began) and passed < WRITTEN_S:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the writer's thread knows no event loop

    # ---------------------------------------------------------------- life

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="record watch")
            tasks.create_task(self.keeper.run(), name="record keeper")
            if self._peers is not None and self._orphans is not None:
                tasks.create_task(self._close_orphans(self._peers, self._orphans), name="record orphans")

    async def _close_orphans(self, peers: Peers, orphans: OrphanCloser) -> None:
        """Close the records that no node writes any more, over and over."""
        while True:
            await asyncio.sleep(ORPHANS_S)
            if peers.term is None:
                continue
            try:
                count = await self.keeper.in_thread(orphans.close)
            except Exception as error:  # noqa: BLE001 (a database that is away for a while comes back)
                _log.error("records without a node could not be looked for", error=type(error).__name__)
                continue
            if count:
                _log.warning("calls ended with their node; their record is closed", count=count)

    async def _watch(self) -> None:
        """Tell calls whose record is not as it should be."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._peers is not None:
                with contextlib.suppress(SettingsError):  # the writer says that the database is away
                    await asyncio.to_thread(self.stores.look)
            stalled = self.writer.state.failing or self.writer.waited_s > STALLED_S
            if stalled != self._failing:
                self._failing = stalled
                await self._note("record.failing" if stalled else "record.kept-again")
            self._look(stalled=stalled)

    async def _note(self, action: str) -> None:
        """Write into the audit log what became of the record; where that fails, it goes on."""
        with contextlib.suppress(AuditUnavailable):
            await self._auditor.record(AuditEntry(action=action, detail={"calls": len(self._live)}))

    def _look(self, *, stalled: bool) -> None:
        state = self.writer.state
        self._metrics.record_failing.set(float(stalled))
        self._metrics.record_waiting.set(self.writer.waiting_bytes)
        self._metrics.record_lost.set(state.lost)
        for name, live in list(self._live.items()):
            if live.recorder.closed:
                del self._live[name]
            elif (stalled or live.recorder.failing) and not live.told:
                live.told = True
                live.warn("RECORDING_FAILED", "the call goes on, but the disk does not take its record")
            elif live.told and not stalled and not live.recorder.failing:
                live.told = False
                live.warn("RECORDING_RESUMED", "the call is kept again; nothing of it is missing")

    async def close(self) -> None:
        """Write what waits, and close everything."""
        if not await asyncio.to_thread(self.writer.close):
            _log.error("a part of the record could not be written before the end")
        await asyncio.to_thread(self.keeper.close)
        self.stores.close()
        self.keys.close()
        self._lock.release()
