"""Is the audit log whole? Recomputes everything; names the first record that does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.audit.checkpoint import BadCheckpoint, Checkpoint, Verifier
from pipeline.audit.log import CHECKPOINTS, FIRST, begin_of, sizes_of
from pipeline.audit.merkle import TreeHead, leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found.

    Attributes:
        records: that were read.
        first: number of the oldest record that is still there.
        root: head of the tree over them and all before, 32 bytes.
        checkpoints: that were compared.
        outside: of them, those that were kept elsewhere.
        problem: what is wrong first; None where all is well.
    """

    records: int
    first: int
    root: bytes
    checkpoints: int = 0
    outside: int = 0
    problem: str | None = None


def notes_in(text: str) -> list[str]:
    """Return the signed notes of a file: each is text, a blank line, and signatures.

    Raises:
        BadCheckpoint: it holds something else.
    """
    parts = [part for part in text.split("\n\n") if part.strip()]
    if len(parts) % 2:
        raise BadCheckpoint("checkpoints cannot be read")
    return [
        f"{body}\n\n{signatures.rstrip()}\n"
        for body, signatures in zip(parts[::2], parts[1::2], strict=False)
    ]


def verify(
    folder: Path,
    verifier: Verifier,
    outside: Iterable[str] = (),
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Verdict:
    """Recompute the log in ``folder`` and compare it with its checkpoints.

    Args:
        folder: of the log.
        verifier: of its checkpoints; from a key that was noted elsewhere, else an intruder's will do.
        outside: signed notes that were kept elsewhere: only they show that the end is missing.
        progress: is told the bytes that were read.
    """
    try:
        inside = folder / CHECKPOINTS
        kept = notes_in(inside.read_text("utf-8")) if inside.exists() else []
        heads = [(verifier.open(note), False) for note in kept]
        heads += [(verifier.open(note), True) for note in outside]
        sizes = sizes_of(folder)  # behind the checkpoints: what is appended meanwhile is left out
    except (BadCheckpoint, OSError, UnicodeDecodeError) as error:
        problem = str(error) if isinstance(error, BadCheckpoint) else "the log cannot be read"
        return Verdict(records=0, first=0, root=b"", problem=problem)
    return _Walk(heads, progress).through(sizes)


class _Walk:
    """One pass through all segments."""

    def __init__(self, heads: list[tuple[Checkpoint, bool]], progress: Callable[[int], None]) -> None:
        self._heads: dict[int, list[tuple[Checkpoint, bool]]] = {}
        for checkpoint, outside in heads:
            self._heads.setdefault(checkpoint.size, []).append((checkpoint, outside))
        self._given_outside = any(outside for _checkpoint, outside in heads)
        self._compared = self._compared_outside = 0
        self._progress = progress
        self._head, self._previous = TreeHead(), FIRST
        self._sound = 0
        self._first = 0
        self._records = 0

    def through(self, sizes: Mapping[Path, int]) -> Verdict:
        problem = None
        for index, (segment, size) in enumerate(sizes.items()):
            problem = self._begin(segment, oldest=index == 0) or self._segment(segment, size)
            if problem:
                break
        return Verdict(
            records=self._records,
            first=self._first,
            root=self._head.root,
            checkpoints=self._compared,
            outside=self._compared_outside,
            problem=problem or self._end(),
        )

    def _begin(self, segment: Path, *, oldest: bool) -> str | None:
        try:
            head, previous = begin_of(segment)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return f"the start of {segment.name} cannot be read"
        if oldest:
            self._head, self._previous = head, previous
            self._first = self._sound = head.size
            return self._compare()
        if (head.size, head.subtrees, previous) != (self._head.size, self._head.subtrees, self._previous):
            return f"{segment.name} does not go on where the segment before it ends"
        return None

    def _segment(self, segment: Path, size: int) -> str | None:
        with segment.open("rb") as file:
            while file.tell() < size and (line := file.readline()):
                if not line.endswith(b"\n"):
                    return f"record {self._head.size} is not finished ({segment.name})"
                problem = self._record(line[:-1])
                if problem:
                    return f"{problem} ({segment.name})"
                self._progress(len(line))
        return None

    def _record(self, line: bytes) -> str | None:
        number = self._head.size
        try:
            record = json.loads(line)
            fits = record["n"] == number and record["prev"] == self._previous
        except (ValueError, KeyError, TypeError, RecursionError):
            return f"record {number} cannot be read"
        if not fits:
            return f"record {max(0, number - 1)} or {number} was changed, or records between them are gone"
        leaf = leaf_hash(line)
        self._head.append(leaf)
        self._previous = leaf.hex()
        self._records += 1
        return self._compare()

    def _compare(self) -> str | None:
        """Compare the tree with the checkpoints of its present size."""
        heads = self._heads.pop(self._head.size, ())
        root = self._head.root if heads else b""
        if any(checkpoint.root != root for checkpoint, _outside in heads):
            return f"a record of {self._sound} to {self._head.size - 1} was changed: a checkpoint says so"
        self._compared += len(heads)
        self._compared_outside += sum(outside for _checkpoint, outside in heads)
        if heads:
            self._sound = self._head.size
        return None

    def _end(self) -> str | None:
        """Tell what checkpoints are left that no record came to."""
        beyond = [size for size in self._heads if size > self._head.size]
        if beyond:
            return f"records {self._head.size} to {max(beyond) - 1} are gone: a checkpoint has them"
        if self._given_outside and not self._compared_outside:
            return (
                f"no checkpoint from elsewhere reaches the oldest record here, number {self._first}: "
                "nothing vouches for this log"
            )
        return None
