"""Third stage: utterances of one channel in, partials and finals out."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace

import structlog

from asr import AsrRequest, Transcript
from asr.committing import Committed
from cantonese.completeness import ends_in_short_digits, is_finished, is_unfinished
from pipeline.events import SAMPLE_RATE, SpeechEdge, TranscriptEvent
from pipeline.stages.attribute import language_spans, on_time_line, raw_and_reading
from pipeline.stages.cadence import between_partials_ms
from pipeline.stages.context import CallContext
from pipeline.stages.heard import Heard, Partly
from pipeline.stages.ingest import AudioBlock, Close
from pipeline.stages.segment import SegmentQueue
from pipeline.stages.utterance import Utterance
from pipeline.stages.voices import VoiceAnswer, who_said
from pipeline.stages.window import AudioWindow
from vad.segmenter import EndReason, Expect, SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

KEEP_SAMPLES = 2 * SAMPLE_RATE
"""Audio kept while nobody speaks: more than pre-roll and detection delay together."""
SPECULATE_BELOW = 0.8
"""Share of the recogniser's time in use from which finals wait for their endpoint: what is computed ahead
is in vain when the speaker goes on. At 0.5, whisper-tiny's shape carried no more, and later finals."""

_NOTHING_OF_ITS_OWN = Transcript(text="", language="", confidence=0.0, no_speech=1.0, rejected="echo")

_log = structlog.get_logger(__name__)


