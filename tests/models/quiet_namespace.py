"""Serve a call in a network namespace of its own, and print which names anybody asked a name server for.

unshare --map-root-user --net --mount python -m tests.models.quiet_namespace FOLDER
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).with_name("yuetone"))
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def raise_loopback() -> None:
    """Turn the loopback interface on; a fresh namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14s", b"lo", 0, b"")
        flags = struct.unpack("16sh14s", fcntl.ioctl(control, _GET_FLAGS, request))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14s", b"lo", flags | _UP, b""))


class NameServer(threading.Thread):
    """Writes down every query and answers none."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))

    def run(self) -> None:
        while True:
            query, sender = self._socket.recvfrom(4096)
            self.asked.append(_name(query))
            self._socket.sendto(query[:2] + b"\x81\x83" + query[4:], sender)  # no such name

    @staticmethod
    def use(folder: Path) -> None:
        """Let every process of this namespace ask it."""
        settings = folder / "resolv.conf"
        settings.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        command = ["mount", "--bind", str(settings), "/etc/resolv.conf"]
        subprocess.run(command, check=True)


def _name(query: bytes) -> str:
    labels, at = [], 12
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels)


def served_call(folder: Path) -> list[int]:
    """Run the server, a call through it and other commands; return their exit statuses."""
    environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    environment |= {
        "YUETONE_ALERTS__STORE": str(folder / "alerts.db"),
        "YUETONE_SUGGEST__STORE": str(folder / "kb.db"),
    }
    command = [PROGRAM, "serve", "--port", "0", "--metrics-port", "0", "--model", "tiny"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True, cwd=ROOT)
    assert server.stderr is not None
    started: dict[str, Any] = json.loads(server.stderr.readline())
    threading.Thread(target=server.stderr.read, daemon=True).start()
    address = f"127.0.0.1:{started['port']}"
    commands = (
        ("call", "pipeline/demo/call.wav", "--speed", "0", "--server", address, "--json"),
        ("access", "whoami", "--server", address),
        ("calls", "list", "--server", address),
        ("models", "list"),
        ("kb", "--store", str(folder / "kb.db"), "list"),
        ("config", "show"),
    )
    statuses = [
        subprocess.run(
            [PROGRAM, *arguments], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, check=False
        ).returncode
        for arguments in commands
    ]
    server.terminate()
    return [*statuses, server.wait(60)]


def main() -> None:
    folder = Path(sys.argv[1])
    raise_loopback()
    names = NameServer()
    names.use(folder)
    names.start()
    with contextlib.suppress(OSError):
        socket.getaddrinfo("seen.example", 80)
    proved, names.asked = list(names.asked), []
    statuses = served_call(folder)
    sys.stdout.write(json.dumps({"proved": proved, "asked": names.asked, "statuses": statuses}) + "\n")


if __name__ == "__main__":
    main()
