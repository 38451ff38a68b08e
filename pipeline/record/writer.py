"""Writes the record: one thread, and everything that came while the disk was busy in the next transaction.

A disk that stalls or is full delays no call. What waits is bounded in bytes; beyond that, what comes is lost
to the record, is counted on the call, and the call is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import sqlalchemy as sa
import structlog

from pipeline.calls.events import Envelope
from pipeline.errors import SettingsError
from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import (
    BeginRecord,
    CloseRecord,
    ContinueRecord,
    CutSoundEntry,
    EventEntry,
    RecordEntry,
    SoundEntry,
)
from pipeline.record.key_store import KeyStore, customer_hash, original_key
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores

MOST_AT_ONCE = 2_000
"""Entries in one transaction."""
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to write to a disk that does not take it, s; the last one goes on."""
LAST_ATTEMPTS = 3
"""Attempts behind which a server that stops gives up."""
GATHERED_S = 0.2
"""How long an entry that nobody waits for waits for others, s: a transaction costs as much as ten
entries in it."""
SMALL = 600
"""Bytes that an entry without sound counts for at least."""

_log = structlog.get_logger(__name__)


def size_of(entry: RecordEntry) -> int:
    """Return the bytes that an entry counts for while it waits."""
    if isinstance(entry, SoundEntry | CutSoundEntry):
        return len(entry.data) + SMALL
    return SMALL + (entry.size if isinstance(entry, EventEntry) else 0)


def nothing_told(_record_id: str) -> Sequence[Envelope]:
    """Return what other nodes have told of a call, where there are none."""
    return ()


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: RecordEntry
    size: int
    loop: asyncio.AbstractEventLoop
    done: Callable[[], None]
    failed: Callable[[], None]
    since: float
    due_at: float


@dataclass(slots=True, eq=False)
class _Queue:
    """What waits of one company; companies take turns, and one whose disk fails holds up no other."""

    tenant: str | None
    items: deque[_Waiting] = field(default_factory=deque)  # bounded by most_bytes, over all companies
    turn: int = 0
    due_at: float = math.inf
    attempts: int = 0
    retry_at: float = 0.0


@dataclass(slots=True)
class WriterState:
    """How the writer is; read by anybody, written by its thread.

    Attributes:
        failing: the disk takes nothing now.
        lost: entries that found no room, or that no database takes.
    """

    failing: bool = False
    lost: int = 0


