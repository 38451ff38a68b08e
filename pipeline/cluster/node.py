"""One node of a cluster: what it shares with the others, and its work in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from pipeline.calls.codec import encode
from pipeline.calls.events import CallEvent, Ended, Envelope
from pipeline.calls.info import CallSpec
from pipeline.calls.log import CallLog
from pipeline.cluster.beat import Beat
from pipeline.cluster.directory import ClusterCallDirectory
from pipeline.cluster.log import ClusterCallLog
from pipeline.cluster.peers import ClusterPeers
from pipeline.cluster.rows import LostCall, NodeRow
from pipeline.cluster.store import ClusterStore
from pipeline.errors import SettingsError
from pipeline.logs.directory import MemoryCallDirectory
from pipeline.logs.memory import MemoryCallLog
from pipeline.logs.running import RunningCall
from pipeline.sections.cluster import ClusterSettings

ALIVE_S = 0.5
"""Time between two beats of a node's heart, s."""
SWEEP_S = 5.0
"""Time between two looks for calls that nobody has, s."""
SENTENCE_S = 10.0
"""Time that a call which is handed over has for the end of a sentence, s."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class ClusterNode:
    """The node; for one event loop.

    Args:
        settings: of the cluster.
        window_s: clients may resume for so long.
        committed: is told how long each commit took, s.

    Attributes:
        store: what nodes agree on.
        beat: writes.
        logs: of the calls of this node, by uid.

    Raises:
        SettingsError: the database cannot be used, or a setting is missing.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        window_s: float,
        committed: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        if settings.url is None or settings.address is None:
            raise SettingsError(
                "cluster.address: say where gateways reach this node (host:port or unix:path)"
            )
        self._settings, self._window_s = settings, window_s
        self._address = settings.address
        self.store = ClusterStore(settings.url.get_secret_value(), settings.node)
        self.beat = Beat(self.store, settings.beat_ms / 1_000, committed)
        self.logs: dict[str, ClusterCallLog] = {}
        self._directory: ClusterCallDirectory | None = None
        self._draining = self._leads = False
        self._terms = 0  # how often this node has begun to lead
        self._heard_at = -1e9  # when the database last took a beat, s, monotonic
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="node")

    @property
    def leads(self) -> bool:
        """Whether this node does what one of all must do: the first one by name of those that are alive."""
        return self.term is not None

    @property
    def term(self) -> int | None:
        """Since which gain, counted, this node leads; None while it does not, or may be silent to others."""
        silent = time.monotonic() - self._heard_at >= self._settings.silent_s
        return self._terms if self._leads and not silent else None

    def directory(self, inner: MemoryCallDirectory) -> ClusterCallDirectory:
        """Return the directory of this node's calls."""
        self._directory = ClusterCallDirectory(inner, self.store, self.beat, self.logs)
        return self._directory

    @property
    def peers(self) -> ClusterPeers:
        """The nodes as the record of calls sees them."""
        return ClusterPeers(self.store, self._settings.silent_s, lambda: self.term)

    def log_of(
        self,
        spec: CallSpec,
        appended: Callable[[CallEvent], None],
        kept: Callable[[MemoryCallLog], CallLog],
    ) -> ClusterCallLog | None:
        """Return the log of a call that begins or goes on here; None for one that is not in the cluster.

        Args:
            spec: of the call.
            appended: is told every event.
            kept: returns the same log with the record behind it, or without.
        """
        part = spec.part
        if part is None:
            return None
        inner = MemoryCallLog(spec.call_id, appended=appended, after=part.last_seq)
        log = ClusterCallLog(
            spec.call_id, part, kept(inner), self.beat, self.store, self._settings.told_after_ms / 1_000
        )
        self.logs[part.uid] = log
        return log

    def bind(self, call: RunningCall) -> None:
        """Let the log of a call ask it for its controls."""
        part = call.spec.part
        if part is not None:
            self.logs[part.uid].bind(call.in_force)

    # ---------------------------------------------------------------- in the background

    async def run(self, calls: MemoryCallDirectory, room: Callable[[], int | None]) -> None:
        """Work until cancelled.

        Args:
            calls: of this node.
            room: calls that it has room for in all; None where that is not known yet.
        """
        if self._directory is None:
            raise RuntimeError("a node without a directory")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.beat.run(), name="cluster writer")
            tasks.create_task(self._directory.run(), name="cluster calls")
            tasks.create_task(self._alive(calls, room), name="cluster heartbeat")
            tasks.create_task(self._sweep(), name="cluster sweep")

    async def _alive(self, calls: MemoryCallDirectory, room: Callable[[], int | None]) -> None:
        told = True
        while True:
            try:
                await self._asked(partial(self._beat, len(calls), room()))
                told = True
            except Exception as error:  # noqa: BLE001 (the database is away: others see it silent)
                if told:
                    _log.error("this node cannot say that it is alive", error=type(error).__name__)
                told = False
            try:
                async with asyncio.timeout(ALIVE_S):
                    await self._changed.wait()
                    self._changed.clear()
            except TimeoutError:
                pass

    def _beat(self, live: int, room: int | None) -> None:
        led = self.term is not None  # before others can hear of us again
        began = time.monotonic()
        self.store.beat(self._address, live, room, draining=self._draining)
        alive = [node.name for node in self.store.nodes() if node.silent_s < self._settings.silent_s]
        self._leads = bool(alive) and min(alive) == self.store.node
        self._terms += self._leads and not led
        self._heard_at = began

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                lost = await self._asked(partial(self._swept, tuple(self.logs)))
            except Exception as error:  # noqa: BLE001 (as above)
                _log.debug("calls could not be swept", error=type(error).__name__)
                continue
            for call in lost:
                _log.warning("a call ended with its node", call=call.call_id)

    def _swept(self, here: tuple[str, ...]) -> list[LostCall]:
        self.store.let_go(here)
        return self.store.sweep(self._settings.silent_s, self._window_s, _last_word)

    # ---------------------------------------------------------------- the end

    async def others(self) -> list[NodeRow]:
        """Return the other nodes that can take calls; none where the database does not answer."""
        try:
            found = await self._asked(self.store.nodes)
        except Exception as error:  # noqa: BLE001 (as above)
            _log.error("other nodes could not be looked up", error=type(error).__name__)
            return []
        return [
            node
            for node in found
            if node.name != self.store.node and not node.draining and node.silent_s < self._settings.silent_s
        ]

    async def leave(self, emptied: Callable[[float], Awaitable[object]]) -> None:
        """Take no new calls, wait a while for the end of those that are here, then hand them over.

        Args:
            emptied: waits until no call is left, for so many seconds at most.
        """
        self._draining = True
        self._changed.set()
        if not await self.others() or self._directory is None:
            return
        await emptied(self._settings.hand_over_s)
        if await self.others():
            moved = await self._directory.hand_over(SENTENCE_S)
            _log.info("calls handed over", calls=moved)

    async def close(self) -> None:
        """Say that this node is no more, and close everything."""
        await self.beat.flush(2.0)
        try:
            async with asyncio.timeout(2.0):
                await self._asked(self.store.leave)
        except Exception as error:  # noqa: BLE001 (the database is away: others see it silent)
            _log.debug("could not say goodbye", error=type(error).__name__)
        await self.beat.close()
        if self._directory is not None:
            await self._directory.close()
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        self.store.close()

    async def _asked(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _last_word(call: LostCall) -> bytes:
    """Return the event by which a call ends that nobody has."""
    ended = Ended(audio=call.acked, speech=0, utterances=0, gap=0, reason="lost")
    return encode(Envelope(call_id=call.call_id, server_seq=call.seq, acked=call.acked, event=ended))
