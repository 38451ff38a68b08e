"""The voice detector for all calls: one thread, one run for everything that is waiting."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics import Metrics
from vad import VadEngine, VadStream

_Job = tuple[VadStream, NDArray[np.float32], asyncio.Future[list[float]]]


class VadBatcher:
    """Owns the detector's thread; for one event loop.

    Args:
        engine: the detector.
        metrics: where to count.
    """

    def __init__(self, engine: VadEngine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._jobs: list[_Job] = []  # bounded: one for each channel, which waits for its result
        self._work = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vad")

    def stream(self) -> VadStream:
        """Return the state for one channel of one call."""
        return self._engine.stream()

    def submit(self, stream: VadStream, pcm: NDArray[np.float32]) -> asyncio.Future[list[float]]:
        """Take audio of a channel; its decisions come as :meth:`vad.base.VadStream.accept` gives them.

        Only one at a time for a stream.
        """
        future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._jobs.append((stream, pcm, future))
        self._work.set()
        return future

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._work.wait()
                await asyncio.sleep(0)  # the channels that were woken by the same beat come along
                self._work.clear()
                jobs, self._jobs = self._jobs, []
                self._metrics.vad_batch.observe(len(jobs))
                parts = [(stream, pcm) for stream, pcm, _future in jobs]
                await self._serve(loop, parts, [future for _stream, _pcm, future in jobs])
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            for _stream, _pcm, future in self._jobs:
                future.cancel()

    async def _serve(
        self,
        loop: asyncio.AbstractEventLoop,
        parts: list[tuple[VadStream, NDArray[np.float32]]],
        futures: list[asyncio.Future[list[float]]],
    ) -> None:
        try:
            results = await loop.run_in_executor(self._thread, self._engine.accept, parts)
            for future, result in zip(futures, results, strict=True):
                if not future.done():
                    future.set_result(result)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (an engine may raise anything; it belongs to the calls)
            self._metrics.failures.labels("vad").inc()
            for future in futures:
                if not future.done():
                    future.set_exception(error)
