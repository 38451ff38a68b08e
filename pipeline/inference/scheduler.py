"""The recogniser for all calls: one scheduler, two lanes, one worker thread per device.

Finals go before partials. A channel has at most one partial waiting; a newer one takes its place, and
the older one is dropped, not queued. Requests of one bucket are decoded together.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asr import AsrEngine, AsrRequest, Transcript
from pipeline.inference.admission import Admission, CallCost
from pipeline.inference.recogniser import ServedModel
from pipeline.metrics import Metrics

Lane = Literal["final", "partial"]
LOAD_WINDOW_S = 5.0
"""Time over which the share of busy time is averaged, s."""


@dataclass(slots=True, eq=False)
class _Job:
    request: AsrRequest
    future: asyncio.Future[Transcript | None]
    asked: float = field(default_factory=time.monotonic)
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A final, and how long it waited for its turn.

    Attributes:
        transcript: the final.
        waited_s: s in the queue; the loading of the model does not count.
    """

    transcript: Transcript
    waited_s: float


def measured_cost(engine: AsrEngine, speech: NDArray[np.float32]) -> CallCost:
    """Return what a call costs a recogniser: the shorter of two tries each, of a final and a partial.

    Args:
        engine: warm.
        speech: float32 at 16 kHz, as long as a usual utterance.
    """
    final_s, partial_s = (
        min(_seconds(engine, AsrRequest(pcm=pcm, final=final)) for _ in range(2))
        for final, pcm in ((True, speech), (False, speech[: len(speech) // 2]))
    )
    return CallCost.of_inferences(final_s, partial_s)


def _seconds(engine: AsrEngine, request: AsrRequest) -> float:
    began = time.monotonic()
    engine.transcribe([request])
    return time.monotonic() - began


class AsrScheduler:
    """Owns the engine's thread and the two lanes; for one event loop.

    Args:
        build: makes the engine; called in the worker thread, so that calls are taken while it warms.
        model: what it will be.
        metrics: where to count.
        max_batch: requests decoded together.
        batch_wait_s: that a batch which is not full waits for company; for GPUs.
        max_finals: finals waiting over all calls. When full, :meth:`final` waits, which holds back the
            audio of that call; nothing is dropped.
        reference: gives speech (float32 at 16 kHz) on which the cost of a call is measured, once the model is
            loaded; None measures nothing.
    """

    def __init__(
        self,
        build: Callable[[], AsrEngine],
        model: ServedModel,
        metrics: Metrics,
        *,
        max_batch: int,
        max_finals: int,
        batch_wait_s: float = 0.0,
        reference: Callable[[], NDArray[np.float32]] | None = None,
    ) -> None:
        self._build = build
        self._reference = reference
        self._cost: CallCost | None = None
        self._model = model
        self._metrics = metrics
        self._max_batch = max_batch
        self._batch_wait_s = batch_wait_s
        self._admission = Admission()
        self._finals: deque[_Job] = deque()
        self._room = asyncio.Semaphore(max_finals)
        # One waiting partial per channel; the key is replaced in place, so the bound is two per call.
        self._partials: dict[str, _Job] = {}
        self._work = asyncio.Event()
        self._engine: AsrEngine | None = None
        self._next: tuple[AsrEngine, ServedModel, CallCost | None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="asr")
        self._since = 0.0  # loaded: what waited for that says nothing about load
        self._busy: deque[tuple[Lane, float, float]] = deque(maxlen=2048)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._engine is not None

    @property
    def model(self) -> ServedModel:
        """The model in use, or the one that is being loaded at the start."""
        return self._model

    async def reload(self, build: Callable[[], AsrEngine], model: ServedModel) -> None:
        """Put another model in the place of this one; calls go on, and wait no longer than for one batch.

        The new one is loaded beside the old one, which serves until then: for a moment both are in memory.

        Raises:
            ModelError: the new one cannot be loaded; the old one stays.
        """
        engine, cost = await asyncio.to_thread(self._loaded_and_measured, build)
        self._next = (engine, model, cost)
        self._work.set()

    @property
    def measures(self) -> bool:
        """Whether the cost of a call is measured."""
        return self._reference is not None

    @property
    def cost(self) -> CallCost | None:
        """What a call costs; None while the model is being loaded, or where that is not measured."""
        return self._cost

    @property
    def waiting(self) -> int:
        """Jobs in both lanes."""
        return len(self._finals) + len(self._partials)

    def load(self, *, finals_only: bool = False) -> float:
        """Return the share of the last seconds that the recogniser was busy, in [0, 1]."""
        since = time.monotonic() - LOAD_WINDOW_S
        recent = itertools.takewhile(lambda batch: batch[2] > since, reversed(self._busy))
        busy = sum(
            end - max(start, since) for lane, start, end in recent if lane == "final" or not finals_only
        )
        return min(1.0, busy / LOAD_WINDOW_S)

    def predicted_wait_s(self, calls: int, lag_s: float) -> float:
        """Return how long finals would wait with one call more; see :mod:`pipeline.inference.admission`."""
        busy = self.load(finals_only=True)
        return self._admission.predicted_s(time.monotonic(), calls=calls, busy=busy, lag_s=lag_s)

    async def run(self) -> None:
        """Load the model, then work until cancelled.

        Raises:
            ModelError: the model cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        try:
            self._engine, self._cost = await loop.run_in_executor(
                self._thread, self._loaded_and_measured, self._build
            )
            self._since = time.monotonic()
            while True:
                await self._work.wait()
                if self._next:  # between batches: those of one batch share an engine
                    (self._engine, self._model, self._cost), self._next = self._next, None
                if self._batch_wait_s and self.waiting < self._max_batch:
                    await asyncio.sleep(self._batch_wait_s)
                lane, jobs = self._take()
                if jobs:
                    await self._serve(lane, jobs)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            for job in [*self._finals, *self._partials.values()]:
                job.future.cancel()

    def _loaded_and_measured(self, build: Callable[[], AsrEngine]) -> tuple[AsrEngine, CallCost | None]:
        engine = build()
        return engine, measured_cost(engine, self._reference()) if self._reference is not None else None

    async def final(self, request: AsrRequest) -> Transcript:
        """Transcribe a complete utterance; waits its turn.

        Raises:
            ModelError: the model failed on this request.
        """
        return (await self.heard(request)).transcript

    async def heard(self, request: AsrRequest) -> Heard:
        """Transcribe a complete utterance, as :meth:`final`; tell how long it waited too.

        Raises:
            ModelError: the model failed on this request.
        """
        async with self._room:
            job = _Job(request, asyncio.get_running_loop().create_future())
            self._finals.append(job)
            self._wake()
            try:
                result = await job.future
            except asyncio.CancelledError:
                job.future.cancel()
                raise
        if result is None:
            raise RuntimeError("a final was dropped")
        return Heard(result, job.waited)

    def partial(self, key: str, request: AsrRequest) -> asyncio.Future[Transcript | None]:
        """Ask for a partial; its result is None if a newer one of the same ``key`` took its place."""
        job = _Job(request, asyncio.get_running_loop().create_future())
        old, self._partials[key] = self._partials.get(key), job  # the newer one keeps the older one's turn
        self._forget(old)
        self._wake()
        return job.future

    def drop_partial(self, key: str) -> None:
        """Forget the waiting partial of ``key``, if there is one."""
        self._forget(self._partials.pop(key, None))

    def _forget(self, job: _Job | None) -> None:
        if job and not job.future.done():
            job.future.set_result(None)
            self._metrics.dropped.labels("partial").inc()

    def _wake(self) -> None:
        self._metrics.queue.labels("asr_finals").set(len(self._finals))
        self._metrics.queue.labels("asr_partials").set(len(self._partials))
        self._work.set()

    def _take(self) -> tuple[Lane, list[_Job]]:
        """Return the next batch: jobs of the first one's bucket from its lane."""
        engine = self._loaded()
        while self._finals and self._finals[0].future.done():
            self._finals.popleft()
        if self._finals:
            bucket = engine.bucket(self._finals[0].request)
            jobs = [job for job in self._finals if engine.bucket(job.request) == bucket][: self._max_batch]
            for job in jobs:
                self._finals.remove(job)
            return "final", jobs
        if not self._partials:
            self._work.clear()
            return "partial", []
        bucket = engine.bucket(next(iter(self._partials.values())).request)
        keys = [key for key, job in self._partials.items() if engine.bucket(job.request) == bucket]
        return "partial", [self._partials.pop(key) for key in keys[: self._max_batch]]

    def _loaded(self) -> AsrEngine:
        if self._engine is None:
            raise RuntimeError("the model is not loaded")
        return self._engine

    async def _serve(self, lane: Lane, jobs: Sequence[_Job]) -> None:
        live = [job for job in jobs if not job.future.done()]
        if not live:
            return
        started = time.monotonic()
        if lane == "final":
            for job in live:
                job.waited = max(0.0, started - max(job.asked, self._since))
                self._admission.note(started, job.waited)
        await self._infer(live)
        ended = time.monotonic()
        self._busy.append((lane, started, ended))
        self._metrics.inference.labels(lane).observe(ended - started)
        self._metrics.batch.observe(len(live))
        self._metrics.queue.labels("asr_finals").set(len(self._finals))
        self._metrics.queue.labels("asr_partials").set(len(self._partials))

    async def _infer(self, jobs: Sequence[_Job]) -> None:
        """Run one batch in the worker thread; a failing batch is tried again one by one."""
        loop = asyncio.get_running_loop()
        requests = [job.request for job in jobs]
        try:
            results = await loop.run_in_executor(self._thread, self._loaded().transcribe, requests)
        except Exception as error:  # noqa: BLE001 (an engine may raise anything; it belongs to the job)
            self._metrics.failures.labels("asr").inc()
            if len(jobs) > 1:
                for job in jobs:
                    await self._infer([job])
            elif not jobs[0].future.done():
                jobs[0].future.set_exception(error)
            return
        for job, result in zip(jobs, results, strict=True):
            if not job.future.done():
                job.future.set_result(result)
