"""Every broken client gets a clear answer, and the server takes the next call."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
from collections.abc import Iterable
from typing import Any

import grpc
import pytest
import soundfile as sf

from client import call_stub
from tests.audio import demo_call
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
    Running,
    audio,
    chunks,
    control,
    demo_bytes,
    end,
    events,
    finals,
    refused,
    rest,
    running,
    settings,
    start,
    still_works,
    take,
    talk,
)
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

pytestmark = pytest.mark.integration
THREE = [audio_pb2.ChannelConfig(index=index) for index in range(3)]


@pytest.mark.parametrize(
    ("requests", "status", "says"),
    [
        ([audio(0, b"\xff" * 960)], grpc.StatusCode.INVALID_ARGUMENT, "first message must be StartCall"),
        ([], grpc.StatusCode.INVALID_ARGUMENT, "stream was empty"),
        ([pb.StreamCallRequest()], grpc.StatusCode.INVALID_ARGUMENT, "first message must be StartCall"),
        ([start(codec=0)], grpc.StatusCode.INVALID_ARGUMENT, "MULAW, ALAW or L16"),
        ([start(codec=77)], grpc.StatusCode.INVALID_ARGUMENT, "codec 77"),
        ([start(sample_rate_hz=0)], grpc.StatusCode.INVALID_ARGUMENT, "8000 to 48000"),
        ([start(channels=THREE)], grpc.StatusCode.INVALID_ARGUMENT, "3 channels"),
        ([start(channels=[audio_pb2.ChannelConfig(index=5)])], grpc.StatusCode.INVALID_ARGUMENT, "indices"),
        ([start(call_id="")], grpc.StatusCode.INVALID_ARGUMENT, "call_id"),
        ([start(call_id="a b\nc")], grpc.StatusCode.INVALID_ARGUMENT, "call_id"),
        ([start(profile="nope")], grpc.StatusCode.INVALID_ARGUMENT, "no profile"),
        ([start(language_hint="中文")], grpc.StatusCode.INVALID_ARGUMENT, "BCP 47"),
        ([start(), start()], grpc.StatusCode.INVALID_ARGUMENT, "StartCall comes once"),
        ([start(), pb.StreamCallRequest()], grpc.StatusCode.INVALID_ARGUMENT, "without content"),
        ([start(), audio(0, b"\xff" * 961)], grpc.StatusCode.INVALID_ARGUMENT, "2 channels"),
        ([start(), audio(0, b"\xff" * 960, channel=2)], grpc.StatusCode.INVALID_ARGUMENT, "no channel 2"),
        ([start(), audio(-1, b"\xff" * 960)], grpc.StatusCode.INVALID_ARGUMENT, "negative"),
        (
            [start(codec=audio_pb2.CODEC_L16), audio(0, b"x" * 961)],
            grpc.StatusCode.INVALID_ARGUMENT,
            "whole samples",
        ),
        ([start(), audio(0, bytes(1_050_000))], grpc.StatusCode.INVALID_ARGUMENT, "max_chunk_bytes"),
        ([start(tenant="b" * 70_000)], grpc.StatusCode.INVALID_ARGUMENT, "over 65536 bytes"),
        (
            [start(resume=audio_pb2.ResumePoint(session_id="\u5ee3\u6771\u8a71", last_server_seq=1))],
            grpc.StatusCode.NOT_FOUND,
            "resume",
        ),
        ([start(), audio(0, b"\xff" * 2, offset_ms=10**12)], grpc.StatusCode.OUT_OF_RANGE, "max_call_s"),
        (
            [start(resume=audio_pb2.ResumePoint(session_id="x", last_server_seq=1))],
            grpc.StatusCode.NOT_FOUND,
            "resume",
        ),
    ],
)
async def test_broken_protocol_is_named(
    requests: Iterable[pb.StreamCallRequest], status: grpc.StatusCode, says: str
) -> None:
    async with running() as run:
        code, details, kinds = await refused(run, requests)
        assert code is status
        assert says in details
        assert "error" in kinds
        await still_works(run)


async def test_random_bytes_are_only_noise() -> None:
    noise = random.Random(3).randbytes(2 * 8000 * 10)
    async with running() as run:
        messages = await talk(run, [start(), *chunks(noise), end()])
        assert messages[-1].ended.audio_ms == pytest.approx(10_000, abs=20)
        await still_works(run)


async def test_bytes_that_are_no_protobuf() -> None:
    async with running() as run:
        raw: Any = run.channel.stream_stream("/yuetone.v1.CallService/StreamCall")
        call = raw(iter([b"\xff\xff\xff\xff not a message"]))
        with pytest.raises(grpc.aio.AioRpcError):
            async for _message in call:
                pass
        await still_works(run)


async def test_a_second_stream_with_the_same_id() -> None:
    async with running() as run:
        first = run.stub.StreamCall()
        await first.write(start("same"))
        await take(first)
        code, details, _kinds = await refused(run, [start("same")])
        assert code is grpc.StatusCode.ALREADY_EXISTS
        assert "call_id" in details
        await first.write(end())
        await first.done_writing()
        while isinstance(await first.read(), pb.StreamCallResponse):
            pass
        await still_works(run)


async def test_a_client_gone_in_the_middle_of_a_sentence() -> None:
    async with running(settings(limits={"resume_window_s": 0.2})) as run:
        call = run.stub.StreamCall()
        await call.write(start("gone"))
        for request in chunks(demo_bytes(3)):
            await call.write(request)
        await take(call)
        call.cancel()
        async with asyncio.timeout(5):
            await run.server.calls.wait_empty(5)
        await still_works(run)


async def test_a_stream_that_stalls_is_ended_but_not_on_hold() -> None:
    chosen = settings(limits={"idle_timeout_s": 0.4, "hold_timeout_s": 5.0})
    async with running(chosen) as run:
        call = run.stub.StreamCall()
        await call.write(start("stalls"))
        messages = []
        with pytest.raises(grpc.aio.AioRpcError) as ending:
            async for message in call:
                messages.append(message)  # noqa: PERF401 (what came before the error counts)
        assert ending.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert events(messages, "error")[0].code == "IDLE_TIMEOUT"
        held = run.stub.StreamCall()
        await held.write(start("held"))
        await held.write(control(pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_HOLD)))
        await asyncio.sleep(0.9)
        await held.write(control(resume=audio_pb2.Resume()))
        await held.write(end())
        await held.done_writing()
        remaining = [message async for message in held]
        assert remaining[-1].ended.reason == "client"
        await still_works(run)


async def test_a_model_that_fails_leaves_the_call_alive() -> None:
    engine = FakeEngine(failing=True)
    async with running(engine=engine) as run:
        messages = await talk(run, [start(), *chunks(demo_bytes(8)), end()])
        assert events(messages, "warning")[0].code == "RECOGNITION_FAILED"
        assert not finals(messages)
        assert messages[-1].ended.reason == "client"
        engine.failing = False
        await still_works(run)


async def test_a_client_that_does_not_read_loses_its_stream_and_then_its_call() -> None:
    engine, limits = FakeEngine(), {"write_timeout_s": 0.5, "idle_timeout_s": 60, "resume_window_s": 0.3}
    async with running(settings(limits=limits), engine) as run:
        options = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{run.server.port}", options=options) as channel:
            stub = call_stub(channel)
            call = stub.StreamCall()
            await call.write(start("deaf"))
            key = control(dtmf=audio_pb2.Dtmf(digit="1"))  # each gives an event that may not be left out
            async with asyncio.timeout(30):
                while not len(run.server.calls):
                    await asyncio.sleep(0.01)
                while len(run.server.calls):
                    await asyncio.wait_for(call.write(key), 5)
            call.cancel()
        assert (
            run.server.metrics.registry.get_sample_value(
                "yuetone_calls_total", {"reason": "lost", "tenant": ""}
            )
            == 1
        )
        await still_works(run)


async def may_watch(run: Running) -> bool:
    """Tell whether the server takes another watcher."""
    other = run.stub.WatchCall(pb.WatchCallRequest(call_id="watched"))
    with contextlib.suppress(grpc.aio.AioRpcError):
        await other.read()
        other.cancel()
        return True
    assert await other.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return False


async def test_a_watcher_that_does_not_read_is_ended() -> None:
    limits = {"write_timeout_s": 0.5, "max_watchers": 1}
    async with running(settings(limits=limits)) as run:
        call = run.stub.StreamCall()
        await call.write(start("watched"))
        await take(call)
        options = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{run.server.port}", options=options) as channel:
            deaf = call_stub(channel).WatchCall(pb.WatchCallRequest(call_id="watched"))
            assert isinstance(await deaf.read(), pb.WatchCallResponse)
            assert not await may_watch(run)
            key = control(dtmf=audio_pb2.Dtmf(digit="1"))
            async with asyncio.timeout(30):
                while not await may_watch(run):
                    for _ in range(200):
                        await call.write(key)
                        await take(call)
        await call.write(end())
        await call.done_writing()
        assert (await rest(call))[-1].ended.reason == "client"


@pytest.mark.parametrize(
    "method",
    [
        "/yuetone.v1.CallService/GetCapabilities",
        "/yuetone.v1.CallService/WatchCall",
        "/yuetone.v1.CallService/StreamCall",
        "/yuetone.v1.OverviewService/WatchCalls",
        "/yuetone.v1.SupervisorService/AckAlert",
        "/yuetone.v1.SuggestionService/SubmitFeedback",
    ],
)
async def test_bytes_that_are_no_message_are_the_clients_fault(
    method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running() as run:
        call: Any = run.channel.stream_stream(method)(iter([b"\xff\xff\xff garbage"]))  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as told:
            async for _answer in call:
                pass
        assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT, told.value.details()
        await still_works(run)
    assert "Traceback" not in capfd.readouterr().err


async def test_garbage_in_the_middle_of_a_call_ends_it_as_the_clients_fault() -> None:
    async with running() as run:
        messages = [m.SerializeToString() for m in [start("mid"), *chunks(demo_bytes(3))]]
        call: Any = run.channel.stream_stream(
            "/yuetone.v1.CallService/StreamCall", response_deserializer=pb.StreamCallResponse.FromString
        )(iter([*messages, b"\xff\xff"]))  # type: ignore[arg-type]
        kinds = []
        with pytest.raises(grpc.aio.AioRpcError, match="not valid protobuf") as told:
            async for answer in call:
                kinds.append(answer.WhichOneof("event"))  # noqa: PERF401 (kept when it raises)
        assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert kinds[-1] == "ended"


async def test_connections_beyond_the_limit_are_closed_at_once() -> None:
    async with running(settings(limits={"max_connections": 3})) as run:
        lines = [socket.create_connection(("127.0.0.1", run.server.port)) for _ in range(8)]
        try:
            await asyncio.sleep(0.5)
            assert sum(map(is_closed, lines)) >= 4, "the test's own channel may hold one more"
            assert not is_closed(lines[0])
        finally:
            for line in lines:
                line.close()


def is_closed(line: socket.socket) -> bool:
    """Tell whether the other end has closed a connection."""
    line.setblocking(False)
    try:
        return line.recv(100) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def test_audio_that_is_coded_otherwise_is_told_and_the_call_goes_on() -> None:
    samples, rate = demo_call()
    out = io.BytesIO()
    sf.write(out, samples[5 * rate : 17 * rate], rate, subtype="ALAW", format="RAW")
    async with running() as run:
        messages = await talk(run, [start(), *chunks(out.getvalue()), end()])
        zeros = await talk(run, [start("zeros"), *chunks(b"\0" * 16_000), *chunks(demo_bytes(8), 17), end()])
        assert finals(zeros)
    (told,) = [warning for warning in events(messages, "warning") if warning.code == "AUDIO_SUSPECT"]
    assert "A-law" in told.message
    assert messages[-1].ended.reason == "client"
    assert any("bytes of 0" in warning.message for warning in events(zeros, "warning"))
