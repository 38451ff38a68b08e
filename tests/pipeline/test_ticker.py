"""The beat, the pool of voice detectors, admission, idle streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import CallError, IdleTimeout
from pipeline.inference.admission import Admission
from pipeline.inference.detector import VadBatcher
from pipeline.inference.ticker import BatchTicker
from pipeline.metrics import Metrics
from pipeline.rpc.idle import IdleWatch
from vad import VadStream


async def test_all_who_wait_are_woken_by_the_same_beat() -> None:
    pulse, woken = BatchTicker(0.02), []

    async def wait(number: int) -> None:
        await pulse.next()
        woken.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(wait(number))
    assert sorted(woken) == [0, 1, 2, 3, 4]


async def test_a_waiter_that_gives_up_takes_nobody_along() -> None:
    pulse = BatchTicker(0.02)
    leaving, staying = (asyncio.create_task(pulse.next()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait_for(staying, 1)


class Counting:
    """A detector that remembers how much it was given at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.broken = False

    def stream(self) -> VadStream:
        return object()  # type: ignore[return-value]

    def accept(self, parts: Sequence[tuple[VadStream, NDArray[np.float32]]]) -> list[list[float]]:
        self.batches.append(len(parts))
        if self.broken:
            raise RuntimeError("no detector")
        return [[float(len(pcm))] for _stream, pcm in parts]


async def test_channels_that_come_together_are_heard_in_one_run_and_get_their_own() -> None:
    engine = Counting()
    pool = VadBatcher(engine, Metrics())
    worker = asyncio.create_task(pool.run())
    sizes = range(1, 9)
    found = await asyncio.gather(*(pool.submit(pool.stream(), np.zeros(n, np.float32)) for n in sizes))
    assert found == [[float(n)] for n in sizes]
    assert engine.batches == [8]
    engine.broken = True
    with pytest.raises(RuntimeError, match="no detector"):
        await pool.submit(pool.stream(), np.zeros(1, np.float32))
    engine.broken = False
    assert await pool.submit(pool.stream(), np.zeros(3, np.float32)) == [3.0], "the pool outlives a failure"
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


def test_admission_looks_at_what_one_more_call_would_do() -> None:
    admission = Admission()
    assert admission.predicted_s(1.0, calls=1, busy=0.9, lag_s=0.0) == 0.0, "nothing is known yet"
    for second in range(20):
        admission.note(float(second), 0.1)
    easy = admission.predicted_s(20.0, calls=10, busy=0.3, lag_s=0.0)
    full = admission.predicted_s(20.0, calls=10, busy=0.88, lag_s=0.0)
    assert 0.1 < easy < 0.12
    assert 0.3 < full <= 0.4, "near saturation one call more costs much, within reason"
    slow = Admission()
    for second in range(20):
        slow.note(float(second), 0.0)
    assert slow.predicted_s(20.0, calls=1, busy=0.9, lag_s=0.0) == 0.0, (
        "nobody waits: a slow model is no reason"
    )
    assert admission.predicted_s(20.0, calls=10, busy=0.3, lag_s=0.5) == pytest.approx(easy + 0.5)
    assert admission.predicted_s(100.0, calls=10, busy=0.9, lag_s=0.0) == 0.0, (
        "what is long ago counts no more"
    )
    assert Admission().predicted_s(1.0, calls=0, busy=0.0, lag_s=0.0) == 0.0


async def test_an_idle_stream_is_told_once_and_messages_put_it_off() -> None:
    told: list[CallError] = []
    watch = IdleWatch(0.15, told.append)
    for _ in range(6):
        await asyncio.sleep(0.05)
        watch.heard()
        watch.taken()
    assert not told
    await asyncio.sleep(0.3)
    assert [type(error) for error in told] == [IdleTimeout]
    watch.stop()
    busy = IdleWatch(0.1, told.append)
    busy.heard()
    await asyncio.sleep(0.3)
    assert len(told) == 1, "who waits for us is not silent"
    busy.stop()
    patient = IdleWatch(0.1, told.append)
    patient.wait(30)
    await asyncio.sleep(0.2)
    patient.stop()
    assert len(told) == 1