class Transcribe:
    """Runs the stage for one channel of one call.

    Args:
        context: of the call.
        channel: index.
        expect: tells the segmenter what the words so far let one expect.
        tasks: owns what this stage starts.
        tell: is told every partial and final, and the end of the channel; never waits.
    """

    def __init__(
        self,
        context: CallContext,
        channel: int,
        expect: Callable[[Expect, int], None],
        tasks: asyncio.TaskGroup,
        tell: Callable[[Heard | Partly | Close], None],
    ) -> None:
        self._context = context
        self._channel = channel
        self._expect = expect
        self._tasks = tasks
        self._tell = tell
        self._window = AudioWindow()
        self._open: Utterance | None = None
        self._count = 0
        self._key = f"{context.spec.call_id}/{channel}"

    async def run(self, inbox: SegmentQueue) -> None:
        """Work until the channel is closed."""
        while True:
            item = await inbox.get()
            match item:
                case AudioBlock():
                    self._hear(item)
                case SpeechBegan():
                    self._begin(item)
                case SpeechPaused():
                    self._speculate(item)
                case SpeechResumed():
                    self._resume()
                case SpeechEnded():
                    await self._finish(item)
                case Close():
                    self._tell(item)
                    return

    def _hear(self, block: AudioBlock) -> None:
        self._window.append(block.pcm)
        self._context.transcribed[self._channel] = self._window.end
        if self._open is None:
            self._window.forget(self._window.end - KEEP_SAMPLES)
        elif self._open.speaking and self._window.end >= self._open.next_partial:
            self._ask_partial(self._open)

    def _begin(self, began: SpeechBegan) -> None:
        self._count += 1
        settings = self._context.profile.partials
        utterance = Utterance(
            id=f"{self._channel}-{self._count}", start=began.start, committed=Committed(began.start)
        )
        utterance.next_partial = began.start + settings.first_ms * SAMPLE_RATE // 1000
        self._open = utterance
        edge = SpeechEdge(begin=True, channel=self._channel, at=began.start, utterance_id=utterance.id)
        self._context.emit(edge)

    def _request(self, start: int, end: int, *, final: bool) -> AsrRequest:
        return AsrRequest(
            pcm=self._window.slice(start, end),
            final=final,
            language=self._context.language,
            hotwords=self._context.hotwords,
            states=final and self._context.wants_states,
        )

    # ---------------------------------------------------------------- partials

    def _ask_partial(self, utterance: Utterance) -> None:
        settings, scheduler = self._context.profile.partials, self._context.scheduler
        if not settings.enabled or self._is_echo(utterance.start, self._window.end):
            return
        every_ms = between_partials_ms(settings, scheduler.waiting, scheduler.load())
        end = self._window.end
        utterance.next_partial = end + every_ms * SAMPLE_RATE // 1000
        window = (utterance.committed.window_start, end)
        future = scheduler.partial(self._key, self._request(*window, final=False))
        future.add_done_callback(functools.partial(self._show_partial, utterance, window))

    def _show_partial(
        self, utterance: Utterance, window: tuple[int, int], future: asyncio.Future[Transcript | None]
    ) -> None:
        if future.cancelled() or future.exception() is not None:
            return  # counted by the scheduler; the final will tell
        result = future.result()
        if result is None:
            self._context.dropped_partials += 1
            return
        if utterance is not self._open or not result.text:
            return
        if not result.words and window[0] > utterance.start:  # another model, without times: from the start
            utterance.committed = Committed(utterance.start)
            return
        if result.words:
            result = replace(result, text=utterance.committed.take(result.words, window))
        end = window[1]
        raw, reading = raw_and_reading(result)
        if utterance.shown and utterance.shown.text == reading and utterance.shown.stability == 1.0:
            return
        stability = utterance.agreement.update(reading)
        self._show(
            utterance,
            TranscriptEvent(
                utterance_id=utterance.id,
                revision=utterance.revision,
                channel=self._channel,
                role=self._context.roles.of(self._channel),
                final=False,
                start=utterance.start,
                end=end,
                stability=stability,
                text=reading,
                raw_text=raw,
                spans=language_spans(raw),
                confidence=result.confidence,
            ),
        )
        if utterance.shown is not None:
            self._tell(Partly(partial=utterance.shown))
        age = self._context.arrivals[self._channel].since(end)
        if age is not None:
            self._context.metrics.partial_age.observe(age)

    def _show(self, utterance: Utterance, event: TranscriptEvent) -> None:
        utterance.revision += 1
        utterance.shown = event
        self._context.emit(event)

    # ---------------------------------------------------------------- finals

    def _speculate(self, paused: SpeechPaused) -> None:
        """Start the final before the endpoint is certain; its text may keep the utterance open."""
        if self._open is None:
            return
        utterance = self._open
        utterance.speaking = False
        self._context.scheduler.drop_partial(self._key)
        if self._context.scheduler.load() > SPECULATE_BELOW:
            return
        request = self._request(utterance.start, paused.end, final=True)
        utterance.speculated_end = paused.end
        utterance.speculated = self._tasks.create_task(
            self._look_ahead(utterance, request), name=f"speculate {utterance.id}"
        )

    async def _look_ahead(self, utterance: Utterance, request: AsrRequest) -> Transcript:
        result = await self._recognise(request)
        waiting = utterance is self._open and not utterance.speaking
        if waiting and (is_unfinished(result.text) or ends_in_short_digits(result.text)):
            self._expect(Expect.MORE, utterance.start)
        elif waiting and is_finished(result.text):
            self._expect(Expect.END, utterance.start)
        return result

    def _resume(self) -> None:
        if self._open is None:
            return
        self._open.speaking = True
        if self._open.speculated:
            self._open.speculated.cancel()
            self._open.speculated = None

    async def _finish(self, ended: SpeechEnded) -> None:
        utterance = self._open
        if utterance is None:
            return
        self._context.scheduler.drop_partial(self._key)
        ahead = utterance.speculated
        if self._is_echo(ended.start, ended.speech_end):
            if ahead:
                ahead.cancel()
            result = _NOTHING_OF_ITS_OWN
        elif ahead and utterance.speculated_end == ended.end:
            result = await ahead
        else:
            if ahead:
                ahead.cancel()
            result = await self._recognise(self._request(utterance.start, ended.end, final=True))
        self._open = None
        answer = await self._context.voices.ask(self._channel, ended.start) if result.text else None
        self._publish(utterance, ended, result, answer)
        self._window.forget(min(ended.end, self._window.end - KEEP_SAMPLES))

    async def _recognise(self, request: AsrRequest) -> Transcript:
        """Return the final; when the model fails twice, an empty one that is marked as failed."""
        for _attempt in range(2):
            try:
                return await self._context.scheduler.final(request)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 (an engine may raise anything)
                _log.warning(
                    "recognition failed", call=self._context.spec.call_id, error=type(error).__name__
                )
        return Transcript(text="", language="", confidence=0.0, no_speech=0.0, rejected="failed")

    def _is_echo(self, start: int, end: int) -> bool:
        watch = self._context.watch
        return watch is not None and watch.is_echo(self._channel, start, end)

    def _publish(
        self, utterance: Utterance, ended: SpeechEnded, result: Transcript, answer: VoiceAnswer | None
    ) -> None:
        context, channel = self._context, self._channel
        context.speech += ended.speech_end - ended.start
        context.metrics.speech.inc((ended.speech_end - ended.start) / SAMPLE_RATE)
        edge = SpeechEdge(begin=False, channel=channel, at=ended.speech_end, utterance_id=utterance.id)
        context.emit(edge)
        if result.rejected:
            context.metrics.rejected.labels(result.rejected).inc()
        raw, reading = raw_and_reading(result)
        confidence: float | None = result.confidence
        if result.rejected == "failed":
            context.warn("RECOGNITION_FAILED", "an utterance could not be recognised; the call goes on")
            raw, reading, confidence = self._last_shown(utterance)
        if not reading and utterance.shown is None:
            return
        context.utterances += bool(reading)
        words = on_time_line(result.words, ended.start)
        speaker, labels = who_said(words, answer, channel, context.roles.of(channel))
        known = answer.roles if answer else {}
        final = TranscriptEvent(
            utterance_id=utterance.id,
            revision=utterance.revision,
            channel=channel,
            role=known.get(speaker or "", context.roles.of(channel)),
            final=True,
            start=ended.start,
            end=ended.end,
            stability=1.0,
            text=reading,
            raw_text=raw,
            words=words,
            speaker=speaker,
            word_speakers=labels,
            spans=language_spans(raw),
            confidence=confidence,
            forced=ended.reason is EndReason.FLUSH,
        )
        self._show(utterance, final)
        self._tell(Heard(final=final, states=result.states))
        latency = context.arrivals[channel].since(ended.speech_end)
        if latency is not None:
            context.metrics.final_latency.observe(latency)

    @staticmethod
    def _last_shown(utterance: Utterance) -> tuple[str, str, None]:
        """Return what the client saw last."""
        shown = utterance.shown
        return (shown.raw_text, shown.text, None) if shown else ("", "", None)
