from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.messages import AudioChunk, CallMessage, Ping
from pipeline.errors import InvalidRequest
from pipeline.stages.joining import LONGEST_MS, join_audio

MESSAGE = b"\0" * 160  # 20 ms of mu-law


def length_ms(chunk: AudioChunk) -> float:
    return len(chunk.data) / 8


def joined_from(messages: list[CallMessage], expected: int = 0) -> list[CallMessage]:
    """Join as ingest does: what is expected moves on with what was taken."""
    at = {"next": expected}
    out: list[CallMessage] = []
    for message in join_audio(messages, lambda _channel: at["next"], length_ms, 10_000):
        out.append(message)
        if isinstance(message, AudioChunk):
            at["next"] = max(at["next"], message.sequence + message.count)
    return out


def chunk(sequence: int, offset_ms: int | None = None, channel: int | None = None) -> AudioChunk:
    return AudioChunk(sequence=sequence, data=MESSAGE, offset_ms=offset_ms, channel=channel)


def test_messages_that_follow_each_other_become_one() -> None:
    (one,) = joined_from([chunk(0), chunk(1), chunk(2)])
    assert isinstance(one, AudioChunk)
    assert (one.sequence, one.count, one.data) == (0, 3, 3 * MESSAGE)


@pytest.mark.parametrize(
    "messages",
    [
        [chunk(0), chunk(2)],  # one is missing
        [chunk(0), chunk(0)],  # sent twice
        [chunk(0, 0), chunk(1, 500)],  # silence that was not sent
        [chunk(0, 0), chunk(1)],  # says where it is, and does not
        [chunk(0, channel=0), chunk(1, channel=1)],
        [chunk(0), Ping(), chunk(1)],
    ],
)
def test_what_is_not_one_piece_stays_apart(messages: list[CallMessage]) -> None:
    assert joined_from(messages) == messages


def test_late_messages_stay_apart_so_that_the_new_ones_behind_them_are_heard() -> None:
    messages: list[CallMessage] = [chunk(5), chunk(6), chunk(7), chunk(8)]
    kept = joined_from(messages, expected=7)
    assert [m.sequence for m in kept if isinstance(m, AudioChunk)] == [5, 6, 7]


def test_a_message_that_is_too_long_is_refused_even_among_others() -> None:
    huge = AudioChunk(sequence=1, data=bytes(10_001))
    with pytest.raises(InvalidRequest, match="max_chunk_bytes"):
        joined_from([chunk(0), huge])


@given(st.lists(st.sampled_from([0, 1, 1, 1, 1, 2, -1]), max_size=40))
def test_nothing_is_lost_or_reordered(steps: list[int]) -> None:
    sequence, messages = 0, list[CallMessage]()
    for step in steps:
        sequence = max(0, sequence + step)
        messages.append(AudioChunk(sequence=sequence, data=bytes([sequence % 256]) * 160))
    out = [m for m in joined_from(messages) if isinstance(m, AudioChunk)]
    assert b"".join(m.data for m in out) == b"".join(m.data for m in messages if isinstance(m, AudioChunk))
    assert sum(m.count for m in out) == len(messages)
    assert all(len(m.data) / 8 <= LONGEST_MS + 20 for m in out)
