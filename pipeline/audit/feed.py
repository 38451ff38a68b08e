"""What a receiver of the audit log has not got yet: records and checkpoints, in order, over restarts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files import replace_file
from pipeline.audit.checkpoint import BadCheckpoint
from pipeline.audit.log import CHECKPOINTS, begin_of, segments
from pipeline.audit.ocsf import ocsf_of
from pipeline.audit.verify import notes_in

BATCH = 100
"""Messages that are sent at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a receiver is.

    Attributes:
        record: number of the next record.
        checkpoint: bytes of the file of checkpoints that it has.
    """

    record: int = 0
    checkpoint: int = 0


class AuditFeed:
    """The log as one receiver gets it. Every method blocks.

    Args:
        folder: of the log.
        receiver: its name; its place is kept in the folder.

    Attributes:
        folder: of the log.
        place: behind what the receiver has.
    """

    def __init__(self, folder: Path, receiver: str) -> None:
        self.folder = folder
        self._file = folder / f"sent-{receiver}.json"
        self._segment: Path | None = None
        self._line, self._offset = 0, 0
        self.place = self._kept()

    def _kept(self) -> Place:
        try:
            kept = json.loads(self._file.read_text("ascii"))
            return Place(record=int(kept["record"]), checkpoint=int(kept["checkpoint"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Place()

    def keep(self, place: Place) -> None:
        """Note that a receiver has everything before ``place``; raises OSError."""
        replace_file(self._file, json.dumps({"record": place.record, "checkpoint": place.checkpoint}))
        self.place = place

    def next(self) -> tuple[list[dict[str, Any]], Place]:
        """Return what comes next, at most :data:`BATCH` events of OCSF, and the place behind it.

        Raises:
            OSError, ValueError: the log cannot be read.
        """
        events, number = self._records()
        if events:
            return events, Place(record=number, checkpoint=self.place.checkpoint)
        notes, size = self._checkpoints()
        return notes, Place(record=self.place.record, checkpoint=size)

    def _records(self) -> tuple[list[dict[str, Any]], int]:
        wanted, events = self.place.record, list[dict[str, Any]]()
        for segment in segments(self.folder):
            if self._segment is not None and segment < self._segment:
                continue
            if segment != self._segment:
                self._segment, self._offset = segment, 0
                self._line = begin_of(segment)[0].size
            with segment.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._line += 1
                    if self._line > wanted:
                        events.append(ocsf_of(json.loads(line)))
                    if len(events) == BATCH:
                        return events, self._line
        if self._line < wanted:
            raise ValueError("the place of this receiver is beyond the log")
        return events, self._line

    def _checkpoints(self) -> tuple[list[dict[str, Any]], int]:
        try:
            with (self.folder / CHECKPOINTS).open("rb") as file:
                file.seek(self.place.checkpoint)
                data = file.read(1_000_000)
        except FileNotFoundError:
            return [], self.place.checkpoint
        whole = data.rpartition(b"\n\n")[0]
        size = self.place.checkpoint + (len(whole) + 2 if whole else 0)
        try:
            notes = notes_in(whole.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadCheckpoint("checkpoints.txt cannot be read") from error
        return [{"yuetone_audit_checkpoint": note} for note in notes], size
