"""Where the sound of a call joins that goes on at another node. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.record.entries import SoundEntry

SILENT = b"\xff"
"""A silent sample in G.711 µ-law."""


@dataclass(slots=True)
class _Joint:
    epoch: int
    ends: dict[int, int]


class SoundJoints:
    """Cuts the first pieces that a part of a call brings so that they begin where the part before stopped."""

    def __init__(self) -> None:
        self._known: dict[str, _Joint] = {}  # of live calls that have come from other nodes

    def begin(self, record_id: str, epoch: int, ends: Sequence[int]) -> None:
        """Note that a part of a call begins.

        Args:
            record_id: of the call.
            epoch: of the part.
            ends: by channel, sample behind the last one that is on disk, at the record's rate.
        """
        self._known[record_id] = _Joint(epoch, dict(enumerate(ends)))

    def joined(self, heard: Iterable[SoundEntry]) -> list[SoundEntry]:
        """Return pieces of sound as they are to be written; what is on disk already is left out."""
        done: set[tuple[str, int]] = set()
        found = []
        for piece in heard:
            name = piece.record_id, piece.channel
            joint = self._known.get(piece.record_id)
            end = None if joint is None else joint.ends.get(piece.channel)
            if end is None or name in done:
                found.append(piece)
            elif (fitting := _joined(piece, end)) is not None:
                done.add(name)
                found.append(fitting)
        return found

    def written(self, pieces: Iterable[SoundEntry]) -> None:
        """Note that pieces are on disk: what follows in their channels goes right on."""
        for piece in pieces:
            joint = self._known.get(piece.record_id)
            if joint is not None:
                joint.ends.pop(piece.channel, None)

    def end(self, record_id: str, epoch: int) -> bool:
        """Forget a call that a part has ended; return whether no later part is here."""
        joint = self._known.get(record_id)
        if joint is not None and epoch < joint.epoch:
            return False
        self._known.pop(record_id, None)
        return True


def _joined(piece: SoundEntry, end: int) -> SoundEntry | None:
    """Return a piece from ``end`` on; None where all of it is before. What no part has brought is silent."""
    if piece.start + len(piece.data) <= end:
        return None
    missing = SILENT * max(0, piece.start - end)
    return replace(piece, start=end, data=missing + piece.data[max(0, end - piece.start) :])
