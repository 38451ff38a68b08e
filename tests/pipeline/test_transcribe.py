from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from asr import AsrRequest, Transcript
from diarization import Role
from pipeline.calls.events import Ended, TranscriptEvent
from pipeline.calls.info import CallInfo, CallSpec, Codec
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.inference.recogniser import ServedModel
from pipeline.inference.scheduler import AsrScheduler
from pipeline.logs.memory import MemoryCallLog
from pipeline.metrics import Metrics
from pipeline.redaction.guard import CallGuard
from pipeline.sections.redaction import RedactionSettings
from pipeline.stages.context import CallContext
from pipeline.stages.crosstalk import NoEcho
from pipeline.stages.items import AudioBlock, ChannelItem, Close
from pipeline.stages.speaker_lookup import SpeakerLookup
from pipeline.stages.transcribe import Transcribe
from pipeline.stages.transcribe.driver import MOST_WAITING, TranscribeTools
from pipeline.stages.transcribe.machine import ChannelFacts, UtteranceMachine
from tests.fakes.engines import FakeEngine
from vad.endpointer import EndReason, Expect, SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

SPEC = CallSpec(
    info=CallInfo(call_id="c"), codec=Codec.L16, sample_rate=16_000, roles=(Role.CUSTOMER,), language="yue"
)


class Scripted(FakeEngine):
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.asked: list[tuple[bool, int]] = []
        self.languages: list[str | None] = []

    def transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        self.gate.wait(10)
        self.asked += [(request.final, len(request.pcm)) for request in requests]
        self.languages += [request.language for request in requests if request.final]
        return tuple(
            Transcript(text=self.text, language="yue", confidence=0.9, no_speech=0.0) for _ in requests
        )


@dataclass
class Stage:
    engine: Scripted
    context: CallContext
    log: MemoryCallLog
    transcribe: Transcribe | None = None
    held: int = 0
    ended: int = 0

    def take(self, item: ChannelItem) -> None:
        assert self.transcribe is not None
        self.transcribe.take(item)

    async def feed(self, *items: ChannelItem) -> None:
        for item in items:
            self.take(item)
        await asyncio.sleep(0.05)

    async def transcripts(self) -> list[TranscriptEvent]:
        """Every transcript event that a reader who is behind still gets."""
        self.context.output.emit(Ended(audio=0, speech=0, utterances=0, gap=0, reason="client"))
        entries = await self.log.read(0)
        return [e.envelope.event for e in entries if isinstance(e.envelope.event, TranscriptEvent)]


@asynccontextmanager
async def stage(text: str) -> AsyncIterator[Stage]:
    engine, log = Scripted(text), MemoryCallLog("c")
    scheduler = AsrScheduler(lambda: engine, ServedModel("fake"), Metrics(), max_batch=4, max_finals=16)
    context = CallContext.begin(SPEC, ProfileSettings(), LimitSettings(), Metrics(), log)
    under_test = Stage(engine, context, log)

    def expect(what: Expect, _start: int) -> None:
        under_test.held += what is Expect.MORE
        under_test.ended += what is Expect.END

    machine = UtteranceMachine(
        ChannelFacts(
            channel=0,
            controls=context.controls,
            roles=context.roles,
            echo=NoEcho(),
            partials=context.profile.partials,
            states=False,
        )
    )
    worker = asyncio.create_task(scheduler.run(), name="scheduler")
    async with asyncio.TaskGroup() as tasks:
        tools = TranscribeTools(
            scheduler=scheduler,
            guard=CallGuard(RedactionSettings(), 1, context.controls.sensitive),
            lookup=SpeakerLookup(),
            expect=expect,
            tell=lambda _item: None,
            tasks=tasks,
        )
        under_test.transcribe = Transcribe(context, 0, machine, tools)
        yield under_test
        under_test.take(Close())
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


def block(seconds: float) -> AudioBlock:
    return AudioBlock(pcm=np.zeros(int(16_000 * seconds), np.float32))


