"""One node of a cluster as a process of its own.

python -m pipeline.rpc.node NODE.json
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.access.exposure import is_near
from pipeline.config import Settings, load_settings
from pipeline.errors import SettingsError
from pipeline.rpc.children import end_of_input
from pipeline.rpc.server import Behind, Server, serve
from pipeline.sections.base import Section
from pipeline.sections.cluster import host_and_port


class NodeSettings(Section):
    """What a node is told by the process that starts it.

    Attributes:
        config: file of settings; None without one.
        flags: that beat it.
        core: of the processor, where the node stays; None lets the system choose.
    """

    config: Path | None = None
    flags: dict[str, Any] = Field(default_factory=dict)
    core: int | None = None


def inside_of(settings: Settings) -> Settings:
    """Return settings of a server that listens where gateways reach it.

    Raises:
        SettingsError: there is no such address, or it is open to others and not protected.
    """
    address, outside = settings.cluster.address or "", settings.server
    if address.startswith("unix:"):
        where: dict[str, Any] = {"host": address}
    else:
        host, port = host_and_port(address)
        listen = settings.cluster.listen_host or host
        where = {"host": listen, "port": port, "machine_port": None, "tls_client_ca": None}
        _protected(settings, listen)
    return settings.model_copy(update={"server": outside.model_copy(update=where)})


def _protected(settings: Settings, host: str) -> None:
    if not (is_near(host) or settings.server.tls_certificate or settings.access.insecure):
        raise SettingsError(
            "cluster.address: other machines reach it, so calls would go over the network in clear: "
            "set server.tls_certificate, server.tls_key and cluster.tls_ca, or say --insecure"
        )


async def run(told: NodeSettings) -> None:
    """Serve until standard input ends, or SIGTERM comes.

    Raises:
        SettingsError: something cannot be used.
    """
    read = partial(load_settings, told.config, told.flags)
    settings = read()
    secret = settings.cluster.secret
    if secret is None:
        raise SettingsError("cluster.secret: gateways and nodes need one")
    up: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(
            inside_of(settings),
            ready=up.set_result,
            behind=Behind(secret=secret.get_secret_value(), outside=settings.server),
            reread=read,
        ),
        name="node",
    )
    waiting: list[asyncio.Future[Any]] = [serving, up]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        await serving
        return
    print("listening", flush=True)  # noqa: T201 (the process that started it waits for this line)
    leaving = asyncio.create_task(end_of_input(), name="end of input")
    await asyncio.wait([serving, leaving], return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    up.result().stop()
    await serving
