"""What a gateway makes of a call's audio, as the server behind hears it."""

from __future__ import annotations

import numpy as np
import pytest

from diarization import Role
from pipeline.audio.timeline import Timeline
from pipeline.calls.info import CallInfo, CallSpec, Codec, ResumePoint
from pipeline.calls.messages import AudioChunk
from pipeline.rpc import requests
from pipeline.rpc.joiner import Joiner
from yuetone.v1 import call_service_pb2 as pb

SIZE = 160  # 20 ms of mu-law


def spec(*, resumed: bool = False) -> CallSpec:
    point = ResumePoint(session_id="s", last_server_seq=0) if resumed else None
    return CallSpec(
        info=CallInfo(call_id="c"), codec=Codec.MULAW, sample_rate=8000, roles=(Role.CUSTOMER,), resume=point
    )


def heard(joiner: Joiner, rounds: list[list[int]], timeline: Timeline) -> tuple[list[int], int]:
    """Send messages, taken in rounds; return which were heard, and samples of silence in between."""
    found: list[int] = []
    gaps = 0
    for numbers in rounds:
        for number in numbers:
            joiner.add(AudioChunk(sequence=number, data=bytes([number]) * SIZE))
        for data in joiner.take():
            chunk = requests.client_message(pb.StreamCallRequest.FromString(data), joined=True)
            assert isinstance(chunk, AudioChunk)
            placed = timeline.place(chunk.sequence, len(chunk.data), chunk.offset_ms, chunk.count)
            gaps += placed.missing
            if not placed.late:
                kept = np.frombuffer(chunk.data, np.uint8)[placed.skip :]
                found += [int(kept[start]) for start in range(0, len(kept), SIZE)]
    return found, gaps


@pytest.mark.parametrize(
    "rounds",
    [
        [[0, 1, 2, 3], [4, 5, 6]],
        [[*range(10)], [*range(7, 14)]],  # sent again on the same stream
        [[*range(10)], [7, 8], [9, 10, 11], [12, 13]],
        [[0], [0], [0, 1], [1, 2, 3]],
    ],
)
def test_repeated_messages_lose_nothing(rounds: list[list[int]]) -> None:
    found, gaps = heard(Joiner(spec(), 1 << 20), rounds, Timeline(8000, 10**6))
    assert found == sorted({number for numbers in rounds for number in numbers})
    assert gaps == 0


def test_a_resumed_call_is_joined_again_and_hears_everything_once() -> None:
    timeline = Timeline(8000, 10**6)
    heard(Joiner(spec(), 1 << 20), [[*range(8)]], timeline)
    timeline.reconnect()
    joiner = Joiner(spec(resumed=True), 1 << 20)
    for number in (8, 9, 10):
        joiner.add(AudioChunk(sequence=number, data=bytes(SIZE)))
    first = joiner.take()
    for number in (11, 12, 13):
        joiner.add(AudioChunk(sequence=number, data=bytes(SIZE)))
    assert (len(first), len(joiner.take())) == (2, 1), "the first one alone: it may be a repetition"


def test_a_run_that_is_half_known_is_heard_from_where_it_is_new() -> None:
    timeline = Timeline(8000, 10**6)
    timeline.place(0, 5 * SIZE, None, 5)
    placed = timeline.place(3, 4 * SIZE, None, 4)
    assert (placed.late, placed.skip, placed.missing) == (False, 2 * SIZE, 0)
    assert timeline.next_sequence == 7
    assert timeline.place(2, 5 * SIZE, None, 5).late


def test_what_clients_say_about_joining_is_ignored() -> None:
    request = pb.StreamCallRequest()
    request.audio.joined = 64
    request.audio.data = bytes(SIZE)
    message = requests.client_message(request)
    assert isinstance(message, AudioChunk)
    assert message.count == 1
