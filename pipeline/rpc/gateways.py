"""A server behind gateways: starts them, starts them again when one dies, ends them last."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from asr import AsrEngine
from pipeline import leftovers
from pipeline.config import ServerSettings, Settings
from pipeline.errors import SettingsError
from pipeline.rpc.children import Child, start_all
from pipeline.rpc.gateway import GatewaySettings
from pipeline.rpc.server import Behind, Server, serve
from pipeline.rpc.startup_errors import plain

KIND = "gateways"
"""What the folder with their socket is for, in its name."""
PATIENCE = 10
"""Looks at a port that is taken, a quarter of a second apart."""

_log = structlog.get_logger(__name__)


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Hold a port so that gateways can share it, and nobody else's server gets among them.

    Raises:
        SettingsError: it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bare = host.strip("[]")
    try:
        port = _free(family, bare, port)
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((bare, port))
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: the port is taken or the address is not this machine's; "
            "set server.port or server.host"
        ) from error
    with held:
        yield port


def _free(family: socket.AddressFamily, host: str, port: int) -> int:
    """Return ``port``, or a free one for 0; gateways of before may need a moment to leave it."""
    for attempt in range(PATIENCE):
        with socket.socket(family) as probe:  # without sharing: another server there is found
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before do no harm
            try:
                probe.bind((host, port))
                probe.listen(1)
            except OSError:
                if attempt == PATIENCE - 1:
                    raise
                time.sleep(0.25)
            else:
                return int(probe.getsockname()[1])
    return port


async def serve_behind(
    settings: Settings,
    *,
    ready: Callable[[Server], None] | None = None,
    factory: Callable[[], AsrEngine] | None = None,
    signals: bool = True,
    reread: Callable[[], Settings] | None = None,
) -> None:
    """Serve as :func:`pipeline.rpc.server.serve` does, with ``server.gateways`` processes on the wire.

    Raises:
        SettingsError: as there, or a gateway cannot start.
    """
    outside = settings.server
    leftovers.sweep(KIND)
    with (
        tempfile.TemporaryDirectory(prefix=leftovers.prefix(KIND)) as folder,
        reserved_port(outside.host, outside.port) as port,
    ):
        core = f"unix:{folder}/core.sock"
        secret = secrets.token_urlsafe(32)
        told = [_written(Path(folder), settings, secret, number, port) for number in range(outside.gateways)]
        inside = outside.model_copy(update={"host": core})
        behind = Behind(secret=secret, outside=outside)
        try:
            await _run(
                settings, (inside, behind), (told, core, port), ready, factory, signals=signals, reread=reread
            )
        except BaseExceptionGroup as group:
            raise plain(group) from group


def _written(folder: Path, settings: Settings, secret: str, number: int, port: int) -> Path:
    """Write what a gateway is told, for this user alone; return where."""
    own = {"port": port, "metrics_port": settings.server.metrics_port_of(1 + number)}
    told = GatewaySettings(
        server=settings.server.model_copy(update=own), limits=settings.limits, secret=secret
    )
    file = folder / f"gateway-{number}.json"
    file.touch(mode=0o600)
    file.write_text(told.model_dump_json(), "utf-8")
    return file


async def _run(
    settings: Settings,
    core_server: tuple[ServerSettings, Behind],
    where: tuple[Sequence[Path], str, int],
    ready: Callable[[Server], None] | None,
    factory: Callable[[], AsrEngine] | None,
    *,
    signals: bool,
    reread: Callable[[], Settings] | None,
) -> None:
    """Run the server behind, then the gateways, until the server ends."""
    told, core, port = where
    inside, behind = core_server
    up: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        main = tasks.create_task(
            serve(
                settings.model_copy(update={"server": inside}),
                ready=up.set_result,
                factory=factory,
                signals=signals,
                behind=behind,
                reread=reread,
            ),
            name="server behind",
        )
        waiting: list[asyncio.Future[Any]] = [main, up]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            return
        server = up.result()
        server.port = port
        gateways = [
            Child("gateway", number, ("pipeline.rpc.gateway", str(file), core))
            for number, file in enumerate(told)
        ]
        keepers: list[asyncio.Task[None]] = []
        try:
            await start_all(gateways)
            keepers += [tasks.create_task(gateway.keep(), name="gateway") for gateway in gateways]
            _log.info("serving", port=port, gateways=len(gateways))
            if ready:
                ready(server)
            await asyncio.wait([main])
        finally:
            server.stop()
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.gather(*(gateway.end() for gateway in gateways))
