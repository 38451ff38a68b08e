"""The audit log's files: one segment a month, appended and flushed to disk; one writer at a time.

audit-2026-11.jsonl     records, one a line
audit-2026-11.start     how the tree stood before its first record: segments before may be dropped
checkpoints.txt         signed heads, one blank line between two of them
key                     the key that signs them (yuetone audit key prints the public one)
lock                    held while somebody appends: the server, or a command beside it
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.audit.checkpoint import Signer
from pipeline.audit.entry import AuditEntry, line_of
from pipeline.audit.merkle import TreeHead, leaf_hash
from pipeline.errors import SettingsError

FIRST = "0" * 64
"""What stands for the line before the first one."""
CHECKPOINTS = "checkpoints.txt"
KEY = "key"
_NAME = re.compile(r"audit-[0-9]{4}-(0[1-9]|1[0-2])\.jsonl")
CHECKPOINT_RECORDS = 1000
"""Records from which a new checkpoint is due."""


def segments(folder: Path) -> list[Path]:
    """Return the segments, the oldest first; other files of the folder are none."""
    named = (path for path in folder.glob("audit-*.jsonl") if _NAME.fullmatch(path.name))
    return sorted(path for path in named if path.is_file())


def begin_of(segment: Path) -> tuple[TreeHead, str]:
    """Return how the tree stood before a segment, and the hash of the line before it.

    Raises:
        ValueError, KeyError, TypeError, OSError: its start cannot be read.
    """
    start = json.loads(segment.with_suffix(".start").read_text("ascii"))
    size, subtrees, previous = start["size"], start["subtrees"], start["prev"]
    if type(size) is not int or size < 0 or not isinstance(previous, str):
        raise ValueError("no start of a segment")
    return TreeHead(size, map(bytes.fromhex, subtrees)), previous


@contextmanager
def locked(folder: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[None]:
    """Hold the log: nobody appends meanwhile; raises OSError."""
    file = os.open(folder / "lock", flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def sizes_of(folder: Path) -> dict[Path, int]:
    """Return the segments, the oldest first, and their bytes at one moment between two appends.

    A folder that cannot be locked, such as a copy without its lock, is taken as it is.

    Raises:
        OSError: a segment cannot be found.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(folder, os.O_RDONLY))
        return {segment: segment.stat().st_size for segment in segments(folder)}


def lines_of(segment: Path) -> Iterator[bytes]:
    """Yield the whole lines of a segment, without their newline."""
    with segment.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line[:-1]


class AuditLog:
    """The files, for whoever appends. Every method blocks.

    Args:
        folder: of the log, made for its owner alone.
        origin: name of the log, in its checkpoints.
        clock: s since 1970 UTC.

    Raises:
        SettingsError: the folder cannot be written, or what is in it is no log of ours.
    """

    def __init__(self, folder: Path, origin: str, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._segment: Path | None = None
        self._bytes = 0
        self._head, self._previous = TreeHead(), FIRST
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.signer = Signer.at(folder / KEY, origin)
            with locked(folder):
                self._catch_up()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                f"audit.folder: {folder} cannot be used ({type(error).__name__}); see 'yuetone audit verify'"
            ) from error
        self._signed_size = self._head.size

    @property
    def size(self) -> int:
        """Records so far."""
        return self._head.size

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write records; they are on disk when this returns.

        Raises:
            OSError: they cannot be written; none of them is.
        """
        with locked(self.folder):
            self._catch_up()
            now = self._clock()
            segment = self._segment_of(now)
            size, subtrees, previous = self._head.size, self._head.subtrees, self._previous
            data = bytearray()
            for entry in entries:
                line = line_of(entry, self._head.size, now, self._previous)
                leaf = leaf_hash(line[:-1])
                self._head.append(leaf)
                self._previous = leaf.hex()
                data += line
            try:
                _write(segment, bytes(data), self._bytes)
            except OSError:
                self._head, self._previous = TreeHead(size, subtrees), previous
                raise
            self._bytes += len(data)

    def checkpoint(self, *, due_only: bool = False) -> str | None:
        """Sign the head of the tree and keep the note; return it.

        Args:
            due_only: only where enough records were written since the last one.

        Returns:
            The signed note; None where nothing is new.

        Raises:
            OSError: it cannot be written.
        """
        new = self._head.size - self._signed_size
        if new < (CHECKPOINT_RECORDS if due_only else 1):
            return None
        note = self.signer.sign(self._head.size, self._head.root)
        with (self.folder / CHECKPOINTS).open("ab") as file:
            file.write(note.encode() + b"\n")
            file.flush()
            os.fdatasync(file.fileno())
        self._signed_size = self._head.size
        return note

    def signed_now(self) -> str:
        """Return the head of the tree as it is now, signed; nothing is written."""
        return self.signer.sign(self._head.size, self._head.root)

    def forget(self, months: int) -> list[str]:
        """Delete the segments that are older than so many months, whole; return their names.

        Raises:
            OSError: one cannot be deleted.
        """
        today = datetime.fromtimestamp(self._clock(), UTC)
        oldest = today.year * 12 + today.month - 1 - months
        gone = []
        for segment in segments(self.folder)[:-1]:
            year, month = map(int, segment.stem.removeprefix("audit-").split("-"))
            if year * 12 + month - 1 < oldest:
                segment.unlink()
                segment.with_suffix(".start").unlink(missing_ok=True)
                gone.append(segment.name)
        return gone

    # ---------------------------------------------------------------- files

    def _catch_up(self) -> None:
        """Take in what another process has appended, or everything at first; cut off an unfinished line."""
        there = segments(self.folder)
        newest = there[-1] if there else None
        if newest is None or (newest == self._segment and newest.stat().st_size == self._bytes):
            return
        self._head, self._previous = begin_of(newest)
        length = 0
        for line in lines_of(newest):
            leaf = leaf_hash(line)
            self._head.append(leaf)
            self._previous = leaf.hex()
            length += len(line) + 1
        self._segment, self._bytes = newest, length

    def _segment_of(self, now: float) -> Path:
        """Return the segment of this month, begun where there is none; a clock that goes back begins none."""
        name = self.folder / f"audit-{datetime.fromtimestamp(now, UTC):%Y-%m}.jsonl"
        if self._segment is not None and name <= self._segment:
            return self._segment
        start = {
            "size": self._head.size,
            "subtrees": [subtree.hex() for subtree in self._head.subtrees],
            "prev": self._previous,
        }
        _write(name.with_suffix(".start"), json.dumps(start).encode("ascii"), 0)
        _write(name, b"", 0)
        self._segment, self._bytes = name, 0
        return name


def _write(path: Path, data: bytes, at: int) -> None:
    """Put ``data`` at byte ``at`` of a file, and nothing behind it; on disk when this returns.

    Raises:
        OSError: it cannot be; what was there before ``at`` stays.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(file, at)
        os.lseek(file, at, os.SEEK_SET)
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        os.fdatasync(file)
    finally:
        os.close(file)
