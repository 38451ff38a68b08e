"""Foreign formats are read in a process of their own: too much memory or time is refused with a line.

A document of a few kilobytes may be built to unpack, or to nest, without end.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from suggest.reading.base import Options, Problem, Reading

MOST_MEMORY = 2 * 1024**3
"""Bytes of address space of the process that reads."""
MOST_SECONDS = 30.0
"""For one file."""
Read = Callable[[Path, Options], Reading]


class BoundedReader:
    """Reads files in another process, which is started again where one was too much for it.

    Args:
        read: reads a file; a function of a module, for it is sent by its name.
        seconds: for one file.
        memory: bytes of address space.
    """

    def __init__(self, read: Read, seconds: float = MOST_SECONDS, memory: int = MOST_MEMORY) -> None:
        self._read = read
        self._seconds = seconds
        self._memory = memory
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def read(self, file: Path, options: Options) -> Reading:
        """Return what a file holds, or the problem that it was too much."""
        line = self._started()
        name = options.name_of(file)
        try:
            line.send((file, options))
            if not line.poll(self._seconds):
                self._stop()
                return _problem(
                    name, f"took more than {self._seconds:.0f} s to read; split it, or save it again"
                )
            found: Reading = line.recv()
        except (EOFError, OSError):
            self._stop()
            return _problem(
                name, f"takes more than {self._memory >> 20} MB to read; split it, or save it again"
            )
        return found

    def _started(self) -> Connection:
        if self._line is None:
            context = multiprocessing.get_context("spawn")
            self._line, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs, self._read, self._memory), daemon=True, name="reader"
            )
            self._process.start()
            theirs.close()
        return self._line

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None


def _problem(name: str, message: str) -> Reading:
    return Reading(problems=[Problem(file=name, message=message)])


def _serve(line: Connection, read: Read, memory: int) -> None:
    """Read one file after the other until the line is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    while True:
        try:
            file, options = line.recv()
        except EOFError:
            return
        try:
            found = read(file, options)
        except MemoryError:
            return  # the other end sees the line close
        line.send(found)