def ended(end: int, reason: EndReason = EndReason.SILENCE, start: int = 0) -> SpeechEnded:
    return SpeechEnded(start=start, end=end, speech_end=end - 3000, reason=reason)


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
            run.take(block(0.064))
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


async def test_audio_that_waits_is_heard_in_the_language_that_it_was_spoken_in() -> None:
    """A client changes the language while older speech is still queued behind a slow final."""
    async with stage("係") as run:
        run.engine.gate.clear()
        run.take(block(2.0))
        for start in (0, 8000, 16_000, 24_000):
            run.take(SpeechBegan(start=start))
            run.take(ended(start + 8000, start=start))
        run.context.controls.language.change(16_000, "en")
        run.engine.gate.set()
        await run.feed()
    assert run.engine.languages == ["yue", "yue", "en", "en"]


async def test_a_slow_final_holds_the_channel_back_and_loses_nothing() -> None:
    async with stage("係") as run:
        assert run.transcribe is not None
        run.engine.gate.clear()
        run.take(block(0.5))
        run.take(SpeechBegan(start=0))
        run.take(ended(8000))
        progress = run.context.progress.channels[0]
        for _ in range(25):
            progress.received += 16_000
            run.take(block(1.0))
        waiting = asyncio.create_task(run.transcribe.room(), name="room")
        await asyncio.sleep(0.05)
        assert not waiting.done(), f"more than {MOST_WAITING} samples wait"
        assert progress.due == 5000
        assert progress.lag == 25 * 16_000 - 5000, "what Health tells: since the speech whose final is due"
        run.engine.gate.set()
        await asyncio.wait_for(waiting, 5)
        await run.feed()
        assert progress.due is None
        assert progress.transcribed == 8000 + 25 * 16_000
    assert len(await run.transcripts()) == 1


async def test_while_nothing_is_shown_the_next_reading_comes_sooner() -> None:
    """The first reading is often of too little sound to be believed."""
    async with stage("") as run:
        await run.feed(SpeechBegan(start=0))
        for _ in range(20):
            run.take(block(0.064))
            await asyncio.sleep(0.01)
        partials = [samples for final, samples in run.engine.asked if not final]
        assert [round(samples / 16_000, 1) for samples in partials[:3]] == [0.6, 1.0, 1.3]
        run.engine.text = "我"
        for _ in range(30):
            run.take(block(0.064))
            await asyncio.sleep(0.01)
        shown = [samples for final, samples in run.engine.asked if not final][-2:]
        assert shown[1] - shown[0] >= 0.6 * 16_000, "with something on the screen there is no hurry"
        await run.feed(ended(51_200))


async def test_audio_is_safe_once_all_that_was_said_in_it_is_in_finals() -> None:
    async with stage("我想查詢。") as run:
        safe = run.context.progress
        await run.feed(block(1.0))
        assert safe.acked == 0, "speech may still begin in what came last"
        await run.feed(block(4.0), SpeechBegan(start=3 * 16_000), block(3.0))
        assert safe.acked == 3 * 16_000, "what is open is not safe"
        run.engine.gate.clear()
        run.take(ended(7 * 16_000, start=3 * 16_000))
        await run.feed(block(5.0))
        assert safe.acked == 3 * 16_000, "a final that is awaited is not told yet"
        run.engine.gate.set()
        while not run.log.last_seq or safe.acked == 3 * 16_000:
            await asyncio.sleep(0.01)
        assert safe.acked == 11 * 16_000, "two seconds are kept for speech that is noticed late"
        told = [entry.envelope for entry in await run.log.read(0)]
        finals = [
            one.server_seq for one in told if isinstance(one.event, TranscriptEvent) and one.event.final
        ]
        before = [one.acked for one in told if one.server_seq < finals[0]]
        assert max(before) <= 3 * 16_000, "a line may break right before the final"
    assert safe.acked == 13 * 16_000, "at the end of the call all is safe"
