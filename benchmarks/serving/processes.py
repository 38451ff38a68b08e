"""Servers in processes of their own, on cores of their own, and what they use (Linux)."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TRANSCRIPTS_ONLY = {
    "YUETONE_EMOTION__ENABLED": "false",
    "YUETONE_DIARIZATION__ENABLED": "false",
    "YUETONE_SUGGEST__ENABLED": "false",
    "YUETONE_ALERTS__ENABLED": "false",
}
"""Settings of a server that does what its peers do: speech in, text out."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used or hold.

    Attributes:
        cpu_s: processor time.
        resident_mib: memory.
        threads: running.
        handles: open files and sockets.
    """

    cpu_s: float
    resident_mib: float
    threads: int
    handles: int


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Return the memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family(pid: int) -> list[int]:
    """Return ``pid`` and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in family(int(child)))]


def usage(pid: int) -> Usage:
    """Return what ``pid`` and its descendants use."""
    pids = family(pid)
    return Usage(
        cpu_s=sum(map(cpu_seconds, pids)),
        resident_mib=sum(map(resident_mib, pids)),
        threads=sum(len(list(Path(f"/proc/{p}/task").iterdir())) for p in pids),
        handles=sum(len(list(Path(f"/proc/{p}/fd").iterdir())) for p in pids),
    )


def split_cores() -> tuple[set[int], set[int]]:
    """Return cores for the client and the one for the server; both the same where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores[:-1]), {cores[-1]}) if len(cores) > 1 else (set(cores), set(cores))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def pinned(
    command: Sequence[str],
    cores: set[int] | None,
    environment: Mapping[str, str],
    pipe: Literal["stdout", "stderr"] = "stderr",
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a server on ``cores`` (None: all), one of its outputs through a pipe; it is stopped in the end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stderr=asyncio.subprocess.PIPE if pipe == "stderr" else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if pipe == "stdout" else asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def yuetone(
    *arguments: str, cores: set[int] | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run ``yuetone serve``; give its process and its address."""
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(sys.executable).with_name("yuetone"))
        command = [program, "serve", "--port", "0", "--metrics-port", "0", "--max-calls", "1000", *arguments]
        stores = {
            "YUETONE_ALERTS__STORE": f"{folder}/alerts.db",
            "YUETONE_SUGGEST__STORE": f"{folder}/knowledge.db",
            "YUETONE_LOG__FORMAT": "json",
            "YUETONE_LIMITS__MAX_FINAL_WAIT_MS": "0",  # whoever comes is taken
            "YUETONE_PROFILES__DEFAULT__REDACTION__HIDE": "[]",  # found, and shown: texts are scored
        }
        async with pinned(command, cores, {**stores, **(settings or {})}) as process:
            if process.stderr is None:
                raise RuntimeError("no pipe to the server")
            address = await _address(process.stderr)
            drain = asyncio.create_task(process.stderr.read(), name="server log")  # a full pipe would stop it
            try:
                yield process, address
            finally:
                drain.cancel()


async def _address(lines: asyncio.StreamReader) -> str:
    seen = []
    while line := await lines.readline():
        seen.append(line.decode(errors="replace"))
        told = json.loads(line) if line.startswith(b"{") else {}
        if told.get("event") == "serving":
            return f"127.0.0.1:{told['port']}"
    raise RuntimeError("the server did not start: " + "".join(seen[-3:]))
