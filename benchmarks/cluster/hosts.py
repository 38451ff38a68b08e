"""Hosts on one machine: a network namespace each, on a bridge in another one. Needs root and iproute2."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "yt"
NETWORK = "10.77.0"
BRIDGE = f"{PREFIX}-bridge"


def _ip(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)  # noqa: S603, S607
    return done.stdout


@dataclass(frozen=True, slots=True)
class Host:
    """A host.

    Attributes:
        number: of it, from 1.
    """

    number: int

    @property
    def space(self) -> str:
        """Name of its namespace."""
        return f"{PREFIX}-{self.number}"

    @property
    def address(self) -> str:
        """Where others reach it."""
        return f"{NETWORK}.{self.number}"

    def command(self, *arguments: str) -> list[str]:
        """Return a command that runs on this host."""
        return ["ip", "netns", "exec", self.space, *arguments]

    def pids(self, like: str = "") -> list[int]:
        """Return its processes whose command line has ``like`` in it."""
        found = []
        for pid in map(int, _ip("netns", "pids", self.space, check=False).split()):
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if like in line:
                    found.append(pid)
        return found

    def signal(self, number: signal.Signals, like: str = "") -> None:
        """Send a signal to its processes."""
        for pid in self.pids(like):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def line(self, *, up: bool) -> None:
        """Let its line carry packets, or swallow them without a word."""
        state = "3" if up else "0"
        command = ["bridge", "link", "set", "dev", f"{PREFIX}p{self.number}", "state", state]
        _ip("netns", "exec", BRIDGE, *command)

    async def power_off(self) -> None:
        """Let it be gone at once: nobody is told."""
        self.line(up=False)
        await asyncio.sleep(0.02)
        self.signal(signal.SIGKILL)


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Make hosts; take everything down behind.

    Raises:
        SystemExit: this cannot be done here.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise SystemExit("this benchmark needs root and iproute2 (apt-get install iproute2)")
    found = [Host(number) for number in range(1, count + 1)]
    _down(found)
    try:
        _ip("netns", "add", BRIDGE)
        _ip("-n", BRIDGE, "link", "add", "br0", "type", "bridge")
        _ip("-n", BRIDGE, "link", "set", "br0", "up")
        for host in found:
            port = f"{PREFIX}p{host.number}"
            _ip("netns", "add", host.space)
            _ip("-n", host.space, "link", "add", "eth0", "type", "veth", "peer", "name", port)
            _ip("-n", host.space, "link", "set", port, "netns", BRIDGE)
            _ip("-n", BRIDGE, "link", "set", port, "master", "br0")
            _ip("-n", BRIDGE, "link", "set", port, "up")
            _ip("-n", host.space, "addr", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.space, "link", "set", "eth0", "up")
            _ip("-n", host.space, "link", "set", "lo", "up")
        yield found
    finally:
        _down(found)


def _down(found: list[Host]) -> None:
    for host in found:
        host.signal(signal.SIGCONT)
        host.signal(signal.SIGKILL)
        _ip("netns", "del", host.space, check=False)
    _ip("netns", "del", BRIDGE, check=False)
