"""Processes that one server starts: kept running, started again when they die, ended in time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence

import structlog

from pipeline.errors import SettingsError

AGAIN_S = 1.0
"""Pause before a process that died is started again, s."""
LEAVE_S = 10.0
"""Time for a process to end by itself, s."""

_log = structlog.get_logger(__name__)


class Child:
    """One process, a module of ours with arguments; for one event loop.

    Args:
        kind: what it is, for people: ``gateway``.
        number: of it.
        command: the module, and its arguments.
        leave_s: time for it to end by itself.
    """

    def __init__(self, kind: str, number: int, command: Sequence[str], leave_s: float = LEAVE_S) -> None:
        self._kind, self._number, self._command, self._leave_s = kind, number, tuple(command), leave_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None before the first start."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process; return once it listens.

        Raises:
            SettingsError: it ended before that; it has told why on standard error.
        """
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self._command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        listens = False
        try:
            listens = bool(process.stdout and await process.stdout.readline())
        finally:
            if not listens:
                await self.end()
        if not listens:
            raise SettingsError(f"a {self._kind} cannot start; the line above says why")

    async def keep(self) -> None:
        """Keep the process running until cancelled."""
        while True:
            if self._process is not None:
                await self._process.wait()
                code = self._process.returncode
                _log.error(f"{self._kind} ended; it is started again", number=self._number, code=code)
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(SettingsError):  # tried again, and told again
                await self.start()
                _log.info(f"{self._kind} listening", number=self._number)

    async def end(self) -> None:
        """Let the process end: its input ends, which is its sign to leave."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), self._leave_s)
        except TimeoutError:
            _log.error(f"{self._kind} did not end in time", number=self._number)
            process.kill()
            await process.wait()


async def start_all(children: Sequence[Child]) -> None:
    """Start processes side by side; where one cannot start, none stays.

    Raises:
        SettingsError: one cannot start.
    """
    started = await asyncio.gather(*(child.start() for child in children), return_exceptions=True)
    failed = [error for error in started if isinstance(error, BaseException)]
    if failed:
        await asyncio.gather(*(child.end() for child in children))
        raise failed[0]


async def end_of_input() -> None:
    """Wait until standard input ends: whoever started this process is gone, or wants it to leave."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
