"""A server behind front ends: starts them, starts them again when one dies, ends them last."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from asr import AsrEngine
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.rpc.server import Server, serve

AGAIN_S = 1.0
"""Before a front end that died is started again."""
LEAVE_S = 10.0
"""For a front end to end by itself."""

_log = structlog.get_logger(__name__)


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Hold a port so that front ends can share it, and nobody else's server gets among them.

    Raises:
        SettingsError: it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bare = host.strip("[]")
    try:
        with socket.socket(family) as probe:  # without sharing: another server there would be found
            probe.bind((bare, port))
            port = probe.getsockname()[1]
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


async def serve_behind(
    settings: Settings,
    *,
    ready: Callable[[Server], None] | None = None,
    factory: Callable[[], AsrEngine] | None = None,
    signals: bool = True,
) -> None:
    """Serve as :func:`pipeline.rpc.server.serve` does, with ``server.front_ends`` processes on the wire.

    Raises:
        SettingsError: as there, or a front end cannot start.
    """
    outside = settings.server
    with (
        tempfile.TemporaryDirectory(prefix="yuetone-") as folder,
        reserved_port(outside.host, outside.port) as port,
    ):
        core = f"unix:{folder}/core.sock"
        told = Path(folder) / "server.json"
        told.write_text(outside.model_copy(update={"port": port}).model_dump_json(), "utf-8")
        inside = outside.model_copy(
            update={"host": core, "tls_certificate": None, "tls_key": None, "tls_client_ca": None}
        )
        up = asyncio.Event()
        stopping: list[Server] = []

        def listening(server: Server) -> None:
            server.port = port
            stopping.append(server)
            up.set()

        async with asyncio.TaskGroup() as tasks:
            main = tasks.create_task(
                serve(
                    settings.model_copy(update={"server": inside}),
                    ready=listening, factory=factory, signals=signals,
                ),
                name="server behind",
            )  # fmt: skip
            waiting = tasks.create_task(up.wait(), name="up")
            await asyncio.wait([main, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            fronts = [
                tasks.create_task(_keep(told, core, number), name=f"front end {number}")
                for number in range(outside.front_ends if up.is_set() else 0)
            ]
            if up.is_set():
                _log.info("serving", port=port, front_ends=outside.front_ends)
                if ready:
                    ready(stopping[0])
            await asyncio.wait([main])
            for task in fronts:
                task.cancel()


async def _keep(told: Path, core: str, number: int) -> None:
    """Keep one front end running until cancelled."""
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pipeline.rpc.front_end", str(told), core,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            if process.stdout and await process.stdout.readline():
                _log.info("front end listening", number=number)
            await process.wait()
        finally:
            await _end(process)
        _log.error("front end ended; it is started again", number=number, code=process.returncode)
        await asyncio.sleep(AGAIN_S)


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
