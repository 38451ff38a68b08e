"""Recordings in, turns out: a worker process that is started when it is needed and replaced when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import structlog

from diarization import SpeakerTurn
from pipeline import leftovers
from pipeline.errors import SecondLookFailed
from pipeline.inference.spool import KIND, CallSpool
from pipeline.sections.diarization import SecondLookSettings

START_S = 180.0
"""Longest wait for a worker to load its pipeline."""
LINE = 1 << 26
"""Bytes of the longest answer: a day of calls is far below."""
ROOT = Path(__file__).resolve().parents[2]

_log = structlog.get_logger(__name__)


class SecondLook(Protocol):
    """Hears recordings of finished calls again."""

    @property
    def enabled(self) -> bool:
        """Whether anything is heard again."""
        ...

    def spool(self) -> CallSpool | None:
        """Return where a call is kept until it was looked at; None where nothing can be kept."""
        ...

    async def review(self, spool: CallSpool) -> list[SpeakerTurn]:
        """Return who speaks when in a finished recording.

        Raises:
            SecondLookFailed: too many are waiting, it takes too long, or the pipeline fails.
        """
        ...

    async def close(self) -> None:
        """End what works on recordings."""
        ...


class NoSecondLook:
    """A :class:`SecondLook` that is turned off."""

    enabled = False

    def spool(self) -> None:
        """Keep nothing."""

    async def review(self, spool: CallSpool) -> list[SpeakerTurn]:
        """Refuse.

        Raises:
            SecondLookFailed: always.
        """
        raise SecondLookFailed("second looks are turned off (diarization.second_look.enabled)")

    async def close(self) -> None:
        """Do nothing."""


class SecondLookWorker:
    """A :class:`SecondLook` by a worker process, one recording at a time; for one event loop.

    Args:
        settings: which pipeline, which interpreter.
    """

    enabled = True

    def __init__(self, settings: SecondLookSettings) -> None:
        self._settings = settings
        leftovers.sweep(KIND, settings.spool)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._worker: asyncio.subprocess.Process | None = None

    def spool(self) -> CallSpool | None:
        """Return where a call is kept until it was looked at; None where nothing can be kept."""
        try:
            return CallSpool(self._settings.spool)
        except OSError as error:
            _log.error("recordings cannot be kept", error=type(error).__name__)
            return None

    async def review(self, spool: CallSpool) -> list[SpeakerTurn]:
        """Return who speaks when in a finished recording.

        Raises:
            SecondLookFailed: too many are waiting, it takes too long, or the pipeline fails.
        """
        if self._waiting > self._settings.max_waiting:
            raise SecondLookFailed("too many recordings are waiting (diarization.second_look.max_waiting)")
        if spool.failed:
            raise SecondLookFailed("the recording is not whole: the disk is full or cannot be written to")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask(spool)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End the worker."""
        worker, self._worker = self._worker, None
        if worker is not None and worker.returncode is None:
            worker.kill()
            await worker.wait()

    async def _ask(self, spool: CallSpool) -> list[SpeakerTurn]:
        try:
            worker = await self._started()
            async with asyncio.timeout(self._settings.timeout_s):
                await _send(worker, spool)
                answer = await _answer(worker)
        except TimeoutError:
            await self.close()
            raise SecondLookFailed("it took too long (diarization.second_look.timeout_s)") from None
        except (OSError, ValueError, SecondLookFailed, asyncio.CancelledError) as error:
            await self.close()
            if isinstance(error, SecondLookFailed | asyncio.CancelledError):
                raise
            raise SecondLookFailed("the worker died; the next recording gets a new one") from error
        if "error" in answer:
            raise SecondLookFailed(str(answer["error"]))
        turns = answer["turns"]
        assert isinstance(turns, list)  # noqa: S101 (our own worker)
        return [
            SpeakerTurn(speaker=speaker, start=start, end=end, overlapped=overlapped)
            for speaker, start, end, overlapped in turns
        ]

    async def _started(self) -> asyncio.subprocess.Process:
        """Return the worker, started and ready.

        Raises:
            SecondLookFailed: it cannot be started; its own reason is passed on.
        """
        if self._worker is not None and self._worker.returncode is None:
            return self._worker
        python = self._settings.python or Path(sys.executable)
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._worker = worker = await asyncio.create_subprocess_exec(
            str(python), "-m", "diarization.worker", self._settings.pipeline,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            limit=LINE, env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
        try:
            async with asyncio.timeout(START_S):
                told = await _answer(worker)
        except TimeoutError:
            await self.close()
            raise SecondLookFailed(f"the worker did not load its pipeline within {START_S:.0f} s") from None
        if "ready" not in told:
            await self.close()
            raise SecondLookFailed(str(told.get("error", "the worker did not start")))
        _log.info("second look ready", pipeline=self._settings.pipeline)
        return worker


async def _send(worker: asyncio.subprocess.Process, spool: CallSpool) -> None:
    """Send a recording: how many samples, and then those. Nothing of it lies on a disk in clear.

    Raises:
        OSError: the worker has died.
        SecondLookFailed: the recording cannot be read.
    """
    assert worker.stdin is not None  # noqa: S101 (it is a pipe)
    worker.stdin.write(json.dumps({"samples": spool.samples}).encode() + b"\n")
    blocks = spool.read()
    while block := _next_of(blocks):
        worker.stdin.write(block)
        await worker.stdin.drain()


def _next_of(blocks: Iterator[bytes]) -> bytes:
    """Return the next block of a recording, empty behind the last one.

    Raises:
        SecondLookFailed: it cannot be read.
    """
    try:
        return next(blocks, b"")
    except OSError as error:
        raise SecondLookFailed("the recording cannot be read any more") from error


async def _answer(worker: asyncio.subprocess.Process) -> dict[str, object]:
    """Return the next answer.

    Raises:
        ValueError: there is none.
    """
    assert worker.stdout is not None  # noqa: S101 (it is a pipe)
    answer = json.loads(await worker.stdout.readline())
    if not isinstance(answer, dict):
        raise ValueError("not an object")  # noqa: TRY004 (what the worker said, not what was passed)
    return answer
