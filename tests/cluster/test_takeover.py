"""A call goes on at another node: nothing that was told is lost, nothing is told twice."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.cluster.helpers import node_settings, two_nodes
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import Running, audio, demo_bytes, end, rest, running, start, take
from yuetone.v1 import call_service_pb2 as pb

pytestmark = pytest.mark.integration


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "cluster.db")
    return str(request.getfixturevalue("postgresql"))


async def send(call: Any, data: bytes, first: int = 0, at: int = 0) -> None:
    """Send audio of two channels, 60 ms a message, from a byte on."""
    for index, begin in enumerate(range(at, len(data), 960)):
        await call.write(audio(first + index, data[begin : begin + 960], offset_ms=begin // 16))


async def until(call: Any, wanted: Any) -> list[pb.StreamCallResponse]:
    """Read until a message is as wanted."""
    found: list[pb.StreamCallResponse] = []
    async with asyncio.timeout(20):
        while not (found and wanted(found[-1])):
            found.append(await take(call))
    return found


def finals(messages: list[pb.StreamCallResponse]) -> list[Any]:
    return [one.transcript for one in messages if one.transcript.is_final and one.transcript.text]


async def resumed(run: Running, session: str, after: int, **fields: Any) -> Any:
    call = run.stub.StreamCall()
    request = start(**fields)
    request.start_call.resume.session_id, request.start_call.resume.last_server_seq = session, after
    await call.write(request)
    return call


async def test_another_node_goes_on_with_a_call(database: str) -> None:
    data = demo_bytes(40)
    async with two_nodes(database, SayingEngine, "我想問下") as (one, two):
        call = one.stub.StreamCall()
        await call.write(start())
        session = (await take(call)).started.session_id
        await send(call, data[: 16 * 20_000])
        first = await until(call, lambda message: message.acked_audio_ms > 12_000)
        acked = first[-1].acked_audio_ms
        told = max(message.server_seq for message in first)
        again = await resumed(two, session, told)
        greeting = await until(again, lambda message: message.HasField("started"))
        started = greeting[-1].started
        assert started.resumed
        assert acked <= started.received_audio_ms <= 20_000
        assert greeting[-1].server_seq > told
        at = started.received_audio_ms
        await send(again, data, first=5_000, at=at * 16)
        await again.write(end())
        second = greeting + await rest(again)
        both = finals(first) + finals(second)
        seqs = [message.server_seq for message in first + second if message.server_seq]
        assert seqs == sorted(set(seqs))
        assert len({final.utterance_id for final in both}) == len(both)
        for channel in (0, 1):  # nobody's words twice, and nobody's left out
            spans = sorted((final.start_ms, final.end_ms) for final in both if final.channel == channel)
            for (_, before), (behind, _) in pairwise(spans):
                assert behind >= before - 700, spans
        assert second[-1].ended.audio_ms == pytest.approx(40_000, abs=100)
        assert second[-1].acked_audio_ms == pytest.approx(40_000, abs=100)
        with pytest.raises(grpc.aio.AioRpcError) as lost:
            await rest(call)
        assert lost.value.code() is grpc.StatusCode.ABORTED
        assert len(one.server.calls) == 0


async def test_both_hear_the_same_as_one_alone(database: str) -> None:
    """What is said over the border is heard whole: compared with the same call on one node."""
    data = demo_bytes(30)
    async with two_nodes(database, SayingEngine, "好") as (one, two):
        whole = one.stub.StreamCall()
        await whole.write(start("whole"))
        await send(whole, data)
        await whole.write(end())
        expected = [(final.channel, final.end_ms) for final in finals(await rest(whole))]
        call = one.stub.StreamCall()
        await call.write(start("split"))
        session = (await take(call)).started.session_id
        await send(call, data[: 16 * 15_000])
        first = await until(call, lambda message: message.acked_audio_ms > 9_000)
        again = await resumed(two, session, first[-1].server_seq, call_id="split")
        greeting = await until(again, lambda message: message.HasField("started"))
        at = greeting[-1].started.received_audio_ms
        await send(again, data, first=5_000, at=at * 16)
        await again.write(end())
        found = [(final.channel, final.end_ms) for final in finals(first + greeting + await rest(again))]
        for channel in (0, 1):
            mine = sorted(end_ms for where, end_ms in found if where == channel)
            theirs = sorted(end_ms for where, end_ms in expected if where == channel)
            assert len(mine) == len(theirs), (mine, theirs)
            assert all(abs(a - b) < 400 for a, b in zip(mine, theirs, strict=True)), (mine, theirs)


async def test_an_answer_is_hidden_whose_question_another_node_has_heard(database: str) -> None:
    data = demo_bytes(30)
    async with (
        running(node_settings(database, "one"), SayingEngine("請問張卡後面嘅安全碼係幾多")) as one,
        running(node_settings(database, "two"), SayingEngine("三二一")) as two,
    ):
        call = one.stub.StreamCall()
        await call.write(start())
        session = (await take(call)).started.session_id
        await send(call, data[: 16 * 15_000])
        first = await until(call, lambda message: message.acked_audio_ms > 9_000)
        again = await resumed(two, session, first[-1].server_seq)
        greeting = await until(again, lambda message: message.HasField("started"))
        at = greeting[-1].started.received_audio_ms
        await send(again, data[: 16 * 24_000], first=5_000, at=at * 16)
        await again.write(end())
        told = greeting + await rest(again)
    assert "安全碼" in finals(first)[0].raw_text
    answer = finals(told)[0]
    shown = [one.redaction.raw_text for one in told if one.redaction.utterance_id == answer.utterance_id]
    for text in (answer.raw_text, *shown):
        assert not any(digit in text for digit in "三二一"), text
