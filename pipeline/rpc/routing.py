"""The nodes of a cluster as a gateway sees them: it chooses one for a call, and finds the one that has it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import structlog

from pipeline.cluster.rows import NodeRow
from pipeline.cluster.store import ClusterStore
from pipeline.errors import SettingsError

LOOK_S = 0.3
"""Time between two looks at the nodes, s."""
SILENT_S = 2.0
"""A node that said nothing for so long is asked last: it beats every half second."""
AVOIDED_S = 1.0
"""A node whose line has just broken is asked last for so long, s."""
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 1_000),
    ("grpc.keepalive_timeout_ms", 700),
    ("grpc.http2.ping_timeout_ms", 700),  # without it, a frozen node is noticed after a minute
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", -1),
)

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """A node as it was last seen.

    Attributes:
        row: from the database.
        seen_at: when, s, monotonic.
        failed_at: when a line to it broke last.
        given: calls that this gateway has given it since.
    """

    row: NodeRow
    seen_at: float
    failed_at: float = -1e9
    given: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A node that can be asked.

    Attributes:
        name: of it.
        channel: to it.
    """

    name: str
    channel: grpc.aio.Channel


@dataclass(slots=True)
class Channels:
    """Channels to nodes, kept by address.

    Attributes:
        credentials: of TLS; None without.
    """

    credentials: grpc.ChannelCredentials | None
    _open: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    def to(self, address: str) -> grpc.aio.Channel:
        """Return the channel to an address."""
        channel = self._open.get(address)
        if channel is None:
            if self.credentials is None or address.startswith("unix:"):
                channel = grpc.aio.insecure_channel(address, options=KEEPALIVE)
            else:
                channel = grpc.aio.secure_channel(address, self.credentials, options=KEEPALIVE)
            self._open[address] = channel
        return channel

    async def keep(self, addresses: Iterable[str]) -> None:
        """Close the channels to all others."""
        for address in set(self._open) - set(addresses):
            await self._open.pop(address).close()

    async def close(self) -> None:
        """Close them all."""
        await self.keep(())


class NodeRouter:
    """The nodes; for one event loop.

    Args:
        store: of the cluster.
        tls_ca: PEM file of who signs the nodes' certificates; None without TLS.
        silent_s: a node that said nothing for so long is none.

    Raises:
        SettingsError: the file cannot be read.
    """

    def __init__(self, store: ClusterStore, tls_ca: Path | None, silent_s: float) -> None:
        self._store, self._silent_s = store, silent_s
        self._nodes: dict[str, _Known] = {}
        self._channels = Channels(None if tls_ca is None else channel_credentials(tls_ca, "cluster.tls_ca"))
        self._thread = ThreadPoolExecutor(2, thread_name_prefix="router")
        self._told = True

    async def run(self) -> None:
        """Follow the nodes until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look at the nodes now; where the database does not answer, those that are known stay."""
        try:
            rows = await self._asked(self._store.nodes)
        except Exception as error:  # noqa: BLE001 (whatever a driver raises)
            if self._told:
                _log.error("nodes cannot be looked up", error=type(error).__name__)
            self._told = False
            return
        self._told = True
        now = time.monotonic()
        known = self._nodes
        self._nodes = {}
        for row in rows:
            if row.silent_s < self._silent_s:
                before = known.get(row.name)
                fresh = before is None or before.row != row
                self._nodes[row.name] = _Known(
                    row=row,
                    seen_at=now,
                    failed_at=before.failed_at if before else -1e9,
                    given=0 if fresh or before is None else before.given,
                )
        await self._channels.keep(known.row.address for known in self._nodes.values())

    # ---------------------------------------------------------------- choosing

    @property
    def alive(self) -> int:
        """How many nodes seem to be alive; may be asked from another thread."""
        return sum(map(self._seems_alive, list(self._nodes.values())))

    def every(self) -> list[Node]:
        """Return all nodes that seem to be alive."""
        return [self._node(known) for known in self._nodes.values() if self._seems_alive(known)]

    def named(self, name: str) -> Node | None:
        """Return a node; None where it seems to be gone."""
        known = self._nodes.get(name)
        return self._node(known) if known is not None and self._seems_alive(known) else None

    def leader(self) -> Node | None:
        """Return the node that does what one of all must do, the first by name; None while it seems gone."""
        return self.named(min(self._nodes)) if self._nodes else None

    def for_new(self, without: Iterable[str] = ()) -> Node | None:
        """Return a node for a new call: the freer one of two at random (M. Mitzenmacher, 2001).

        Args:
            without: nodes that have refused it.
        """
        left = [known for name, known in self._nodes.items() if name not in set(without)]
        taking = [known for known in left if not known.row.draining]
        alive = [known for known in taking if self._seems_alive(known)] or taking or left
        if not alive:
            return None
        two = random.sample(alive, min(2, len(alive)))
        best = min(two, key=_load)
        best.given += 1
        return self._node(best)

    def any(self, without: Iterable[str] = ()) -> Node | None:
        """Return a node for what every node can do, health too; one that leaves only where no other is."""
        passed = set(without)
        left = [known for known in self._nodes.values() if known.row.name not in passed]
        alive = [known for known in left if self._seems_alive(known)]
        staying = [known for known in alive if not known.row.draining]
        return self._node(random.choice(staying or alive)) if alive else None

    def failed(self, name: str) -> None:
        """Note that a line to a node broke."""
        known = self._nodes.get(name)
        if known is not None:
            known.failed_at = time.monotonic()

    async def owners(self, call_id: str) -> list[str]:
        """Return the names of the nodes that have a call of that id; of all where the database is away."""
        try:
            async with asyncio.timeout(2.0):
                return await self._asked(lambda: self._store.owners(call_id))
        except Exception as error:  # noqa: BLE001 (whatever a driver raises)
            _log.debug("owners cannot be looked up", error=type(error).__name__)
            return list(self._nodes)

    def _seems_alive(self, known: _Known) -> bool:
        now = time.monotonic()
        silent = known.row.silent_s + (now - known.seen_at if self._told else 0.0)
        return silent < SILENT_S and now - known.failed_at > AVOIDED_S

    def _node(self, known: _Known) -> Node:
        return Node(known.row.name, self._channels.to(known.row.address))

    async def _asked(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Close all channels."""
        await self._channels.close()
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)


def _load(known: _Known) -> float:
    """Return the share of a node's room that is taken; of one that does not know yet, its calls alone."""
    live = known.row.live + known.given
    return live / known.row.room if known.row.room else live / 1_000


def channel_credentials(tls_ca: Path, key: str) -> grpc.ChannelCredentials:
    """Return the credentials of channels to servers whose certificates an authority has signed.

    Args:
        tls_ca: PEM file of the authority.
        key: setting that names it, for errors.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        return grpc.ssl_channel_credentials(root_certificates=tls_ca.expanduser().read_bytes())
    except OSError as error:
        raise SettingsError(f"{key}: {tls_ca} cannot be read ({error.strerror})") from error


Identity = list[tuple[str, Any]]
"""Metadata by which a node knows who is behind a gateway."""
