from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from asr import AsrEngine, AsrRequest
from models import ModelError
from pipeline.inference.recogniser import ServedModel
from pipeline.inference.scheduler import AsrScheduler
from pipeline.metrics import Metrics
from tests.fakes.engines import FakeEngine


def request(seconds: float = 1.0, *, final: bool = True) -> AsrRequest:
    return AsrRequest(pcm=np.zeros(int(16_000 * seconds), np.float32), final=final)


@asynccontextmanager
async def scheduler(
    engine: FakeEngine, max_batch: int = 8, max_finals: int = 64
) -> AsyncIterator[AsrScheduler]:
    def build() -> AsrEngine:
        return engine

    pool = AsrScheduler(build, ServedModel("fake"), Metrics(), max_batch=max_batch, max_finals=max_finals)
    task = asyncio.create_task(pool.run(), name="pool")
    try:
        while not pool.ready:
            await asyncio.sleep(0.01)
        yield pool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_finals_go_before_partials() -> None:
    engine = FakeEngine()
    async with scheduler(engine) as pool:
        engine.gate.clear()
        first = asyncio.create_task(pool.final(request(0.5)), name="first")  # occupies the thread
        await asyncio.sleep(0.05)
        partial = pool.partial("a", request(final=False))
        later = asyncio.create_task(pool.final(request(2.0)), name="later")
        await asyncio.sleep(0.05)
        engine.gate.set()
        await asyncio.gather(first, later)
        await partial
    assert [final for final, _size in engine.batches] == [True, True, False]


async def test_a_newer_partial_takes_the_place_of_the_older() -> None:
    engine = FakeEngine()
    async with scheduler(engine) as pool:
        engine.gate.clear()
        busy = asyncio.create_task(pool.final(request()), name="busy")
        await asyncio.sleep(0.05)
        old = pool.partial("a", request(1.0, final=False))
        other = pool.partial("b", request(3.0, final=False))
        new = pool.partial("a", request(2.0, final=False))
        assert await old is None
        engine.gate.set()
        result = await new
        assert result is not None
        assert len(result.text) == 4
        await asyncio.gather(busy, other)
    assert len(engine.batches) == 3


async def test_a_newer_partial_keeps_the_turn_of_the_older() -> None:
    engine = FakeEngine()
    async with scheduler(engine) as pool:
        engine.gate.clear()
        busy = asyncio.create_task(pool.final(request()), name="busy")
        await asyncio.sleep(0.05)
        order: list[str] = []
        pool.partial("a", request(1.0, final=False))
        pool.partial("b", request(3.0, final=False)).add_done_callback(lambda _f: order.append("b"))
        newer = pool.partial("a", request(2.0, final=False))
        newer.add_done_callback(lambda _f: order.append("a"))
        engine.gate.set()
        await asyncio.gather(busy, newer)
        await asyncio.sleep(0.05)
    assert order == ["a", "b"], "who is refreshed often must not starve"


async def test_a_batch_may_wait_for_company() -> None:
    engine = FakeEngine()
    pool = AsrScheduler(
        lambda: engine, ServedModel("fake"), Metrics(), max_batch=8, max_finals=64, batch_wait_s=0.1
    )
    task = asyncio.create_task(pool.run(), name="pool")
    while not pool.ready:
        await asyncio.sleep(0.01)
    first = asyncio.create_task(pool.final(request()), name="first")
    await asyncio.sleep(0.03)
    second = asyncio.create_task(pool.final(request()), name="second")
    await asyncio.gather(first, second)
    assert engine.batches == [(True, 2)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_equal_lengths_are_decoded_together() -> None:
    engine = FakeEngine()
    async with scheduler(engine, max_batch=3) as pool:
        engine.gate.clear()
        busy = asyncio.create_task(pool.final(request(5.0)), name="busy")
        await asyncio.sleep(0.05)
        lengths = [1.0, 2.0, 1.1, 1.2, 1.3]
        jobs = [asyncio.create_task(pool.final(request(length)), name="job") for length in lengths]
        await asyncio.sleep(0.05)
        engine.gate.set()
        results = await asyncio.gather(busy, *jobs)
    assert [len(result.text) for result in results] == [10, 2, 4, 2, 2, 2]
    assert sorted(size for _final, size in engine.batches) == [1, 1, 1, 3]


async def test_a_failing_batch_is_tried_one_by_one() -> None:
    class Picky(FakeEngine):
        def transcribe(self, requests):  # type: ignore[no-untyped-def]
            if any(len(r.pcm) == 16_001 for r in requests):
                raise ModelError("not this one")
            return super().transcribe(requests)

    engine = Picky()
    async with scheduler(engine) as pool:
        good = AsrRequest(pcm=np.zeros(16_000, np.float32), final=True)
        bad = AsrRequest(pcm=np.zeros(16_001, np.float32), final=True)
        results = await asyncio.gather(
            pool.final(good), pool.final(bad), pool.final(good), return_exceptions=True
        )
        assert isinstance(results[1], ModelError)
        assert not isinstance(results[0], BaseException)
        assert not isinstance(results[2], BaseException)
        assert (await pool.final(good)).text == "零一"


async def test_a_cancelled_final_costs_nothing() -> None:
    engine = FakeEngine()
    async with scheduler(engine) as pool:
        engine.gate.clear()
        busy = asyncio.create_task(pool.final(request()), name="busy")
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(pool.final(request(3.0)), name="gone")
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        engine.gate.set()
        await busy
        await pool.final(request(2.0))
    assert len(engine.batches) == 2


async def test_the_lane_of_finals_is_bounded() -> None:
    engine = FakeEngine()
    async with scheduler(engine, max_finals=2) as pool:
        engine.gate.clear()
        jobs = [asyncio.create_task(pool.final(request(3.0)), name="job") for _ in range(6)]
        await asyncio.sleep(0.05)
        assert pool.waiting <= 2
        engine.gate.set()
        assert len(await asyncio.gather(*jobs)) == 6


async def test_a_model_that_cannot_be_loaded_ends_the_scheduler() -> None:
    def build() -> AsrEngine:
        raise ModelError("no weights")

    pool = AsrScheduler(build, ServedModel("fake"), Metrics(), max_batch=1, max_finals=1)
    with pytest.raises(ModelError, match="no weights"):
        await pool.run()