class RecordWriter:
    """The writer.

    Args:
        stores: of all companies.
        keys: of all calls.
        most_bytes: that may wait.
        told: returns what other nodes have told of a call; blocks.
    """

    def __init__(
        self,
        stores: RecordStores,
        keys: KeyStore,
        most_bytes: int,
        told: Callable[[str], Sequence[Envelope]] = nothing_told,
    ) -> None:
        self._stores, self._keys, self._told = stores, keys, told
        self._most_bytes = most_bytes
        self._queues: dict[str | None, _Queue] = {}
        self._turns = 0
        self._bytes = 0
        self._ciphers: dict[str, CallCipher] = {}  # of live calls
        self._parts: dict[str, int] = {}  # epochs of live calls that have come from other nodes
        self._changed = threading.Condition()
        self._stopping = False
        self.state = WriterState()
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()

    @property
    def waited_s(self) -> float:
        """How long the oldest entry has waited for the disk, s."""
        with self._changed:
            oldest = [queue.items[0].since for queue in self._queues.values() if queue.items]
        return time.monotonic() - min(oldest) if oldest else 0.0

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._bytes

    def put(
        self,
        tenant: str | None,
        entry: RecordEntry,
        done: Callable[[], None],
        failed: Callable[[], None] = lambda: None,
        *,
        urgent: bool = False,
    ) -> bool:
        """Take an entry; never waits. Return whether there was room.

        Args:
            tenant: whose.
            entry: what.
            done: called on the event loop that calls this, once it is on disk.
            failed: called there if it never will be.
            urgent: somebody waits for it: it is written as soon as the disk is free.
        """
        size = size_of(entry)
        loop = asyncio.get_running_loop()
        with self._changed:
            beyond = self._bytes + size > self._most_bytes
            if beyond and isinstance(
                entry, EventEntry | SoundEntry | CutSoundEntry
            ):  # the others are few and small, and needed
                self.state.lost += 1
                return False
            now = time.monotonic()
            queue = self._queues.setdefault(tenant, _Queue(tenant))
            queue.items.append(
                _Waiting(
                    entry,
                    size,
                    loop,
                    done,
                    failed,
                    since=now,
                    due_at=now if urgent else now + GATHERED_S,
                )
            )
            self._bytes += size
            sooner = queue.items[-1].due_at < queue.due_at
            queue.due_at = min(queue.due_at, queue.items[-1].due_at)
            if sooner or len(queue.items) == MOST_AT_ONCE:  # else the writer wakes in time by itself
                self._changed.notify()
        return True

    def close(self, timeout_s: float = 10.0) -> bool:
        """Write what waits and stop; return whether everything could be written in time. Blocks."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not any(queue.items for queue in self._queues.values())

    # ---------------------------------------------------------------- the thread

    def _work(self) -> None:
        while (found := self._next()) is not None:
            queue, batch = found
            kept = self._written(queue, [item.entry for item in batch])
            with self._changed:
                for item, _is_kept in zip(batch, kept, strict=False):
                    queue.items.popleft()
                    self._bytes -= item.size
                queue.due_at = min((item.due_at for item in queue.items), default=math.inf)
            _tell(
                (item.loop, item.done if is_kept else item.failed)
                for item, is_kept in zip(batch, kept, strict=False)
            )

    def _next(self) -> tuple[_Queue, list[_Waiting]] | None:
        """Wait for something to write; return it, None when there is nothing left to do."""
        with self._changed:
            while True:
                now = time.monotonic()
                waiting = [queue for queue in self._queues.values() if queue.items]
                due = [queue for queue in waiting if self._due_at(queue) <= now]
                if due:
                    queue = min(due, key=lambda queue: queue.turn)
                    self._turns += 1
                    queue.turn = self._turns
                    return queue, list(islice(queue.items, MOST_AT_ONCE))
                if self._stopping and (
                    not waiting or all(queue.attempts > LAST_ATTEMPTS for queue in waiting)
                ):
                    return None
                soonest = min(map(self._due_at, waiting), default=None)
                self._changed.wait(None if soonest is None else max(0.0, soonest - now))

    def _due_at(self, queue: _Queue) -> float:
        """Return when the next transaction of a company is written."""
        if queue.attempts or self._stopping or len(queue.items) >= MOST_AT_ONCE:
            return queue.retry_at
        return queue.due_at

    def _written(self, queue: _Queue, entries: list[RecordEntry]) -> list[bool]:
        """Write entries; return of the first ones whether they are on disk. The others wait for it."""
        try:
            self._write(queue.tenant, entries, again=queue.attempts > 0)
            kept = [True] * len(entries)
        except Exception as error:  # noqa: BLE001 (one entry that cannot be written must not stop all others)
            if _is_of_the_disk(error):
                self._failed(queue, error)
                return []
            kept = self._written_singly(queue, entries)
        for entry, _is_kept in zip(entries, kept, strict=False):
            if isinstance(entry, CloseRecord):
                self._forget(entry)
        self.state.lost += kept.count(False)
        if len(kept) == len(entries):
            queue.attempts, queue.retry_at = 0, 0.0
            self._works_again()
        return kept

    def _written_singly(self, queue: _Queue, entries: list[RecordEntry]) -> list[bool]:
        """Write entries one by one until the disk fails; return of those before whether they are there."""
        kept: list[bool] = []
        for entry in entries:
            try:
                self._write(queue.tenant, [entry], again=True)
                kept.append(True)
            except Exception as error:  # noqa: BLE001 (see _written)
                if _is_of_the_disk(error):
                    self._failed(queue, error)
                    break
                _log.error("a part of a call could not be recorded", error=type(error).__name__)
                kept.append(False)
        return kept

    def _works_again(self) -> None:
        failing = any(queue.attempts for queue in self._queues.values())
        if self.state.failing and not failing:
            self.state.failing = False
            _log.info("the record is written again")

    def _write(self, tenant: str | None, entries: list[RecordEntry], *, again: bool) -> None:
        self._make_keys(tenant, entries)
        store = self._stores.of(tenant)
        named = [item for entry in entries for item in self._spelled_out(tenant, store, entry)]
        store.write(named, self._ciphers, again=again)

    def _spelled_out(
        self, tenant: str | None, store: RecordStore, entry: RecordEntry
    ) -> Sequence[RecordEntry]:
        """Return an entry as it is written: without anybody's name or number, behind what came before it."""
        if isinstance(entry, BeginRecord):
            return [self._hashed(tenant, entry)]
        if isinstance(entry, ContinueRecord):
            taken = replace(entry, begin=self._hashed(tenant, entry.begin))
            store.take_over(taken)
            told = [item for item in self._told(entry.record_id) if item.server_seq <= entry.last_seq]
            return store.missing(entry.record_id, entry.begin.epoch, told)
        return [entry]

    def _hashed(self, tenant: str | None, entry: BeginRecord) -> BeginRecord:
        if entry.customer is None:
            return entry
        return replace(entry, customer=customer_hash(self._keys.index_key(tenant), entry.customer))

    def _make_keys(self, tenant: str | None, entries: Iterable[RecordEntry]) -> None:
        """Make the keys of calls that begin; they are on disk before anything is sealed with them.

        A call that was here, went away and came back has its keys already.
        """
        begun: list[str] = []
        brought: list[str] = []  # another node may have made them
        for entry in entries:
            if isinstance(entry, BeginRecord):
                (brought if entry.epoch else begun).extend(_keys_of(entry))
            elif isinstance(entry, ContinueRecord):
                brought += _keys_of(entry.begin)
                self._parts[entry.record_id] = entry.begin.epoch
        self._ciphers |= self._keys.create([(name, tenant) for name in begun if name not in self._ciphers])
        self._ciphers |= self._keys.obtain([(name, tenant) for name in brought if name not in self._ciphers])

    def _forget(self, entry: CloseRecord) -> None:
        """Forget the keys of a call, unless it has come back from another node meanwhile."""
        if entry.epoch >= self._parts.get(entry.record_id, 0):
            for known in (entry.record_id, original_key(entry.record_id)):
                self._ciphers.pop(known, None)
            self._parts.pop(entry.record_id, None)

    def _failed(self, queue: _Queue, error: Exception) -> None:
        queue.attempts += 1
        queue.retry_at = time.monotonic() + RETRY_S[min(queue.attempts, len(RETRY_S)) - 1]
        if not self.state.failing:
            self.state.failing = True
            _log.error("the record cannot be written; calls go on", error=_reason(error))


