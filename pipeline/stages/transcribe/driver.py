"""Drives the utterances of one channel: asks the recogniser, waits for finals, publishes."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from asr import AsrRequest, Transcript
from pipeline.calls.events import RedactionEvent, SpeechEdge, TranscriptEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.inference.recogniser import Recogniser
from pipeline.redaction.guard import CallGuard, hidden_whole
from pipeline.redaction.views import seen_transcript
from pipeline.stages.context import CallContext
from pipeline.stages.items import AudioBlock, ChannelItem, Close, FinalReady, PartialReady
from pipeline.stages.speaker_lookup import SpeakerLookup
from pipeline.stages.transcribe.machine import (
    ECHO_ONLY,
    FAILED,
    PartialWanted,
    Published,
    UtteranceMachine,
)
from pipeline.stages.transcribe.utterance import Utterance
from vad.endpointer import Expect, SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

SPECULATE_BELOW = 0.8
"""Share of the recogniser's time in use from which finals wait for their endpoint: what is computed ahead
is in vain when the speaker goes on. At 0.5, whisper-tiny's shape carried no more, and later finals."""
MOST_WAITING = 20 * SAMPLE_RATE
"""Audio of a channel that waits behind a final; above that, the call's first stage waits, its mailbox fills,
and the client is held back by gRPC flow control. Nothing is dropped."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeTools:
    """What the stage works with.

    Attributes:
        scheduler: the recogniser.
        guard: hides personal data, before anybody reads it.
        lookup: where to ask who spoke.
        expect: tells the endpointer what the words so far let one expect.
        tell: is told every partial and final, and the end of the channel; never waits.
        tasks: owns what this stage starts.
    """

    scheduler: Recogniser
    guard: CallGuard
    lookup: SpeakerLookup
    expect: Callable[[Expect, int], None]
    tell: Callable[[FinalReady | PartialReady | Close], None]
    tasks: asyncio.TaskGroup


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ahead:
    """A final that is computed before its endpoint is certain, for audio up to ``end``."""

    task: asyncio.Task[Transcript]
    end: int


class Transcribe:
    """Runs the stage for one channel of one call; for one event loop.

    Args:
        context: of the call.
        channel: index.
        machine: of the channel.
        tools: to work with.
    """

    def __init__(
        self, context: CallContext, channel: int, machine: UtteranceMachine, tools: TranscribeTools
    ) -> None:
        self._context = context
        self._progress = context.progress.channels[channel]
        self._channel = channel
        self._machine = machine
        self._tools = tools
        self._key = f"{context.spec.call_id}/{channel}"
        self._ahead: _Ahead | None = None
        self._awaiting = False  # a final; items then wait in the backlog, so that events keep their order
        self._backlog: deque[ChannelItem] = deque()  # bounded by room()
        self._backlog_samples = 0
        self._taken = asyncio.Event()

    # ---------------------------------------------------------------- items

    def take(self, item: ChannelItem) -> None:
        """Take the next item of the channel; never waits."""
        if not self._awaiting:
            self._do(item)
            return
        self._backlog.append(item)
        self._backlog_samples += len(item.pcm) if isinstance(item, AudioBlock) else 0

    async def room(self) -> None:
        """Wait while too much audio waits behind a final."""
        while self._backlog_samples > MOST_WAITING:
            self._taken.clear()
            await self._taken.wait()

    def _do(self, item: ChannelItem) -> None:
        match item:
            case AudioBlock(pcm=pcm):
                wanted = self._machine.hear(pcm, self._pace)
                self._progress.transcribed = self._machine.position
                self._progress.safe = max(self._progress.safe, self._machine.safe)
                if wanted is not None:
                    self._ask_partial(wanted)
                self._reveal()
            case SpeechBegan():
                self._context.output.emit(self._machine.began(item))
            case SpeechPaused():
                self._compute_ahead(item)
            case SpeechResumed():
                self._machine.resumed()
                self._give_up_ahead()
            case SpeechEnded():
                self._awaiting = True
                self._tools.tasks.create_task(self._finish_all(item), name=f"final {self._key}")
            case Close():
                self._progress.safe = self._machine.position
                self._tools.tell(item)

    async def _finish_all(self, ended: SpeechEnded) -> None:
        """Publish a final, then work on what waited for it."""
        await self._finish(ended)
        while self._backlog:
            item = self._backlog.popleft()
            if isinstance(item, AudioBlock):
                self._backlog_samples -= len(item.pcm)
                self._taken.set()
            if isinstance(item, SpeechEnded):
                await self._finish(item)
            else:
                self._do(item)
        self._awaiting = False

    def _pace(self) -> tuple[int, float]:
        return self._tools.scheduler.waiting, self._tools.scheduler.load()

    # ---------------------------------------------------------------- partials

    def _ask_partial(self, wanted: PartialWanted) -> None:
        future = self._tools.scheduler.partial(self._key, wanted.request)
        future.add_done_callback(functools.partial(self._show_partial, wanted))

    def _show_partial(self, wanted: PartialWanted, future: asyncio.Future[Transcript | None]) -> None:
        if future.cancelled() or future.exception() is not None:
            return  # counted by the scheduler; the final will tell
        result = future.result()
        if result is None:
            self._context.progress.totals.dropped_partials += 1
            return
        partial = self._machine.partial_read(wanted.utterance, wanted.window, result)
        if partial is None:
            return
        guarded = self._guarded(partial)
        self._context.output.emit(guarded)
        self._tools.tell(PartialReady(partial=seen_transcript(guarded)))
        age = self._progress.arrivals.since(partial.end)
        if age is not None:
            self._context.metrics.partial_age.observe(age)

    # ---------------------------------------------------------------- finals

    def _compute_ahead(self, paused: SpeechPaused) -> None:
        """Start the final before the endpoint is certain; its text may keep the utterance open."""
        wanted = self._machine.paused(paused)
        if wanted is None:
            return
        scheduler = self._tools.scheduler
        scheduler.drop_partial(self._key)
        if scheduler.load() > SPECULATE_BELOW:
            return
        utterance, request = wanted
        task = self._tools.tasks.create_task(
            self._look_ahead(utterance, request), name=f"ahead {self._key} {utterance.id}"
        )
        self._ahead = _Ahead(task=task, end=paused.end)

    async def _look_ahead(self, utterance: Utterance, request: AsrRequest) -> Transcript:
        result = await self._recognise(request)
        expected = self._machine.read_ahead(utterance, result)
        if expected is not None:
            self._tools.expect(expected, utterance.start)
        return result

    def _give_up_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.task.cancel()

    async def _finish(self, ended: SpeechEnded) -> None:
        request = self._machine.ended(ended)
        if request is None:
            return
        self._progress.due = ended.speech_end
        self._tools.scheduler.drop_partial(self._key)
        result = await self._result(ended, request)
        voices = await self._tools.lookup.ask(self._channel, ended.start) if result.text else None
        published = self._machine.finished(ended, result, voices)
        if published is not None:
            self._publish(ended, result, published)
            # Behind the final: said in an event before it, a client would drop what it has no words of.
            self._progress.safe = max(self._progress.safe, self._machine.safe, ended.end)
        self._progress.due = None

    async def _result(self, ended: SpeechEnded, request: AsrRequest) -> Transcript:
        """Return the final: computed ahead, or now."""
        ahead, self._ahead = self._ahead, None
        echo = self._machine.is_echo(ended.start, ended.speech_end)
        if ahead is not None and ahead.end == ended.end and not echo:
            return await ahead.task
        if ahead is not None:
            ahead.task.cancel()
        return ECHO_ONLY if echo else await self._recognise(request)

    async def _recognise(self, request: AsrRequest) -> Transcript:
        """Return the final; when the model fails twice, an empty one that is marked as failed."""
        for _attempt in range(2):
            began = time.monotonic()
            try:
                result = await self._tools.scheduler.final(request)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 (an engine may raise anything)
                _log.warning(
                    "recognition failed", call=self._context.spec.call_id, error=type(error).__name__
                )
            else:
                heard_s = len(request.pcm) / SAMPLE_RATE
                self._context.trace.note("recognise", time.monotonic() - began, speech_s=heard_s)
                return result
        return FAILED

    def _publish(self, ended: SpeechEnded, result: Transcript, published: Published) -> None:
        context = self._context
        self._count(published.edge, ended, result)
        context.output.emit(published.edge)
        if published.failed:
            context.output.warn(
                "RECOGNITION_FAILED", "an utterance could not be recognised; the call goes on"
            )
        final = published.final
        if final is None:
            return
        context.progress.totals.utterances += bool(final.text)
        guarded, changed = self._guarded_final(final)
        context.output.emit(guarded)
        for event in changed:
            context.output.emit(event)
        self._tools.tell(FinalReady(final=seen_transcript(guarded), states=result.states))
        latency = self._progress.arrivals.since(ended.speech_end)
        if latency is not None:
            context.metrics.final_latency.observe(latency)
            context.trace.note("final", latency, channel=self._channel, words=len(final.words))

    # ---------------------------------------------------------------- personal data

    def _guarded(self, partial: TranscriptEvent) -> TranscriptEvent:
        try:
            return self._tools.guard.partial(partial)
        except Exception as error:  # noqa: BLE001 (what cannot be checked is hidden, and the call goes on)
            self._guard_failed(error)
            return hidden_whole(partial)

    def _guarded_final(self, final: TranscriptEvent) -> tuple[TranscriptEvent, list[RedactionEvent]]:
        try:
            return self._tools.guard.final(final)
        except Exception as error:  # noqa: BLE001 (the same)
            self._guard_failed(error)
            return hidden_whole(final), []

    def _reveal(self) -> None:
        """Show again what has turned out to be nobody's."""
        position, speaking = self._machine.position, self._machine.speaking
        for event in self._tools.guard.advance(self._channel, position, speaking=speaking):
            self._context.output.emit(event)

    def _guard_failed(self, error: Exception) -> None:
        self._context.metrics.failures.labels("redaction").inc()
        _log.error("redaction failed", call=self._context.spec.call_id, error=type(error).__name__)
        self._context.output.warn(
            "REDACTION_FAILED", "an utterance could not be checked for personal data and is hidden"
        )

    def _count(self, edge: SpeechEdge, ended: SpeechEnded, result: Transcript) -> None:
        speech = edge.at - ended.start
        self._context.progress.totals.speech += speech
        self._context.metrics.speech.inc(speech / SAMPLE_RATE)
        if result.rejected:
            self._context.metrics.rejected.labels(result.rejected).inc()
