"""The client library against a real server, over lines that break."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

import client
from benchmarks.serving.line import line_to
from client.pacing import paced
from pipeline.calls.commands import FinishCall, SwapRoles
from pipeline.calls.events import AlertEvent, AlertState, Severity
from pipeline.calls.info import CallInfo
from pipeline.calls.reach import EVERYTHING
from pipeline.errors import UnknownCall
from tests.audio import CALL
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
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
    take,
    talk,
)
from yuetone.v1 import audio_pb2, overview_service_pb2, supervisor_service_pb2
from yuetone.v1 import call_service_pb2 as pb

pytestmark = pytest.mark.integration
FAST = client.Retry(first_s=0.02, longest_s=0.2, give_up_s=20)
SPEED = 8.0


def said(messages: list[pb.StreamCallResponse]) -> list[tuple[str, int, int, str]]:
    return sorted((f.utterance_id, f.start_ms, f.end_ms, f.raw_text) for f in finals(messages))


async def play(channel: grpc.aio.Channel, call_id: str, data: bytes) -> list[pb.StreamCallResponse]:
    options = client.CallOptions(call_id=call_id, roles=("customer", "agent"))
    call = client.CallStream(channel, options, client.MULAW_8K_STEREO, FAST)
    recording = client.CallAudio(format=client.MULAW_8K_STEREO, data=data)
    return [m async for m in client.stream_recording(call, recording, speed=SPEED)]


async def test_a_call_over_a_line_that_breaks_says_the_same_once() -> None:
    """Twelve cuts at random moments: no final is lost, doubled or shifted."""
    data = demo_bytes(24)
    async with running(settings(limits={"resume_window_s": 20})) as run, line_to(run.server.port) as line:
        async with client.connected(f"127.0.0.1:{run.server.port}") as channel:
            whole = await play(channel, "whole", data)
        options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50),
                   ("grpc.min_reconnect_backoff_ms", 20)]  # fmt: skip
        async with grpc.aio.insecure_channel(f"127.0.0.1:{line.port}", options=options) as channel:
            playing = asyncio.create_task(play(channel, "broken", data), name="play")
            rng = random.Random(17)
            for _ in range(12):
                await asyncio.sleep(rng.uniform(0.05, 0.35))
                line.cut()
            broken = await asyncio.wait_for(playing, 60)
    assert line.cuts >= 12
    assert sum(message.HasField("started") for message in broken) >= 3, "the line was never mended"
    assert said(broken) == said(whole)
    seqs = [message.server_seq for message in broken]
    assert seqs == sorted(set(seqs)), "each event once, in order"
    assert broken[-1].ended.reason == "client"
    assert broken[-1].ended.audio_ms == whole[-1].ended.audio_ms
    assert broken[-1].ended.gap_ms == 0


async def test_a_line_that_is_not_mended_is_told_in_one_sentence() -> None:
    impatient = client.Retry(first_s=0.02, longest_s=0.05, give_up_s=0.5)
    async with running() as run:
        async with line_to(run.server.port) as line, client.connected(f"127.0.0.1:{line.port}") as channel:
            options = client.CallOptions(call_id="lost")
            audio = client.AudioFormat(codec=audio_pb2.CODEC_MULAW, rate=8000, channels=1)
            call = client.CallStream(channel, options, audio, impatient)
            await call.send_audio(b"\xff" * 800)
            with pytest.raises(client.LineLost, match="was not mended within"):
                async for message in call.messages():
                    assert message.server_seq
                    line.target = 1
                    line.cut()
        run.server.calls.close_all("lost")
        await run.server.calls.wait_empty(5)


async def test_a_refusal_is_no_broken_line() -> None:
    async with running() as run, client.connected(f"127.0.0.1:{run.server.port}") as channel:
        options = client.CallOptions(call_id="x", profile="none of that name")
        call = client.CallStream(channel, options, client.MULAW_8K_STEREO, FAST)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [message async for message in call.messages()]
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(client.ClientError, match="whole frames"):
            await call.send_audio(b"\xff")
    with pytest.raises(client.ClientError, match="certificate"):
        await client.connect("127.0.0.1:1", client.Identity(authorities=Path("/none.pem")))


async def test_recordings_of_every_kind_are_read(tmp_path: Path) -> None:
    kept = client.read_audio(CALL)
    assert (kept.format.codec, kept.format.rate, kept.format.channels) == (audio_pb2.CODEC_MULAW, 8000, 2)
    (tmp_path / "text.wav").write_text("not audio")
    for path, reason in (("text.wav", "not audio"), ("none.wav", "no recording")):
        with pytest.raises(client.ClientError, match=reason):
            client.read_audio(tmp_path / path)


async def test_audio_is_paced_by_its_own_time() -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.0001
        return now

    found = [(c.first, c.last) async for c in paced(1000, 8000, 60, speed=0, clock=clock)]
    assert found == [(0, 480), (480, 960), (960, 1000)]


# ------------------------------------------------------------------ watching


def raised(number: int) -> AlertEvent:
    return AlertEvent(
        alert_id=f"a{number}", rule="anger", severity=Severity.WARNING, state=AlertState.RAISED, channel=0,
        start=0, end=16_000, evidence="用詞：投訴",
    )  # fmt: skip


async def collect(messages: AsyncIterator[Any], into: list[Any]) -> None:
    async for message in messages:
        into.append(message)  # noqa: PERF401 (read while it is filled)


async def until(condition: Any, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_alerts_are_watched_through_a_restart_of_the_server(tmp_path: Path) -> None:
    stored = settings(alerts={"store": str(tmp_path / "alerts.db")})
    async with line_to(1) as line:
        found: list[supervisor_service_pb2.WatchAlertsResponse] = []
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{line.port}", options=[("grpc.max_reconnect_backoff_ms", 100)]
        ) as channel:
            watching = client.watch_alerts(
                channel, supervisor_service_pb2.WatchAlertsRequest(), retry=FAST, lost=lambda _reason: None
            )
            watcher = asyncio.create_task(collect(watching, found), name="watch")
            for number in (1, 2):
                async with running(stored) as run:
                    line.target = run.server.port
                    if number == 1:  # from now on: wait until the watcher is there
                        await until(lambda run=run: _watchers(run))
                    _alerts(run).publish(CallInfo(call_id="c"), raised(number), 600)
                    await until(lambda number=number: len(found) == number)
                line.cut()
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
    assert [message.alert.alert_id for message in found] == ["a1", "a2"], "each alert once"


def _alerts(run: Any) -> Any:
    return run.server.app.alerts


def _watchers(run: Any) -> bool:
    return bool(run.server.app.alerts.watchers)


async def test_calls_are_watched_in_rows_of_what_changed() -> None:
    async with running() as run, client.connected(f"127.0.0.1:{run.server.port}") as channel:
        scope = overview_service_pb2.CallScope(tenant="bank", queues=["cards"])
        request = overview_service_pb2.WatchCallsRequest(scope=scope, interval_ms=100)
        found: list[overview_service_pb2.WatchCallsResponse] = []
        watcher = asyncio.create_task(
            collect(client.watch_calls(channel, request, retry=FAST), found), name="watch"
        )
        await until(lambda: found)
        assert found[0].snapshot
        assert not found[0].calls
        mine = start("mine", tenant="bank", queue="cards", team="t1", agent_id="amy")
        call = run.stub.StreamCall()
        await call.write(mine)
        other = run.stub.StreamCall()
        await other.write(start("other", tenant="telecom"))
        for request_ in chunks(demo_bytes(6)):
            await call.write(request_)
        await call.write(control(pause=audio_pb2.Pause(reason=audio_pb2.PAUSE_REASON_HOLD)))
        await until(lambda: any(r.phase == r.PHASE_HOLD for m in found for r in m.calls))
        listed = await client.overview_stub(channel).ListCalls(overview_service_pb2.ListCallsRequest())
        assert {row.call_id for row in listed.calls} == {"mine", "other"}
        (row,) = [row for row in listed.calls if row.call_id == "mine"]
        assert (row.tenant, row.queue, row.team, row.agent_id) == ("bank", "cards", "t1", "amy")
        assert abs(row.started_at_unix_ms - listed.at_unix_ms) < 60_000
        for stream in (call, other):
            await stream.write(end())
            await stream.done_writing()
            await rest(stream)
        await until(lambda: any(r.phase == r.PHASE_ENDED for m in found for r in m.calls))
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
    rows = [row for message in found for row in message.calls]
    assert {row.call_id for row in rows} == {"mine"}, "the other company's call is out of the scope"
    assert rows[-1].ended_reason == "client"
    assert not any(message.snapshot for message in found[1:])
    assert rows[-1].utterances > 0


async def test_who_only_watches_cannot_take_the_call_over() -> None:
    async with running() as run, client.connected(f"127.0.0.1:{run.server.port}") as channel:
        call = run.stub.StreamCall()
        await call.write(start("watched"))
        assert (await take(call)).started.session_id
        watching = client.watch_call(channel, "watched", retry=FAST)
        first = await anext(watching)
        assert first.event.started.model
        assert first.event.started.session_id == ""
        await call.write(end())
        await call.done_writing()
        await rest(call)
        seqs = [first.event.server_seq] + [m.event.server_seq async for m in watching]
        assert seqs == sorted(set(seqs))


# ------------------------------------------------------------------ commands, and how calls end


async def test_commands_take_effect_at_their_place_in_the_stream() -> None:
    """Roles are exchanged behind the first sentences: those keep theirs, later ones have the other."""
    engine = FakeEngine()
    async with running(engine=engine) as run:
        call = run.stub.StreamCall()
        await call.write(start("swapped"))
        await take(call)
        data = demo_bytes(24)
        engine.gate.clear()  # older speech is still waiting for its text when the roles change
        messages = list(chunks(data))
        for message in messages[: len(messages) // 2]:
            await call.write(message)
        await asyncio.sleep(0.5)
        await run.server.calls.send("swapped", SwapRoles(), EVERYTHING)
        engine.gate.set()
        for message in messages[len(messages) // 2 :]:
            await call.write(message)
        await call.write(end())
        await call.done_writing()
        said_by = {(f.channel, f.start_ms > 12_500): f.role for f in finals(await rest(call)) if f.start_ms}
    customer, agent = audio_pb2.ROLE_CUSTOMER, audio_pb2.ROLE_AGENT
    assert said_by[0, False] == customer
    assert said_by[0, True] == agent
    assert said_by[1, True] == customer


async def test_a_command_ends_a_call_and_one_that_is_over_takes_none() -> None:
    async with running() as run:
        call = run.stub.StreamCall()
        await call.write(start("ended"))
        await take(call)
        await run.server.calls.send("ended", FinishCall(reason="shutdown"), EVERYTHING)
        assert (await rest(call))[-1].ended.reason == "shutdown"
        with pytest.raises(UnknownCall):
            await run.server.calls.send("ended", SwapRoles(), EVERYTHING)


async def test_ended_says_why() -> None:
    async with running(settings(limits={"idle_timeout_s": 0.3, "max_call_s": 3.0})) as run:
        idle = run.stub.StreamCall()
        await idle.write(start("idle"))
        messages = []
        with pytest.raises(grpc.aio.AioRpcError):
            [messages.append(message) async for message in idle]  # type: ignore[func-returns-value]
        assert messages[-1].ended.reason == "idle"
        assert events(messages, "error")[0].code == "IDLE_TIMEOUT"
        long: list[pb.StreamCallResponse] = []
        call = run.stub.StreamCall(iter([start("long"), *chunks(demo_bytes(9)), end()]))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [long.append(message) async for message in call]  # type: ignore[func-returns-value]
        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE
        assert long[-1].ended.reason == "limit"
        assert long[-1].ended.audio_ms <= 3000
        assert (await refused(run, [start("x", profile="none"), end()]))[
            0
        ] is grpc.StatusCode.INVALID_ARGUMENT
        done = await talk(run, [start("short"), *chunks(demo_bytes(2)), end()])
        assert done[-1].ended.reason == "client"


# ------------------------------------------------------------------ servers that die


async def test_a_conversation_goes_on_with_a_server_that_knows_nothing_of_it() -> None:
    """Three servers die under a call, one after the other: what was not in finals is said to the next one."""
    data = demo_bytes(30)
    async with running() as first, client.connected(f"127.0.0.1:{first.server.port}") as channel:
        whole = await play(channel, "whole", data)
    options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50),
               ("grpc.min_reconnect_backoff_ms", 20)]  # fmt: skip
    found: list[tuple[str, int, pb.StreamCallResponse]] = []
    async with line_to(1) as line, AsyncExitStack() as servers:
        run = await servers.enter_async_context(running())
        line.target = run.server.port
        channel = await servers.enter_async_context(
            grpc.aio.insecure_channel(f"127.0.0.1:{line.port}", options=options)
        )
        call = client.CallStream(
            channel,
            client.CallOptions(call_id="c", roles=("customer", "agent")),
            client.MULAW_8K_STEREO,
            FAST,
        )
        recording = client.CallAudio(format=client.MULAW_8K_STEREO, data=data)

        async def listen() -> None:
            async for message in client.stream_recording(call, recording, speed=SPEED / 2):
                found.append((call.call_id, call.origin_ms, message))  # noqa: PERF401 (kept when it raises)

        listening = asyncio.create_task(listen(), name="listen")

        async def begun(part: str) -> None:
            while not listening.done() and all(part != known for known, _origin, _message in found):
                await asyncio.sleep(0.01)

        for number, seconds in enumerate((0.9, 1.2, 0.8), 2):
            await asyncio.sleep(seconds)
            run = await servers.enter_async_context(running())
            line.target = run.server.port
            line.cut()
            await asyncio.wait_for(begun(f"c.{number}"), 30)  # a busy machine may take a second to come back
        await asyncio.wait_for(listening, 60)
    assert list(dict.fromkeys(part for part, _origin, _message in found)) == ["c", "c.2", "c.3", "c.4"]
    assert all(message.call_id == part for part, _origin, message in found)
    spoken = sorted(
        (f.channel, f.start_ms + origin, f.end_ms + origin)
        for _part, origin, message in found
        for f in finals([message])
    )
    expected = sorted((f.channel, f.start_ms, f.end_ms) for f in finals(whole))
    assert len(spoken) == len(expected), (spoken, expected)
    for one, other in zip(spoken, expected, strict=True):
        assert one == pytest.approx(other, abs=120)
    assert found[-1][2].ended.reason == "client"


async def test_a_server_that_shuts_down_hands_the_conversation_to_the_next_one() -> None:
    data = demo_bytes(24)
    options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50),
               ("grpc.min_reconnect_backoff_ms", 20)]  # fmt: skip
    found: list[tuple[str, pb.StreamCallResponse]] = []
    async with running() as first, running() as second, line_to(first.server.port) as line:
        async with client.connected(f"127.0.0.1:{second.server.port}") as channel:
            whole = await play(channel, "whole", data)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{line.port}", options=options) as channel:
            call = client.CallStream(channel, client.CallOptions(call_id="c"), client.MULAW_8K_STEREO, FAST)
            recording = client.CallAudio(format=client.MULAW_8K_STEREO, data=data)

            async def listen() -> None:
                async for message in client.stream_recording(call, recording, speed=SPEED):
                    found.append((call.call_id, message))  # noqa: PERF401 (kept when it raises)

            listening = asyncio.create_task(listen(), name="listen")
            await asyncio.sleep(1.2)
            line.target = second.server.port
            first.server.stop()
            await asyncio.sleep(0.3)
            line.cut()
            await asyncio.wait_for(listening, 30)
    assert dict.fromkeys(part for part, _message in found) == dict.fromkeys(["c", "c.2"])
    spoken = finals([message for _part, message in found])
    assert len(spoken) >= len(finals(whole)), "the sentence that was open is in two parts"
    assert sum(f.end_ms - f.start_ms for f in spoken) == pytest.approx(
        sum(f.end_ms - f.start_ms for f in finals(whole)), rel=0.1
    )
    assert found[-1][1].ended.reason == "client"
    assert not any(message.HasField("error") for _part, message in found)
