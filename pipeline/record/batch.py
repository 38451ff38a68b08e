"""What is written in one transaction, by kind. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.record.entries import CutSoundEntry, EndRecord, EventEntry, RecordEntry, SoundEntry

PartEntry = EventEntry | SoundEntry | CutSoundEntry | EndRecord
"""An entry that a part of a call brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries of several calls, in the order in which they came.

    Attributes:
        told: events.
        heard: pieces of sound.
        cut: stretches of sound that were silenced.
        ended: calls that are over.
    """

    told: tuple[EventEntry, ...]
    heard: tuple[SoundEntry, ...]
    cut: tuple[CutSoundEntry, ...]
    ended: tuple[EndRecord, ...]

    def without(self, late: Callable[[PartEntry], bool]) -> Batch:
        """Return the entries that do not come too late."""
        return Batch(
            told=tuple(entry for entry in self.told if not late(entry)),
            heard=tuple(entry for entry in self.heard if not late(entry)),
            cut=tuple(entry for entry in self.cut if not late(entry)),
            ended=tuple(entry for entry in self.ended if not late(entry)),
        )


def batch_of(entries: Iterable[RecordEntry]) -> Batch:
    """Return entries by kind; those that concern a call as a whole are left out."""
    entries = tuple(entries)
    return Batch(
        told=tuple(entry for entry in entries if isinstance(entry, EventEntry)),
        heard=tuple(entry for entry in entries if isinstance(entry, SoundEntry)),
        cut=tuple(entry for entry in entries if isinstance(entry, CutSoundEntry)),
        ended=tuple(entry for entry in entries if isinstance(entry, EndRecord)),
    )
