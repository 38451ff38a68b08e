from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from asr import AsrRequest, Transcript
from diarization import Role
from pipeline.bus import Reader
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.events import CallSpec, Codec, Ended, TranscriptEvent
from pipeline.metrics import Metrics
from pipeline.pool import AsrScheduler, ServedModel
from pipeline.stages.context import CallContext
from pipeline.stages.ingest import AudioBlock, Close
from pipeline.stages.segment import SegmentItem
from pipeline.stages.transcribe import Transcribe
from tests.fakes.engines import FakeEngine
from vad.segmenter import EndReason, Expect, SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

SPEC = CallSpec(call_id="c", codec=Codec.L16, sample_rate=16_000, roles=(Role.CUSTOMER,))


class Scripted(FakeEngine):
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.asked: list[tuple[bool, int]] = []

    def transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        self.asked += [(request.final, len(request.pcm)) for request in requests]
        return tuple(
            Transcript(text=self.text, language="yue", confidence=0.9, no_speech=0.0) for _ in requests
        )


@dataclass
class Stage:
    engine: Scripted
    context: CallContext
    inbox: asyncio.Queue[SegmentItem] = field(default_factory=lambda: asyncio.Queue(256))
    held: int = 0
    ended: int = 0

    async def feed(self, *items: SegmentItem) -> None:
        for item in items:
            await self.inbox.put(item)
        await asyncio.sleep(0.05)

    async def transcripts(self) -> list[TranscriptEvent]:
        """Every transcript event that a reader who is behind still gets."""
        self.context.emit(Ended(audio=0, speech=0, utterances=0, gap=0, reason="client"))
        found, reader = [], Reader(0)
        while (delivery := await self.context.log.next(reader)) is not None:
            if isinstance(delivery.envelope.event, TranscriptEvent):
                found.append(delivery.envelope.event)
        return found


@asynccontextmanager
async def stage(text: str) -> AsyncIterator[Stage]:
    engine = Scripted(text)
    scheduler = AsrScheduler(lambda: engine, ServedModel("fake"), Metrics(), max_batch=4, max_finals=16)
    context = CallContext(SPEC, ProfileSettings(), LimitSettings(), scheduler, Metrics())
    under_test = Stage(engine, context)

    def expect(what: Expect, _start: int) -> None:
        under_test.held += what is Expect.MORE
        under_test.ended += what is Expect.END

    worker = asyncio.create_task(scheduler.run(), name="scheduler")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            Transcribe(context, 0, expect, tasks, lambda _item: None).run(under_test.inbox),
            name="transcribe",
        )
        yield under_test
        await under_test.inbox.put(Close())
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


def block(seconds: float) -> AudioBlock:
    return AudioBlock(pcm=np.zeros(int(16_000 * seconds), np.float32))


def ended(end: int, reason: EndReason = EndReason.SILENCE) -> SpeechEnded:
    return SpeechEnded(start=0, end=end, speech_end=end - 3000, reason=reason)


async def test_the_final_computed_ahead_is_the_one_that_is_published() -> None:
    async with stage("我想查詢。") as run:
        await run.feed(
            block(0.5), SpeechBegan(start=0), SpeechPaused(start=0, end=8000), block(0.3), ended(8000)
        )
    (final,) = await run.transcripts()
    assert run.engine.asked == [(True, 8000)], "the endpoint must not cost a second inference"
    assert final.final
    assert (final.text, final.raw_text) == ("我想查詢。", "我想查詢")
    assert run.held == 0


async def test_a_busy_recogniser_computes_nothing_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsrScheduler, "load", lambda _self: 0.9)
    async with stage("我想查詢。") as run:
        await run.feed(block(0.5), SpeechBegan(start=0), SpeechPaused(start=0, end=8000))
        assert run.engine.asked == []
        await run.feed(block(0.3), ended(8000))
    (final,) = await run.transcripts()
    assert final.final
    assert run.engine.asked == [(True, 8000)]


async def test_what_was_computed_ahead_is_void_when_speech_resumes() -> None:
    async with stage("我想查詢。") as run:
        await run.feed(
            block(0.5),
            SpeechBegan(start=0),
            SpeechPaused(start=0, end=8000),
            SpeechResumed(start=0),
            block(0.5),
        )
        await run.feed(ended(16_000))
    assert run.engine.asked[-1] == (True, 16_000)
    assert [event.final for event in await run.transcripts()].count(True) == 1


async def test_an_unfinished_sentence_or_number_keeps_the_utterance_open() -> None:
    for text in ("我想問，即係", "我嘅電話係九一二三"):
        async with stage(text) as run:
            await run.feed(block(0.5), SpeechBegan(start=0), SpeechPaused(start=0, end=8000))
            assert run.held == 1, text
            await run.feed(ended(8000))


async def test_partials_come_on_their_cadence_and_only_while_speaking() -> None:
    async with stage("我") as run:
        await run.feed(SpeechBegan(start=0))
        for _ in range(40):
            await run.inbox.put(block(0.064))
            await asyncio.sleep(0.005)
        spoken = len(run.engine.asked)
        await run.feed(SpeechPaused(start=0, end=40_960), *[block(0.064)] * 10, ended(40_960))
    partials = [samples for final, samples in run.engine.asked if not final]
    assert 3 <= len(partials) == spoken <= 4
    assert partials[0] >= 0.64 * 16_000
    assert all(later - earlier >= 0.6 * 16_000 for earlier, later in itertools.pairwise(partials))


async def test_an_empty_final_takes_back_a_partial_and_is_silent_without_one() -> None:
    async with stage("嗯") as run:
        await run.feed(SpeechBegan(start=0), block(0.7), block(0.1))
        run.engine.text = ""
        await run.feed(ended(12_800))
    *_before, final = await run.transcripts()
    assert final.final
    assert final.text == ""
    async with stage("") as run:
        await run.feed(SpeechBegan(start=0), block(0.3), ended(4800))
    assert await run.transcripts() == []


async def test_forced_ends_are_marked() -> None:
    async with stage("係") as run:
        await run.feed(SpeechBegan(start=0), block(0.5), ended(8000, EndReason.FLUSH))
    (final,) = await run.transcripts()
    assert final.forced