def _keys_of(entry: BeginRecord) -> list[str]:
    """Return the names of the keys of a call that begins."""
    return [entry.record_id, *([original_key(entry.record_id)] if entry.original_s else [])]


def _is_of_the_disk(error: Exception) -> bool:
    """Tell whether an error may pass: the database, or its disk, takes nothing now."""
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError):
        return False
    return isinstance(error, sa.exc.DBAPIError | sa.exc.TimeoutError | OSError | SettingsError)


def _tell(outcomes: Iterable[tuple[asyncio.AbstractEventLoop, Callable[[], None]]]) -> None:
    """Call functions on their event loops, from the writer's thread; one that is gone needs to know nothing.

    Each loop is woken once: with an entry of sound a second and call, its waking costs more than the calls.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}
    for loop, what in outcomes:
        by_loop.setdefault(loop, []).append(what)
    for loop, whats in by_loop.items():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_each, loop, whats)


def _each(loop: asyncio.AbstractEventLoop, whats: Iterable[Callable[[], None]]) -> None:
    for what in whats:
        loop.call_soon(what)  # alone: one that fails takes no other with it


def _reason(error: Exception) -> str:
    """Return why the disk took nothing, without what was to be written."""
    original = getattr(error, "orig", None)
    return f"{type(error).__name__}: {original}" if original is not None else type(error).__name__
