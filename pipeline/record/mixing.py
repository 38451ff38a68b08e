"""The sound of several channels as one stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from pipeline.record.reading import SoundPiece

SILENCE = b"\xff"
"""µ-law of a sample of 0."""


def interleaved(channels: list[Iterator[SoundPiece]], first: int) -> Iterator[tuple[int, bytes]]:
    """Yield the sound of channels, piece by piece: its first sample, and the samples by turns.

    Args:
        channels: the pieces of each, one behind the other; those of a shorter one are followed by silence.
        first: sample at which all of them begin.
    """
    waiting, at = [bytearray() for _ in channels], first
    for pieces in zip_longest(*channels):
        for buffer, piece in zip(waiting, pieces, strict=True):
            buffer.extend(piece.data if piece is not None else b"")
        whole = min(map(len, waiting))
        if whole:
            yield at, _mixed([bytes(channel[:whole]) for channel in waiting])
        for channel in waiting:
            del channel[:whole]
        at += whole
    left = max(map(len, waiting), default=0)
    if left:
        yield at, _mixed([bytes(channel.ljust(left, SILENCE)) for channel in waiting])


def _mixed(channels: list[bytes]) -> bytes:
    if len(channels) == 1:
        return channels[0]
    out = bytearray(len(channels) * len(channels[0]))
    for index, data in enumerate(channels):
        out[index :: len(channels)] = data
    return bytes(out)
