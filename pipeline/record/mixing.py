"""The sound of several channels as one stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from pipeline.record.reading import SoundPiece

SILENCE = b"\xff"
"""µ-law of a sample of 0."""


def interleaved(channels: list[Iterator[SoundPiece]], first: int) -> Iterator[tuple[int, bytes]]:
    """Yield the sound of channels, second by second: its first sample, and the samples by turns."""
    waiting, at = [bytearray() for _ in channels], 0
    for pieces in zip_longest(*channels):
        for buffer, piece in zip(waiting, pieces, strict=True):
            buffer.extend(piece.data if piece is not None else b"")
        whole = min(map(len, waiting))
        if whole and at + whole > first:
            skipped = max(0, first - at)
            yield at + skipped, _mixed([bytes(channel[skipped:whole]) for channel in waiting])
        for channel in waiting:
            del channel[:whole]
        at += whole
    left = max(map(len, waiting), default=0)
    if left and at + left > first:
        skipped = max(0, first - at)
        yield at + skipped, _mixed([bytes(channel.ljust(left, SILENCE)[skipped:]) for channel in waiting])


def _mixed(channels: list[bytes]) -> bytes:
    if len(channels) == 1:
        return channels[0]
    out = bytearray(len(channels) * len(channels[0]))
    for index, data in enumerate(channels):
        out[index :: len(channels)] = data
    return bytes(out)
