"""Audio messages that come in another order than they were sent in."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.audio.reorder import WINDOW, Reorder
from pipeline.calls.messages import AudioChunk, CallMessage, EndCall, Finalize


def chunk(sequence: int, channel: int | None = None) -> AudioChunk:
    return AudioChunk(sequence=sequence, data=b"", channel=channel)


def numbers(messages: list[CallMessage]) -> list[int]:
    return [message.sequence for message in messages if isinstance(message, AudioChunk)]


def ordered(sequences: list[int], batch: int = 1) -> list[int]:
    reorder, out = Reorder(), list[CallMessage]()
    messages: list[CallMessage] = [*map(chunk, sequences), EndCall(reason="client")]
    for first in range(0, len(messages), batch):
        out += reorder.take(messages[first : first + batch], lambda _channel: 0)
    return numbers(out)


def test_swapped_packets_come_in_order() -> None:
    assert ordered([0, 2, 1, 3, 5, 4]) == [0, 1, 2, 3, 4, 5]


def test_what_is_lost_holds_nothing_up_for_long() -> None:
    reorder = Reorder()
    out = [numbers(list(reorder.take([chunk(n)], lambda _channel: 0))) for n in [0, *range(2, 12)]]
    assert out[0] == [0]
    assert out[1 : WINDOW + 1] == [[]] * WINDOW
    assert out[WINDOW + 1] == [2, 3, 4, 5, 6]
    assert out[WINDOW + 2 :] == [[7], [8], [9], [10], [11]]


def test_a_late_one_is_passed_on_for_the_time_line_to_judge() -> None:
    reorder = Reorder()
    out = [numbers(list(reorder.take([chunk(n)], lambda _channel: 0))) for n in [0, 1, 2, 3, 0, 4]]
    assert out == [[0], [1], [2], [3], [0], [4]], "and holds nothing up"


def test_a_counter_that_begins_anew_holds_nothing_up() -> None:
    reorder = Reorder()
    list(reorder.take(map(chunk, range(300)), lambda _channel: 0))
    out = [numbers(list(reorder.take([chunk(n)], lambda _channel: 0))) for n in range(5)]
    assert out == [[n] for n in range(5)]


def test_a_control_comes_behind_all_audio_before_it() -> None:
    out = list(Reorder().take([chunk(0), chunk(2), Finalize(), chunk(3)], lambda _channel: 0))
    assert numbers(out) == [0, 2, 3]
    assert isinstance(out[2], Finalize)


def test_channels_do_not_wait_for_each_other() -> None:
    out = list(Reorder().take([chunk(0, 0), chunk(1, 1), chunk(1, 0)], lambda _channel: 0))
    assert [(c.channel, c.sequence) for c in out if isinstance(c, AudioChunk)] == [(0, 0), (0, 1)]


@given(st.integers(0, 2**31), st.integers(1, 7))
def test_ten_per_cent_swapped_lose_nothing(seed: int, batch: int) -> None:
    rng, sequences = random.Random(seed), list(range(60))
    for index in range(0, 58, 2):
        if rng.random() < 0.1:
            sequences[index], sequences[index + 1] = sequences[index + 1], sequences[index]
    assert ordered(sequences, batch) == list(range(60))
