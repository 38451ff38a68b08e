"""Messages that follow each other put together: fewer, larger ones for what is behind. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pipeline.calls.messages import AudioChunk, CallMessage
from pipeline.errors import InvalidRequest

LONGEST_MS = 80
"""A run this long takes no more: channels that hear each other must come in turn."""
ROUNDING_MS = 2
"""Offsets are whole milliseconds, messages need not be."""


def join_audio(
    messages: Iterable[CallMessage],
    expected: Callable[[int | None], int | None],
    length_ms: Callable[[AudioChunk], float | None],
    max_bytes: int,
) -> Iterator[CallMessage]:
    """Return ``messages`` in order, runs of audio of the same channel as one chunk.

    Only a run that begins where the channel stands, without gap or repetition, is put together: what is
    late or missing is judged message by message. A stated offset is that of the run's first message.

    Args:
        messages: as they came.
        expected: gives the sequence number that should come next on a channel (None: all, interleaved).
        length_ms: gives how long the audio in a message is; None when it is not whole samples.
        max_bytes: longest message.

    Raises:
        InvalidRequest: a message is longer.
    """
    run: list[AudioChunk] = []
    for message in messages:
        if isinstance(message, AudioChunk):
            if len(message.data) > max_bytes * message.count:
                raise InvalidRequest(
                    f"audio message of {len(message.data)} bytes; at most {max_bytes} "
                    "(limits.max_chunk_bytes)"
                )
            in_place = bool(run) and run[0].sequence == expected(message.channel)
            in_place = in_place and _length(run, length_ms) < LONGEST_MS
            if run and not (in_place and _follows(run[-1], message, length_ms)):
                yield _as_one(run)
                run = []
            run.append(message)
            continue
        if run:
            yield _as_one(run)
            run = []
        yield message
    if run:
        yield _as_one(run)


def _follows(last: AudioChunk, chunk: AudioChunk, length_ms: Callable[[AudioChunk], float | None]) -> bool:
    """Tell whether ``chunk`` goes right behind ``last``."""
    before, whole = length_ms(last), length_ms(chunk)
    if (
        chunk.channel != last.channel
        or chunk.sequence != last.sequence + last.count
        or None in (before, whole)
    ):
        return False
    if chunk.offset_ms is None or last.offset_ms is None or before is None:
        return chunk.offset_ms is None and last.offset_ms is None
    return abs(chunk.offset_ms - last.offset_ms - before) <= ROUNDING_MS


def _length(run: list[AudioChunk], length_ms: Callable[[AudioChunk], float | None]) -> float:
    return sum(length_ms(chunk) or 0.0 for chunk in run)


def _as_one(run: list[AudioChunk]) -> AudioChunk:
    if len(run) == 1:
        return run[0]
    return replace(
        run[0], data=b"".join(chunk.data for chunk in run), count=sum(chunk.count for chunk in run)
    )
