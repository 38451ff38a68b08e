"""A cluster of real processes on this machine, and calls and watchers that go through its gateway."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx2
from prometheus_client.parser import text_string_to_metric_families

from client import call_stub, record_stub
from pipeline.config import load_settings
from pipeline.rpc.cluster import Started, serve_cluster
from tests.integration.helpers import audio, demo_bytes, end, start
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import record_service_pb2

MESSAGE = 640
"""Bytes of a message: 40 ms of two channels."""
BYTES_A_SECOND = 16_000


@asynccontextmanager
async def cluster(
    folder: Path, nodes: int, metrics_port: int | None = None, **sections: dict[str, Any]
) -> AsyncIterator[Started]:
    """Run nodes and a gateway as processes of their own; sections are of their settings."""
    flags: dict[str, Any] = {
        "server": {
            "port": 0,
            "metrics_port": metrics_port,
            "nodes": nodes,
            "gateways": 1,
            "shutdown_grace_s": 1.0,
        },
        "asr": {"model": "tiny"},
        "alerts": {"store": str(folder / "alerts.db")},
        "suggest": {"store": str(folder / "kb.db")},
        "log": {"level": "error"},
        "cluster": {"hand_over_s": 0.2},
        **sections,
    }
    up: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve_cluster(load_settings(None, flags), None, flags, ready=up.set_result, stop=stop),
        name="cluster",
    )
    waiting: list[asyncio.Future[Any]] = [serving, up]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        await serving
    try:
        yield up.result()
    finally:
        stop.set()
        await serving


@dataclass
class Heard:
    """What a client, or a watcher, was told of one call.

    Attributes:
        finals: by utterance: channel, ms of its start and end, text.
        doubled: finals that came twice.
        seqs: numbers of events, as they came.
        gap_s: longest time between two texts.
        ended: reason; empty where it did not end as it should.
        error: status of the stream, where it broke.
    """

    finals: dict[str, tuple[int, int, int, str]] = field(default_factory=dict)
    doubled: int = 0
    seqs: list[int] = field(default_factory=list)
    gap_s: float = 0.0
    ended: str = ""
    error: str = ""
    _last: float = 0.0

    def take(self, message: pb.StreamCallResponse) -> None:
        if message.server_seq:
            self.seqs.append(message.server_seq)
        if message.HasField("ended"):
            self.ended = message.ended.reason
        if not message.HasField("transcript"):
            return
        now = time.monotonic()
        self.gap_s = max(self.gap_s, now - (self._last or now))
        self._last = now
        told = message.transcript
        if told.is_final and told.text:
            self.doubled += told.utterance_id in self.finals
            self.finals[told.utterance_id] = (told.channel, told.start_ms, told.end_ms, told.text)

    def text(self, channel: int) -> str:
        """Everything that was said on a channel, in order."""
        said = sorted(
            (start_ms, text) for where, start_ms, _end, text in self.finals.values() if where == channel
        )
        return "".join(text for _start, text in said)


async def call(port: int, name: str, seconds: float, pace: float = 1.0, token: str | None = None) -> Heard:
    """Send the bundled call as it was spoken, or faster, by a client that knows nothing of resuming."""
    shown = None if token is None else (("authorization", f"Bearer {token}"),)
    heard, data = Heard(), demo_bytes(seconds)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = call_stub(channel).StreamCall(metadata=shown)
        await stream.write(start(name))
        sender = asyncio.create_task(_send(stream, data, pace), name="send")
        try:
            async for message in stream:
                heard.take(message)
        except grpc.aio.AioRpcError as error:
            heard.error = f"{error.code().name}: {error.details()}"
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
    return heard


async def _send(stream: Any, data: bytes, pace: float) -> None:
    began = time.monotonic()
    for number, at in enumerate(range(0, len(data), MESSAGE)):
        due = began + at / BYTES_A_SECOND / pace
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await stream.write(audio(number, data[at : at + MESSAGE]))
    await stream.write(end())
    await stream.done_writing()


async def metrics(port: int) -> dict[str, float]:
    """Return what a process counts, by name."""
    async with httpx2.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: sample.value for sample in samples}


def free_ports(count: int) -> int:
    """Return the first of some ports in a row that nobody listens on."""
    while True:
        first = random.randint(20_000, 30_000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(closing(socket.create_server(("127.0.0.1", port))))
            except OSError:
                continue
        return first


async def record(port: int, name: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """Return what became of a recorded call: its state, and of each final its channel and start, ms."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(30):
        records = record_stub(channel)
        while True:
            listed = await records.ListCalls(record_service_pb2.ListRecordedCallsRequest(call_id=name))
            (row,) = listed.calls
            if row.state != row.STATE_LIVE:
                break
            await asyncio.sleep(0.1)
        asked = record_service_pb2.GetRecordedCallRequest(record_id=row.record_id)
        told = [part.event.transcript async for part in records.GetCall(asked)]
    finals = {one.utterance_id: (one.channel, one.start_ms) for one in told if one.is_final and one.text}
    return row.State.Name(row.state).removeprefix("STATE_").lower(), finals


async def search(port: int, text: str) -> int:
    """Return how many utterances are found, once there are any: an index may just be made anew."""
    asked = record_service_pb2.SearchRecordedCallsRequest(query=text)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(30):
        while True:
            try:
                found = await record_stub(channel).SearchCalls(asked)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                if found.hits:
                    return len(found.hits)
            await asyncio.sleep(0.2)


async def watch(port: int, name: str) -> Heard:
    """Follow a call from its first event to its last."""
    heard = Heard()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        asked = pb.WatchCallRequest(call_id=name, after_server_seq=0)
        while not heard.seqs:  # until it has begun
            try:
                async for message in call_stub(channel).WatchCall(asked):
                    heard.take(message.event)
            except grpc.aio.AioRpcError as error:
                heard.error = f"{error.code().name}: {error.details()}"
                await asyncio.sleep(0.1)
    return heard
