"""A PostgreSQL of Debian's on a host of its own."""

from __future__ import annotations

import asyncio
import pwd
import shutil
from pathlib import Path

from benchmarks.cluster.hosts import NETWORK, Host


class Database:
    """The server; made by :meth:`make`.

    Args:
        host: the host on which it runs.
        folder: the folder for its files.
        cores: processor cores, as taskset names them; None for all.
    """

    def __init__(self, host: Host, folder: Path, cores: str | None = None) -> None:
        self.host, self._folder, self._cores = host, folder, cores
        self._data = folder / "pg"
        self._bin = Path()

    @property
    def own_url(self) -> str:
        """URL for who shares its disk and not its network."""
        return f"postgresql://postgres@/postgres?host={self._data}"

    @property
    def url(self) -> str:
        """URL of its database."""
        return f"postgresql://postgres@{self.host.address}/postgres"

    async def make(self) -> None:
        """Make a database, and start it.

        Raises:
            SystemExit: there is no PostgreSQL here.
        """
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not binaries:
            raise SystemExit("this benchmark needs PostgreSQL (apt-get install postgresql)")
        self._bin = binaries[-1].parent
        shutil.chown(self._folder, "postgres")
        who = pwd.getpwnam("postgres")
        process = await asyncio.create_subprocess_exec(
            str(self._bin / "initdb"), "-A", "trust", "-D", str(self._data),
            user=who.pw_uid, group=who.pw_gid, extra_groups=[], stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await process.wait():
            raise SystemExit("initdb failed")
        with (self._data / "pg_hba.conf").open("a") as out:
            out.write(f"host all all {NETWORK}.0/24 trust\n")
        await self.start()

    async def start(self) -> None:
        """Start it, perhaps again."""
        who = pwd.getpwnam("postgres")
        pinned = ["taskset", "-c", self._cores] if self._cores else []
        command = [
            *pinned, "setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups",
            str(self._bin / "postgres"), "-D", str(self._data), "-c", "listen_addresses=*",
            "-c", f"unix_socket_directories={self._data}", "-c", "log_min_messages=fatal",
        ]  # fmt: skip
        await asyncio.create_subprocess_exec(*self.host.command(*command), stderr=asyncio.subprocess.DEVNULL)
        await asyncio.sleep(2.0)

    async def run(self, statements: str) -> None:
        """Run SQL."""
        command = [str(self._bin / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", self.host.address]
        process = await asyncio.create_subprocess_exec(
            *self.host.command(*command, "-U", "postgres", "-c", statements)
        )
        if await process.wait():
            raise SystemExit("psql failed")
