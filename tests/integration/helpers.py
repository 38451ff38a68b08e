"""A real server on a free port, and a client to talk to it message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from client import call_stub
from pipeline.config import Settings, load_settings
from pipeline.rpc.server import Server, serve
from tests.audio import CALL, demo_call
from tests.fakes.engines import FakeEngine
from yuetone.v1 import audio_pb2, call_service_pb2_grpc
from yuetone.v1 import call_service_pb2 as pb

CHUNK = 480  # 60 ms at 8 kHz


def settings(**sections: dict[str, Any]) -> Settings:
    server = {"port": 0, "metrics_port": None, "shutdown_grace_s": 1.0, **sections.pop("server", {})}
    alerts = {"store": None, **sections.pop("alerts", {})}
    suggest = {"store": ":memory:", **sections.pop("suggest", {})}
    return load_settings(flags={"server": server, "alerts": alerts, "suggest": suggest, **sections})


@dataclass
class Running:
    server: Server
    channel: grpc.aio.Channel
    stub: call_service_pb2_grpc.CallServiceAsyncStub
    engine: FakeEngine


@asynccontextmanager
async def running(
    chosen: Settings | None = None,
    engine: FakeEngine | None = None,
    *,
    real: bool = False,
    reread: Callable[[], Settings] | None = None,
) -> AsyncIterator[Running]:
    """Start a server with a fake recogniser (or the bundled one) and connect to it."""
    fake, wanted = engine or FakeEngine(), chosen or settings()
    if (
        real
    ):  # a machine that runs tests side by side carries little; those about admission have other engines
        limits = wanted.limits.model_copy(update={"max_final_wait_ms": 0.0})
        wanted = wanted.model_copy(update={"limits": limits})
    listening: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            wanted,
            ready=listening.set_result,
            factory=None if real else lambda: fake,
            signals=False,
            reread=reread,
        ),
        name="server",
    )
    waiting: list[asyncio.Future[Any]] = [task, listening]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not listening.done():
        task.result()
    server = listening.result()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
    try:
        yield Running(server, channel, call_stub(channel), fake)
    finally:
        await channel.close()
        server.stop()
        await task


async def reloaded(run: Running) -> None:
    """Let the server read everything again."""
    before = run.server.app.reloads
    run.server.reload()
    async with asyncio.timeout(30):
        while run.server.app.reloads == before:
            await asyncio.sleep(0.02)


def start(call_id: str = "call-1", **fields: Any) -> pb.StreamCallRequest:
    values: dict[str, Any] = {
        "codec": audio_pb2.CODEC_MULAW,
        "sample_rate_hz": 8000,
        "channels": [
            audio_pb2.ChannelConfig(index=0, role=audio_pb2.ROLE_CUSTOMER),
            audio_pb2.ChannelConfig(index=1, role=audio_pb2.ROLE_AGENT),
        ],
    }
    return pb.StreamCallRequest(start_call=audio_pb2.StartCall(call_id=call_id, **{**values, **fields}))


def audio(sequence: int, data: bytes, **fields: Any) -> pb.StreamCallRequest:
    return pb.StreamCallRequest(audio=audio_pb2.Audio(sequence=sequence, data=data, **fields))


def control(**fields: Any) -> pb.StreamCallRequest:
    return pb.StreamCallRequest(control=audio_pb2.Control(**fields))


def end() -> pb.StreamCallRequest:
    return pb.StreamCallRequest(end_call=audio_pb2.EndCall())


def demo_bytes(seconds: float | None = None) -> bytes:
    """Return the bundled call as interleaved µ-law, from its start."""
    with sf.SoundFile(CALL) as file:
        frames = file.frames if seconds is None else int(seconds * file.samplerate)
    raw = (CALL).read_bytes()
    data = raw[raw.index(b"data") + 8 :]
    return data[: frames * 2]


def chunks(data: bytes, first: int = 0, frame_bytes: int = 2) -> Iterable[pb.StreamCallRequest]:
    size = CHUNK * frame_bytes
    for index in range(0, len(data), size):
        yield audio(first + index // size, data[index : index + size])


def silence(seconds: float, channels: int = 2) -> bytes:
    """µ-law zero."""
    return b"\xff" * int(8000 * seconds * channels)


def customer_pcm() -> NDArray[np.float32]:
    return demo_call()[0][:, 0]


async def talk(run: Running, requests: Iterable[pb.StreamCallRequest]) -> list[pb.StreamCallResponse]:
    """Send everything and return everything; raises what the server ends with."""
    call = run.stub.StreamCall(iter(list(requests)))
    return [message async for message in call]


async def kept(run: Running) -> None:
    """Wait until everything that was said is on disk and can be searched."""
    record = run.server.app.record
    assert record is not None
    async with asyncio.timeout(20):
        while record.writer.waiting_bytes:
            await asyncio.sleep(0.02)
    await record.keeper.index()


async def take(call: Any) -> pb.StreamCallResponse:
    """Read the next message of a call that has one."""
    message = await call.read()
    assert isinstance(message, pb.StreamCallResponse)
    return message


async def rest(call: Any) -> list[pb.StreamCallResponse]:
    """Read a call's messages to the end; raises what the server ends with."""
    messages = []
    while isinstance(message := await call.read(), pb.StreamCallResponse):
        messages.append(message)
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        raise AssertionError(f"the call ended with {code}")
    return messages


async def refused(
    run: Running, requests: Iterable[pb.StreamCallRequest]
) -> tuple[grpc.StatusCode, str, list[str]]:
    """Send everything; return the status, its text, and the kinds of messages before it."""
    call = run.stub.StreamCall(iter(list(requests)))
    kinds: list[str] = []
    try:
        async for message in call:
            kinds.append(message.WhichOneof("event") or "")  # noqa: PERF401 (kept when it raises)
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or "", kinds
    raise AssertionError("the server did not refuse")


def events(messages: Iterable[pb.StreamCallResponse], kind: str) -> list[Any]:
    return [getattr(message, kind) for message in messages if message.WhichOneof("event") == kind]


def finals(messages: Iterable[pb.StreamCallResponse]) -> list[Any]:
    return [transcript for transcript in events(messages, "transcript") if transcript.is_final]


async def still_works(run: Running) -> None:
    """The next call on the same server succeeds."""
    messages = await talk(run, [start("next-call"), *chunks(demo_bytes(5)), end()])
    assert messages[0].HasField("started")
    assert messages[-1].ended.reason == "client"
    assert finals(messages)
