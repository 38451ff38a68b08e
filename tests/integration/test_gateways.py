"""Calls through gateways: the wire in processes of its own, everything else behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from client import call_stub
from pipeline.errors import SettingsError
from pipeline.rpc.gateway import GatewaySettings
from pipeline.rpc.gateways import serve_behind
from pipeline.rpc.server import Server
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import audio, chunks, demo_bytes, end, rest, settings, start, take
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb


def own_channel(server: Server) -> grpc.aio.Channel:
    """Return a connection of its own: the kernel gives it to any gateway."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options)


@asynccontextmanager
async def behind(gateways: int) -> AsyncIterator[Server]:
    up: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    chosen = settings(server={"gateways": gateways})
    task = asyncio.create_task(
        serve_behind(chosen, ready=up.set_result, factory=FakeEngine, signals=False), name="server"
    )
    server = await asyncio.wait_for(up, 30)
    async with own_channel(server) as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
    yield server
    server.stop()
    await task


def gateway_pids() -> list[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        int(pid) for pid in children if b"pipeline.rpc.gateway" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def test_a_call_through_gateways_is_the_same_and_anybody_can_watch_it() -> None:
    data = demo_bytes(12)
    async with behind(2) as server, own_channel(server) as one, own_channel(server) as other:
        call = call_stub(one).StreamCall()
        await call.write(start())
        assert (await take(call)).HasField("started")
        for message in chunks(data):
            await call.write(message)
        watched = call_stub(other).WatchCall(pb.WatchCallRequest(call_id="call-1", after_server_seq=0))
        assert isinstance(first := await watched.read(), pb.WatchCallResponse)
        assert first.event.HasField("started")
        await call.write(end())
        await call.done_writing()
        messages = await rest(call)
        finals = [m.transcript for m in messages if m.HasField("transcript") and m.transcript.is_final]
        ended = next(m.ended for m in messages if m.HasField("ended"))
        assert finals
        assert ended.audio_ms == 12_000, "joining messages must lose no sample"
        assert ended.gap_ms == 0
        watched.cancel()


async def test_errors_pass_through_unchanged() -> None:
    async with behind(1) as server, own_channel(server) as channel:
        call = call_stub(channel).StreamCall(iter([audio(0, b"\xff\xff")]))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            [message async for message in call]
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "StartCall" in (refused.value.details() or "")


async def test_a_gateway_that_dies_is_replaced_and_its_call_resumed_through_another() -> None:
    async with behind(1) as server:
        async with own_channel(server) as channel:
            call = call_stub(channel).StreamCall()
            await call.write(start())
            started = (await take(call)).started
            await call.write(audio(0, b"\xff" * 960))
            await asyncio.sleep(0.3)
            (pid,) = gateway_pids()
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(grpc.aio.AioRpcError):
                while await call.read():
                    pass
        async with own_channel(server) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
            point = audio_pb2.ResumePoint(session_id=started.session_id, last_server_seq=0)
            call = call_stub(channel).StreamCall(iter([start(resume=point), audio(1, b"\xff" * 960), end()]))
            messages = [message async for message in call]
            assert any(m.HasField("started") and m.started.resumed for m in messages)
            assert messages[-1].HasField("ended")


async def test_a_taken_port_is_told() -> None:
    async with behind(1) as server:
        taken = settings(server={"gateways": 1, "port": server.port})
        with pytest.raises(SettingsError, match=r"server\.port"):
            await serve_behind(taken, factory=FakeEngine, signals=False)


async def test_signals_to_the_group_leave_gateways_to_the_server_and_they_go_with_it() -> None:
    async with behind(1) as server:
        (pid,) = gateway_pids()
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(0.5)
        async with own_channel(server) as channel:
            told = await call_stub(channel).GetCapabilities(pb.GetCapabilitiesRequest())
            assert told.model_ready
        assert gateway_pids() == [pid]
    assert gateway_pids() == []


async def test_what_is_wrong_with_the_settings_is_one_plain_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("not a certificate")
    for wrong in (
        settings(server={"gateways": 1}, asr={"model": str(tmp_path / "nothing")}),
        settings(server={"gateways": 2, "tls_certificate": broken, "tls_key": broken}),
    ):
        with pytest.raises(SettingsError):
            await asyncio.wait_for(serve_behind(wrong, signals=False), 60)
    assert gateway_pids() == []


async def test_a_gateway_that_cannot_listen_says_so_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        told = tmp_path / "server.json"
        wanted = settings().server.model_copy(update={"port": taken.getsockname()[1]})
        front = GatewaySettings(server=wanted, limits=settings().limits, secret="s")
        told.write_text(front.model_dump_json(), "utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-m", "pipeline.rpc.gateway", str(told), f"unix:{tmp_path}/c",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            _out, err = await process.communicate()
    lines = [line for line in err.decode().splitlines() if line.startswith("yuetone:")]
    assert process.returncode == 1
    assert len(lines) == 1
    assert "cannot listen on 127.0.0.1" in lines[0]
    assert "Traceback" not in err.decode()
