from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from asr import AsrRequest
from client import call_stub
from models import ModelError
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.metrics import Metrics
from pipeline.rpc import remote
from pipeline.rpc.pool import Pool, serve_pool
from pipeline.rpc.recognition import from_request, from_response, to_request
from pipeline.rpc.remote import RemoteRecogniser
from pipeline.rpc.server import Server, serve
from tests.fakes.engines import FakeEngine
from tests.integration.helpers import (
    chunks,
    demo_bytes,
    end,
    events,
    finals,
    settings,
    start,
)
from yuetone.v1 import call_service_pb2 as call_pb
from yuetone.v1 import recogniser_service_pb2 as pb
from yuetone.v1 import recogniser_service_pb2_grpc as pb_grpc

pytestmark = pytest.mark.integration
SECRET = "a secret of the pool"  # noqa: S105 (of this test)
SECOND = AsrRequest(pcm=np.zeros(16_000, np.float32), final=True)


@asynccontextmanager
async def pool(engine: FakeEngine | None = None, **asr: Any) -> AsyncIterator[Pool]:
    """Run a server of the pool, with a fake engine or the model that is named."""
    up: asyncio.Future[Pool] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve_pool(
            settings(asr=asr),
            ready=up.set_result,
            factory=None if engine is None else lambda: engine,
            signals=False,
        )
    )
    waiting: list[asyncio.Future[Any]] = [task, up]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not up.done():
        task.result()
    try:
        yield up.result()
    finally:
        up.result().stop()
        await task


def of_pool(*pools: Pool, **asr: Any) -> Settings:
    target = "ipv4:" + ",".join(f"127.0.0.1:{one.port}" for one in pools)
    return settings(asr={"model": "tiny", "remote": target, **asr}, limits={"max_final_wait_ms": 0})


@asynccontextmanager
async def asking(*pools: Pool, **asr: Any) -> AsyncIterator[RemoteRecogniser]:
    recogniser = RemoteRecogniser(of_pool(*pools, **asr), Metrics())
    task = asyncio.create_task(recogniser.run())
    try:
        yield recogniser
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard_by(
    chosen: Settings, first_final: Callable[[], None] = lambda: None
) -> list[call_pb.StreamCallResponse]:
    """Play the bundled call to a server and return what it said; do something at the first final."""
    up: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(chosen, ready=up.set_result, signals=False))
    waiting: list[asyncio.Future[Any]] = [task, up]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{up.result().port}") as channel:
        call = call_stub(channel).StreamCall()
        for request in [start(), *chunks(demo_bytes(14)), end()]:
            await call.write(request)
        await call.done_writing()
        messages: list[call_pb.StreamCallResponse] = []
        async for message in call:
            if message.transcript.is_final and not finals(messages):
                first_final()
            messages.append(message)
    up.result().stop()
    await task
    return messages


async def test_a_call_is_heard_alike_wherever_the_recogniser_is() -> None:
    here = settings(asr={"model": "tiny"}, limits={"max_final_wait_ms": 0})
    near = await heard_by(here)
    async with pool(model="tiny") as one:
        far = await heard_by(of_pool(one))
    assert finals(near)
    assert [final.text for final in finals(far)] == [final.text for final in finals(near)]
    times = [[(word.start_ms, word.end_ms) for word in final.words] for final in finals(near)]
    assert [[(word.start_ms, word.end_ms) for word in final.words] for final in finals(far)] == times
    assert any(not partial.is_final for partial in events(far, "transcript"))
    assert far[0].started.model == "tiny"


