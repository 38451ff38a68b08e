"""What is done for the record behind the calls: searching, ageing, erasing. For one event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

import structlog

from pipeline.errors import RecordUnavailable
from pipeline.record.entries import RecordRow
from pipeline.record.erasing import Eraser, ErasureReceipt
from pipeline.record.indexing import Indexer, drop_indexes
from pipeline.record.key_store import KeyStore
from pipeline.record.packing import Packer
from pipeline.record.stores import RecordStores

INDEX_S = 1.0
"""Time between two looks for what was said since, s: with 48 calls, half a second cost 3 % of a core."""
SWEEP_S = 60.0
"""Time between two looks for calls whose time has come, s."""
AROUND_S = 86_400.0
"""Behind the end of a call, s: what is kept elsewhere until then under its id is of this call."""
LEADS_S = 0.5
"""Time between two looks whether this process keeps the record, s."""
PACK_S = 60.0
"""Time between two looks for calls to pack, s."""

P = ParamSpec("P")
R = TypeVar("R")
_log = structlog.get_logger(__name__)


class DerivedData(Protocol):
    """What is made of calls and kept elsewhere."""

    async def forget_call(self, tenant: str | None, call_id: str, since: float, until: float) -> None:
        """Delete what was made of a call between two times, s since 1970 UTC."""
        ...


class RecordKeeper:
    """The keeper.

    Args:
        stores: of all companies.
        keys: of all calls.
        derived: what is erased with a call.
        pack_after_s: behind its end, s, when the sound of a call is packed; None never packs it.
        term: tells since which gain this process keeps the record, of all that share it; None while another
            one does.
    """

    def __init__(
        self,
        stores: RecordStores,
        keys: KeyStore,
        derived: Sequence[DerivedData],
        pack_after_s: float | None = None,
        term: Callable[[], int | None] | None = None,
    ) -> None:
        self._stores, self._keys, self._derived = stores, keys, derived
        self._term, self._leading = term, term is None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="record-keeper")
        self._pack_after_s = pack_after_s
        self._stopping = threading.Event()
        self._packing = ThreadPoolExecutor(1, thread_name_prefix="record-packing", initializer=_give_way)
        self._indexers: dict[str | None, Indexer] = {}  # of that thread
        self._erasing = asyncio.Lock()
        self._broken: set[str] = set()

    async def in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` in the thread that owns indexes and erasures."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def indexer(self, tenant: str | None) -> Indexer:
        """Return what keeps a company's index; only in the keeper's thread."""
        found = self._indexers.get(tenant)
        if found is None:
            found = self._indexers[tenant] = Indexer(self._stores.of(tenant), self._keys, tenant)
        return found

    def eraser(self, tenant: str | None) -> Eraser:
        """Return what forgets a company's calls."""
        store = self._stores.of(tenant)
        return Eraser(tenant, store, self._keys, lambda names: self.indexer(tenant).forget(names))

    # ---------------------------------------------------------------- erasing

    async def erase(self, tenant: str | None, record_ids: Sequence[str], by: str) -> ErasureReceipt:
        """Erase calls, and everything that was made of them; nothing is left when this returns.

        Args:
            tenant: whose.
            record_ids: which; those that are held, or that the law keeps, stay.
            by: who wants it.

        Raises:
            RecordUnavailable: another node keeps the record.
        """
        self.check_leading()
        eraser = self.eraser(tenant)
        asked = await self.in_thread(eraser.request, record_ids, by)
        if not asked.waiting:
            return asked
        await self._finish(tenant, eraser)
        done = await self.in_thread(eraser.receipt, asked.id)
        return ErasureReceipt(
            id=asked.id,
            asked_at=asked.asked_at,
            why=asked.why,
            erased=done.erased,
            waiting=done.waiting,
            held=asked.held,
        )

    async def sweep(self, tenant: str | None) -> int:
        """Erase the calls of a company whose time has come; return how many."""
        eraser = self.eraser(tenant)
        count = 0
        while (due := await self.in_thread(eraser.expired)) is not None and due.waiting:
            count += await self._finish(tenant, eraser)
        return count + await self._finish(tenant, eraser)  # what a server that died has left

    async def _finish(self, tenant: str | None, eraser: Eraser) -> int:
        count = 0
        async with self._erasing:
            while rows := await self.in_thread(eraser.lock_out):
                for data in self._derived:
                    for row in rows:
                        await data.forget_call(tenant, row.info.call_id, *_times(row))
                await self.in_thread(eraser.remove, rows)
                count += len(rows)
        if count:
            _log.info("calls were erased from the record", count=count)
        return count

    # ---------------------------------------------------------------- in the background

    async def run(self) -> None:
        """Work until cancelled."""
        if self._term is None:
            await self._guarded("restored calls", self._mark_restored)
            await self._guarded("indexes of other nodes", lambda: self._drop_indexes(of_others=True))
        async with asyncio.TaskGroup() as tasks:
            if self._term is not None:
                tasks.create_task(self._follow_terms(self._term), name="record leader")
            tasks.create_task(self._every(INDEX_S, "search index", self.index), name="record index")
            tasks.create_task(self._every(SWEEP_S, "retention", self._sweep_all), name="record retention")
            if self._pack_after_s is not None:
                tasks.create_task(self._every(PACK_S, "packing", self.pack), name="record packing")

    async def pack(self) -> None:
        """Pack the sound of the calls that ended long enough ago."""
        if self._pack_after_s is None:
            return
        loop, before = asyncio.get_running_loop(), time.time() - self._pack_after_s
        for tenant in await self.in_thread(self._stores.tenants):
            packer = Packer(self._stores.of(tenant), self._keys, self._stopping)
            while await loop.run_in_executor(self._packing, packer.step, before):
                pass

    async def index(self) -> None:
        """Let everything that was said until now be found."""
        for tenant in await self.in_thread(self._stores.tenants):
            while await self.in_thread(lambda tenant=tenant: self.indexer(tenant).step()):  # type: ignore[misc]
                pass

    async def _sweep_all(self) -> None:
        for tenant in await self.in_thread(self._stores.tenants):
            await self.sweep(tenant)
            while await self.in_thread(self.eraser(tenant).forget_originals):
                pass

    async def _mark_restored(self) -> None:
        for tenant in await self.in_thread(self._stores.tenants):
            eraser = self.eraser(tenant)
            await self.in_thread(eraser.forget_keys_of_erased)
            count = await self.in_thread(eraser.mark_restored)
            if count:
                _log.warning("erased calls are erased again: a backup has brought them back", count=count)

    async def _follow_terms(self, term: Callable[[], int | None]) -> None:
        """Take up the work when this process is to do it, and let go of it when another one is.

        The index lies on this machine alone, and learns of no erasure while another one keeps the record: it
        does not outlive a change.
        """
        await self._guarded("old search index", self._drop_indexes)
        known: int | None = None
        while True:
            if (now := term()) != known:
                self._leading, known = False, now
                await self._guarded("old search index", self._drop_indexes)
                if now is not None:
                    await self._guarded("indexes of other nodes", lambda: self._drop_indexes(of_others=True))
                    await self._guarded("restored calls", self._mark_restored)
                    self._leading = True
                    _log.info("this node keeps the record now")
            await asyncio.sleep(LEADS_S)

    async def _drop_indexes(self, *, of_others: bool = False) -> None:
        if not of_others:
            await self.in_thread(self._indexers.clear)
        for tenant in await self.in_thread(self._stores.tenants):
            await self.in_thread(drop_indexes, self._stores.of(tenant), of_others=of_others)

    def check_leading(self) -> None:
        """Check that this process keeps the record.

        Raises:
            RecordUnavailable: another node does, or has not begun yet.
        """
        if not self._leading:
            raise RecordUnavailable("another node keeps the record; ask a gateway, or again in a moment")

    async def _every(self, seconds: float, name: str, work: Callable[[], object]) -> None:
        while True:
            if self._leading:
                await self._guarded(name, work)
            await asyncio.sleep(seconds)

    async def _guarded(self, name: str, work: Callable[[], object]) -> None:
        try:
            await work()  # type: ignore[misc]
            self._broken.discard(name)
        except Exception as error:  # noqa: BLE001 (a store that is away for a while comes back)
            if name not in self._broken:
                _log.error("work for the record failed, trying again", work=name, error=type(error).__name__)
            self._broken.add(name)

    def close(self) -> None:
        """Stop; blocks until what is under way has ended."""
        self._stopping.set()
        for pool in (self._thread, self._packing):
            pool.shutdown(wait=True, cancel_futures=True)


def _give_way() -> None:
    """Let everything else on this machine go before the thread that calls this; Linux has this by thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def _times(row: RecordRow) -> tuple[float, float]:
    """Return between which times something may have been made of a call, s since 1970 UTC."""
    ended = row.ended_at if row.ended_at is not None else row.info.started_at
    return row.info.started_at - 1.0, ended + AROUND_S
