"""A server of several processes: nodes that have the calls, gateways that carry the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from pipeline import leftovers
from pipeline.access.exposure import is_near
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.rpc.children import Child, start_all
from pipeline.rpc.gateway import GatewaySettings
from pipeline.rpc.gateways import reserved_port
from pipeline.rpc.node import NodeSettings
from pipeline.sections.cluster import host_and_port

KIND = "cluster"
"""What the folder with its sockets is for, in its name."""
BEYOND_S = 30.0
"""Time for a node to end, beyond what its calls may take, s."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What runs.

    Attributes:
        port: where clients are served.
        nodes: processes that have calls.
        gateways: processes that carry the wire.
    """

    port: int
    nodes: tuple[Child, ...]
    gateways: tuple[Child, ...]


async def serve_cluster(
    settings: Settings,
    config: Path | None,
    flags: dict[str, Any],
    *,
    ready: Callable[[Started], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve with several processes until SIGTERM or SIGINT.

    Args:
        settings: of the server; ``server.nodes`` says how many nodes this machine has.
        config: file that they are from; nodes read it again.
        flags: that beat the file.
        ready: called once everything listens.
        stop: set to end it, in place of a signal.

    Raises:
        SettingsError: something cannot start.
    """
    _check(settings)
    leftovers.sweep(KIND)
    stopping, loop = stop or asyncio.Event(), asyncio.get_running_loop()
    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
    outside = settings.server
    with (
        tempfile.TemporaryDirectory(prefix=leftovers.prefix(KIND)) as name,
        reserved_port(outside.host, outside.port) as port,
    ):
        folder = Path(name)
        shared = _shared(settings, folder)
        leave_s = _leave_s(settings)
        found = _nodes(settings, config, flags, shared, folder)
        nodes = [Child("node", number, command, leave_s) for number, command in found]
        carriers = _gateways(settings, shared, folder, port)
        gateways = [Child("gateway", number, command) for number, command in carriers]
        if stop is None:
            loop.add_signal_handler(signal.SIGHUP, lambda: _tell(nodes, signal.SIGHUP))
        started = Started(port=port, nodes=tuple(nodes), gateways=tuple(gateways))
        try:
            await start_all(nodes[:1])  # makes the files that all share
            await start_all(nodes[1:])
            await start_all(gateways)
            _log.info("serving", port=port, nodes=len(nodes), gateways=len(gateways))
            if ready:
                ready(started)
            await _until(stopping, [*nodes, *gateways])
        finally:
            await asyncio.gather(*(child.end() for child in nodes))
            await asyncio.gather(*(child.end() for child in gateways))
            _log.info("stopped")


def _check(settings: Settings) -> None:
    """Refuse what would split a cluster without a word.

    Raises:
        SettingsError: such a setting.
    """
    cluster = settings.cluster
    if cluster.address is None or cluster.address.startswith("unix:"):
        return
    if is_near(host_and_port(cluster.address)[0]):
        return
    for name, value in (("url", cluster.url), ("secret", cluster.secret)):
        if value is None:
            raise SettingsError(f"cluster.{name}: machines that call each other share it")


async def _until(stopping: asyncio.Event, children: list[Child]) -> None:
    """Keep processes running until it is time to stop."""
    keepers = [asyncio.create_task(child.keep(), name="keep a process") for child in children]
    try:
        await stopping.wait()
        _log.info("shutting down")
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


def _tell(children: list[Child], number: signal.Signals) -> None:
    """Pass a signal on: every node reads its models and rules again."""
    for child in children:
        if child.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)


def _leave_s(settings: Settings) -> float:
    return settings.server.shutdown_grace_s + settings.cluster.hand_over_s + BEYOND_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What the processes of this machine share."""

    url: str
    secret: str


def _shared(settings: Settings, folder: Path) -> _Shared:
    cluster = settings.cluster
    return _Shared(
        url=cluster.url.get_secret_value() if cluster.url is not None else str(folder / "cluster.db"),
        secret=cluster.secret.get_secret_value() if cluster.secret else secrets.token_urlsafe(32),
    )


def _nodes(
    settings: Settings, config: Path | None, flags: dict[str, Any], shared: _Shared, folder: Path
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield number and command of each node."""
    count, cluster, server = settings.server.nodes, settings.cluster, settings.server
    cores = sorted(os.sched_getaffinity(0))
    for number in range(count):
        alone = count == 1
        here = f"unix:{folder}/node-{number}.sock"
        own = {
            "url": shared.url,
            "secret": shared.secret,
            "node": cluster.node if alone else f"{cluster.node}-{number}",
            "address": _address(cluster.address, number) or here,
        }
        served = {"nodes": 0, "gateways": 0, "metrics_port": server.metrics_port_of(number)}
        told = NodeSettings(
            config=config,
            flags={
                **flags,
                "cluster": {**flags.get("cluster", {}), **own},
                "server": {**flags.get("server", {}), **served},
            },
            core=cores[number] if server.pin and 1 < count <= len(cores) else None,
        )
        yield number, ("pipeline.cli.node", _written(folder / f"node-{number}.json", told))


def _address(first: str | None, number: int) -> str | None:
    """Return where a node of this machine is reached; the others take the ports behind the first one's."""
    if first is None or first.startswith("unix:"):
        return first if number == 0 else None
    host, port = host_and_port(first)
    return f"{host}:{port + number}"


def _gateways(
    settings: Settings, shared: _Shared, folder: Path, port: int
) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Yield number and command of each gateway: one can carry what two nodes have."""
    cluster, server = settings.cluster, settings.server
    for number in range(server.gateways or math.ceil(server.nodes / 2)):
        own = {"port": port, "metrics_port": server.metrics_port_of(server.nodes + number)}
        told = GatewaySettings(
            server=server.model_copy(update=own),
            limits=settings.limits,
            secret=shared.secret,
            cluster=(shared.url, cluster.tls_ca, cluster.silent_s),
        )
        yield number, ("pipeline.rpc.gateway", _written(folder / f"gateway-{number}.json", told), "-")


def _written(file: Path, told: NodeSettings | GatewaySettings) -> str:
    """Write what a process is told, for this user alone; return where."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(told.model_dump(mode="json"), ensure_ascii=False), "utf-8")
    return str(file)
