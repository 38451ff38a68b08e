"""Writes what was told of a node's calls, for one event loop.

An event is written at once where nothing is being written; what comes meanwhile goes with the next
transaction. Positions alone, which nobody waits for, are gathered for longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from pipeline.calls.info import InForce
from pipeline.cluster.rows import CallWrite
from pipeline.cluster.store import ClusterStore

POSITIONS_S = 0.25
"""How long a position waits for an event that takes it along, s."""
AGAIN_S = 0.2
"""Pause before a database that does not answer is asked again, s."""
MOST_BYTES = 64_000_000
"""Bytes of events that wait for the database. Further ones are not kept: their calls say so."""

_log = structlog.get_logger(__name__)


class WrittenCall(Protocol):
    """A call whose events are written."""

    @property
    def uid(self) -> str:
        """Internal id of the call, never used again."""
        ...

    @property
    def epoch(self) -> int:
        """Number of the part of the call that this node writes."""
        ...

    def in_force(self, at: int) -> InForce:
        """Return the controls at a sample of the call."""
        ...

    def written(self, acked: int, seq: int) -> None:
        """Everything up to number ``seq`` is safe, and audio up to ``acked``."""
        ...

    def fenced(self) -> None:
        """Another node has the call."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    """What waits of one call."""

    call: WrittenCall
    acked: int = 0
    seq: int = 0
    told: list[tuple[int, bytes]] = field(default_factory=list)
    ended: bool = False

    def write(self) -> CallWrite:
        return CallWrite(
            uid=self.call.uid,
            epoch=self.call.epoch,
            acked=self.acked,
            seq=self.seq,
            in_force=self.call.in_force(self.acked),
            told=tuple(self.told),
            ended=self.ended,
        )


class Beat:
    """The writer.

    Args:
        store: of the cluster.
        interval_s: least time between the beginnings of two transactions, s.
        committed: is told how long each transaction took, s.

    Attributes:
        healthy: whether the database took the last write.
    """

    def __init__(
        self,
        store: ClusterStore,
        interval_s: float,
        committed: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._store, self._interval_s, self._committed = store, interval_s, committed
        self._began = 0.0  # the last transaction, s of the event loop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cluster")
        self._waiting: dict[str, _Waiting] = {}  # bounded by calls, and by MOST_BYTES
        self._bytes = 0
        self._woken = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.healthy = True

    def put(
        self, call: WrittenCall, acked: int, seq: int, body: bytes | None, *, ended: bool = False
    ) -> bool:
        """Let something be written; never waits.

        Args:
            call: whose.
            acked: samples that are safe once this is written.
            seq: number of the newest event.
            body: of that event; None where only the position is written.
            ended: the call is over with it.

        Returns:
            whether there is room.
        """
        if body is not None and self._bytes + len(body) > MOST_BYTES:
            return False
        waiting = self._waiting.setdefault(call.uid, _Waiting(call))
        waiting.acked, waiting.seq = max(waiting.acked, acked), max(waiting.seq, seq)
        waiting.ended = waiting.ended or ended
        if body is not None:
            waiting.told.append((seq, body))
            self._bytes += len(body)
        self._idle.clear()
        if body is not None or ended:
            self._woken.set()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(POSITIONS_S, self._woken.set)
        return True

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._woken.wait()
            await asyncio.sleep(max(0.0, self._began + self._interval_s - loop.time()))
            self._woken.clear()
            if self._later is not None:
                self._later.cancel()
                self._later = None
            self._began = loop.time()
            batch, self._waiting = self._waiting, {}
            if not await self._written(batch):
                self._take_back(batch)
                self._woken.set()
                await asyncio.sleep(AGAIN_S)
            elif not self._waiting:
                self._idle.set()

    async def _written(self, batch: dict[str, _Waiting]) -> bool:
        """Write a batch; return whether the database took it."""
        writes = [waiting.write() for waiting in batch.values()]
        if not writes:
            return True
        began = time.monotonic()
        try:
            lost = await self.in_thread(lambda: self._store.commit(writes))
        except Exception as error:  # noqa: BLE001 (whatever a driver raises: it is tried again)
            if self.healthy:
                _log.error("the cluster's database does not answer", error=type(error).__name__)
            self.healthy = False
            return False
        if not self.healthy:
            _log.warning("the cluster's database answers again", calls=len(writes))
        self.healthy = True
        self._committed(time.monotonic() - began)
        for waiting, write in zip(batch.values(), writes, strict=True):
            self._bytes -= sum(len(body) for _seq, body in write.told)
            if write.uid in lost:
                waiting.call.fenced()
            else:
                waiting.call.written(write.acked, write.seq)
        return True

    def _take_back(self, batch: dict[str, _Waiting]) -> None:
        """Put a batch before what came meanwhile."""
        later, self._waiting = self._waiting, batch
        for uid, newer in later.items():
            older = batch.setdefault(uid, newer)
            if older is not newer:
                older.acked, older.seq = max(older.acked, newer.acked), max(older.seq, newer.seq)
                older.told += newer.told
                older.ended = older.ended or newer.ended

    async def in_thread(self, work: Callable[[], set[str]]) -> set[str]:
        """Run ``work`` in the writer's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def flush(self, seconds: float) -> bool:
        """Write what waits, and wait until nothing does; return whether that came true in time."""
        try:
            self._woken.set()
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End the thread, behind what it does now."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
