"""A server behind gateways: starts them, starts them again when one dies, ends them last."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from asr import AsrEngine
from pipeline import leftovers
from pipeline.config import ServerSettings, Settings
from pipeline.errors import SettingsError
from pipeline.rpc.gateway import GatewaySettings
from pipeline.rpc.server import Behind, Server, serve
from pipeline.rpc.startup_errors import plain

KIND = "gateways"
"""What the folder with their socket is for, in its name."""
AGAIN_S = 1.0
"""Pause before a gateway that died is started again, s."""
PATIENCE = 10
"""Looks at a port that is taken, a quarter of a second apart."""
LEAVE_S = 10.0
"""Time for a gateway to end by itself, s."""

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
        told = Path(folder) / "server.json"
        front = GatewaySettings(
            server=outside.model_copy(update={"port": port}),
            limits=settings.limits,
            secret=secrets.token_urlsafe(32),
        )
        told.touch(mode=0o600)
        told.write_text(front.model_dump_json(), "utf-8")
        inside = outside.model_copy(update={"host": core})
        behind = Behind(secret=front.secret, outside=outside)
        try:
            await _run(
                settings, (inside, behind), (told, core, port), ready, factory, signals=signals, reread=reread
            )
        except BaseExceptionGroup as group:
            raise plain(group) from group


async def _run(
    settings: Settings,
    core_server: tuple[ServerSettings, Behind],
    where: tuple[Path, str, int],
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
        fronts: list[asyncio.Task[None]] = []
        try:
            first = await asyncio.gather(
                *(_start(told, core) for _ in range(settings.server.gateways)), return_exceptions=True
            )
            if failed := [error for error in first if isinstance(error, BaseException)]:
                await asyncio.gather(*(_end(p) for p in first if not isinstance(p, BaseException)))
                raise failed[0]
            fronts += [
                tasks.create_task(_keep(process, told, core, number), name=f"gateway {number}")
                for number, process in enumerate(first)
                if not isinstance(process, BaseException)
            ]
            _log.info("serving", port=port, gateways=len(fronts))
            if ready:
                ready(server)
            await asyncio.wait([main])
        finally:
            server.stop()
            for task in fronts:
                task.cancel()


async def _start(told: Path, core: str) -> asyncio.subprocess.Process:
    """Start a gateway; return it once it listens.

    Raises:
        SettingsError: it ended before that; it has told why on standard error.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pipeline.rpc.gateway", str(told), core,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    listens = False
    try:
        listens = bool(process.stdout and await process.stdout.readline())
    finally:
        if not listens:
            await _end(process)
    if not listens:
        raise SettingsError("a gateway cannot start; the line above says why")
    return process


async def _keep(process: asyncio.subprocess.Process, told: Path, core: str, number: int) -> None:
    """Keep one gateway running until cancelled."""
    while True:
        try:
            await process.wait()
        finally:
            await _end(process)
        _log.error("gateway ended; it is started again", number=number, code=process.returncode)
        await asyncio.sleep(AGAIN_S)
        with contextlib.suppress(SettingsError):  # tried again, and told again
            process = await _start(told, core)
            _log.info("gateway listening", number=number)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    if process.stdin:
        process.stdin.close()  # its sign to leave
    try:
        await asyncio.wait_for(process.wait(), LEAVE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