@contextmanager
def process() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command that an operator would; yield the process and its port."""
    program = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    command = [*program, "recogniser", "--model", "tiny", "--port", "0"]
    environment = {**os.environ, "YUETONE_SERVER__METRICS_PORT": "none"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as child:
        assert child.stderr is not None
        try:
            lines = iter(child.stderr.readline, "")
            told = (json.loads(line) for line in lines if line.startswith("{"))
            yield child, next(line["port"] for line in told if "port" in line)
        finally:
            child.kill()


async def test_a_call_loses_nothing_with_a_server_of_the_pool() -> None:
    near = await heard_by(settings(asr={"model": "tiny"}, limits={"max_final_wait_ms": 0}))
    with process() as (first, one), process() as (_second, other):
        target = f"ipv4:127.0.0.1:{one},127.0.0.1:{other}"
        chosen = settings(asr={"model": "tiny", "remote": target}, limits={"max_final_wait_ms": 0})
        far = await heard_by(chosen, first.kill)
        assert first.poll() is not None, "it was killed under the call"
    assert in_order_of_speech(far) == in_order_of_speech(near)


def in_order_of_speech(messages: list[call_pb.StreamCallResponse]) -> list[tuple[int, int, str]]:
    """Return what was said: finals of two channels may come in another order than they were spoken in."""
    return sorted((final.start_ms, final.channel, final.text) for final in finals(messages))


async def test_finals_of_a_server_that_leaves_are_heard_by_the_next() -> None:
    slow, quick = FakeEngine(seconds=0.3), FakeEngine()
    async with pool(quick) as second, pool(slow) as first, asking(first, second) as recogniser:
        await until(lambda: recogniser.ready)
        wanted = [asyncio.create_task(recogniser.final(SECOND)) for _ in range(12)]
        await until(lambda: slow.batches or quick.batches)
        slow.failing = False
        first.stop()
        texts = [(await one).text for one in wanted]
    assert texts == ["零一"] * 12


async def test_a_server_that_hangs_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TRY_S", 0.4)
    stuck, well = FakeEngine(), FakeEngine()
    async with pool(stuck) as first, pool(well) as second, asking(first, second) as recogniser:
        await until(lambda: recogniser.ready)
        stuck.gate.clear()
        try:
            async with asyncio.timeout(20):
                texts = [(await recogniser.final(SECOND)).text for _ in range(4)]
        finally:
            stuck.gate.set()
    assert texts == ["零一"] * 4


async def test_a_pool_that_is_away_is_waited_for_but_not_for_ever() -> None:
    async with pool(FakeEngine()) as only:
        port = only.port
    target = settings(
        asr={"model": "tiny", "remote": f"ipv4:127.0.0.1:{port}", "remote_patience_s": 0.6},
        limits={"max_final_wait_ms": 0},
    )
    recogniser = RemoteRecogniser(target, Metrics())
    with pytest.raises(ModelError, match=r"asr\.remote: "):
        await recogniser.final(SECOND)
    assert not recogniser.ready
    with pytest.raises(ModelError, match=r"asr\.remote: "):
        await recogniser.reload()


async def test_a_model_that_fails_is_not_asked_again() -> None:
    engine = FakeEngine(failing=True)
    async with pool(engine) as one, asking(one) as recogniser:
        with pytest.raises(ModelError):
            await recogniser.final(SECOND)
    assert len(engine.batches) == 1


async def test_a_channel_has_one_partial_under_way_and_the_newest_one_waiting() -> None:
    engine = FakeEngine()
    async with pool(engine) as one, asking(one) as recogniser:
        await until(lambda: recogniser.ready)
        engine.gate.clear()
        asked = []
        for halves in (1, 2, 3):
            asked.append(recogniser.partial("a", part(halves)))
            await asyncio.sleep(0.1)
        assert asked[1].done()
        assert asked[1].result() is None, "a newer one took its place"
        engine.gate.set()
        first, last = await asked[0], await asked[2]
        assert first is not None
        assert last is not None
        assert (first.text, last.text) == ("零", "零一二")
        engine.gate.clear()
        under_way, waiting = recogniser.partial("a", part(1)), recogniser.partial("a", part(2))
        recogniser.drop_partial("a")
        assert await waiting is None or await under_way is None
        engine.gate.set()


def part(halves: int) -> AsrRequest:
    return AsrRequest(pcm=np.zeros(8_000 * halves, np.float32), final=False)


async def test_who_does_not_show_the_secret_is_sent_away() -> None:
    async with pool(FakeEngine(), remote_secret=SECRET) as one:
        async with asking(one, remote_secret="another one altogether") as stranger:
            with pytest.raises(ModelError, match="unauthenticated"):
                await stranger.final(SECOND)
            assert not stranger.ready
        async with asking(one, remote_secret=SECRET) as known:
            assert (await known.final(SECOND)).text == "零一"


async def test_what_is_no_request_is_refused_and_the_pool_goes_on() -> None:
    good = to_request(SECOND)
    bad = [
        pb.RecogniseRequest(final=True),
        pb.RecogniseRequest(pcm=b"abc", final=True),
        pb.RecogniseRequest(pcm=bytes(2 * 16_000 * 31), final=True),
        pb.RecogniseRequest(pcm=good.pcm, hotwords=["長" * 201]),
    ]
    async with pool(FakeEngine()) as one, grpc.aio.insecure_channel(f"127.0.0.1:{one.port}") as channel:
        stub: Any = pb_grpc.RecogniserServiceStub(channel)
        for message in bad:
            with pytest.raises(grpc.aio.AioRpcError) as told:
                await stub.Recognise(message)
            assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert from_response(await stub.Recognise(good)).text == "零一"


async def test_a_server_that_is_full_says_so() -> None:
    engine = FakeEngine()
    async with pool(engine, max_pending_finals=2, max_batch=1) as one:
        engine.gate.clear()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{one.port}") as channel:
            stub: Any = pb_grpc.RecogniserServiceStub(channel)
            asked = [asyncio.ensure_future(stub.Recognise(to_request(SECOND))) for _ in range(6)]
            done, _under_way = await asyncio.wait(asked, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            codes = {one.exception().code() for one in done if one.exception()}
            assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
            engine.gate.set()
            await asyncio.gather(*asked, return_exceptions=True)


def test_sound_survives_the_wire() -> None:
    pcm = np.random.default_rng(1).uniform(-1, 1, 1_600).astype(np.float32)
    again = from_request(to_request(AsrRequest(pcm=pcm, final=False, language="yue", hotwords=("滙豐",))))
    assert np.abs(again.pcm - pcm).max() <= 0.5 / 32_767 + 1e-6
    assert (again.final, again.language, again.hotwords, again.states) == (False, "yue", ("滙豐",), False)


@pytest.mark.parametrize("target", ["dns:///asr-pool:50060", "10.0.0.1:50060", "ipv4:127.0.0.1:1,10.0.0.1:1"])
async def test_speech_goes_over_no_network_in_clear(target: str) -> None:
    with pytest.raises(SettingsError, match=r"asr\.remote: .* in clear"):
        RemoteRecogniser(settings(asr={"remote": target}), Metrics())


@pytest.mark.parametrize(
    "target", ["localhost:1", "dns:///localhost:1", "unix:/tmp/x", "ipv4:127.0.0.1:1,127.0.0.1:2"]
)
async def test_this_machine_may_be_asked_in_clear(target: str) -> None:
    RemoteRecogniser(settings(asr={"remote": target}), Metrics())


async def test_a_pool_open_to_others_needs_a_certificate_and_a_secret() -> None:
    with pytest.raises(SettingsError, match=r"tls_certificate"):
        await serve_pool(settings(server={"host": "0.0.0.0"}), signals=False)  # noqa: S104


async def until(true: Any) -> None:
    async with asyncio.timeout(20):
        for _turn in itertools.count():
            if true():
                return
            await asyncio.sleep(0.02)
