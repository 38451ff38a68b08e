"""One call: its stages wired together, and its life from StartCall to Ended."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from asr.language import whisper_code
from emotion import EmotionEngine
from pipeline.alerts.book import RuleBook
from pipeline.alerts.hub import AlertHub
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.errors import CallError, InternalFailure
from pipeline.events import SAMPLE_RATE, CallSpec, ClientMessage, EndCall, Ended, ErrorEvent, Started
from pipeline.mailbox import Mailbox
from pipeline.metrics import Metrics
from pipeline.pool import AsrScheduler
from pipeline.stages.affect import Affect, AffectSettings
from pipeline.stages.affect_inbox import AffectInbox
from pipeline.stages.context import CallContext
from pipeline.stages.ingest import ChannelQueue, Ingest
from pipeline.stages.segment import SegmentQueue, segment
from pipeline.stages.transcribe import Transcribe
from vad import VadEngine
from vad.segmenter import Segmenter

MAILBOX_MESSAGES = 64
CHANNEL_ITEMS = 64
SEGMENT_ITEMS = 256

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Engines:
    """What all calls share; ``emotion`` may be exchanged for calls that begin later.

    Attributes:
        scheduler: the recogniser.
        vad: the voice detector.
        vad_thread: where it runs.
        metrics: where to count.
        emotion: the judge of voices; None without one.
        emotion_thread: where it runs.
        alerts: keeps alerts; None where they are turned off.
        book: rules and words by profile.
    """

    scheduler: AsrScheduler
    vad: VadEngine
    vad_thread: Executor
    metrics: Metrics
    emotion: EmotionEngine | None
    emotion_thread: Executor
    alerts: AlertHub | None
    book: RuleBook


class CallSession:
    """A call, independent of the stream that feeds it: a stream may break and another resume.

    Args:
        session_id: unguessable; a resuming stream must name it.
        spec: the validated StartCall.
        profile: settings that the call chose.
        limits: of the server.
        engines: shared by all calls.
    """

    def __init__(
        self,
        session_id: str,
        spec: CallSpec,
        profile: ProfileSettings,
        limits: LimitSettings,
        engines: Engines,
    ) -> None:
        self.session_id = session_id
        self.spec = spec
        self.error: CallError | None = None
        self.context = CallContext(spec, profile, limits, engines.scheduler, engines.metrics)
        self.context.wants_states = engines.emotion is not None and engines.emotion.wants_states
        self._engines = engines
        # When full, the stream's reader waits, and gRPC holds the client back.
        self.mailbox: Mailbox[ClientMessage] = Mailbox(MAILBOX_MESSAGES)

    def greet(self, *, resumed: bool) -> None:
        """Acknowledge the call, also while the model still warms."""
        if resumed:
            for timeline in self.context.timelines:
                timeline.reconnect()
        self.context.emit(
            Started(
                session_id=self.session_id,
                language=self.context.language,
                profile=self.spec.profile,
                model=self._engines.scheduler.model.name,
                model_ready=self._engines.scheduler.ready,
                resumed=resumed,
            )
        )
        languages = self._engines.scheduler.model.languages
        if languages and whisper_code(self.context.language) not in languages:
            known = ", ".join(languages)
            self.context.warn("LANGUAGE_UNSUPPORTED", f"the model is meant for {known} and will write that")

    def close(self, reason: str) -> None:
        """End the call behind what was received so far."""
        self.mailbox.close(EndCall(reason=reason))

    def fail(self, error: CallError) -> None:
        """End the call because of ``error``, which the client is told."""
        if self.error is None:
            self.error = error
        self.close("error")

    async def run(self) -> None:
        """Work until the call has ended; never raises but CancelledError."""
        reason = "error"
        try:
            reason = await self._graph()
        except* CallError as group:
            self.error = self.error or _first(group)
        except* Exception as group:  # noqa: BLE001 (the edge of the session: one call's failure stays its own)
            self._engines.metrics.failures.labels("session").inc()
            _log.error("call failed", call=self.spec.call_id, error=type(_first_any(group)).__name__)
            self.error = InternalFailure("the call failed inside the server; the log has the reason")
        finally:
            self._conclude(reason)

    async def _graph(self) -> str:
        """Wire the stages of one call; return why it ended.

        mailbox → ingest → (per channel) segment → transcribe → the event log
                                              └─────────┴→ affect → the event log
        """
        context = self.context
        channels: list[ChannelQueue] = [asyncio.Queue(CHANNEL_ITEMS) for _ in self.spec.roles]
        inbox = AffectInbox()
        affect = Affect(
            context,
            AffectSettings(
                engine=self._engines.emotion,
                thread=self._engines.emotion_thread,
                hub=self._engines.alerts,
                page=self._engines.book.page(self.spec.profile),
            ),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(affect.run(inbox), name="affect")
            ended = tasks.create_task(Ingest(context, channels).run(self.mailbox), name="ingest")
            for index, channel in enumerate(channels):
                segments: SegmentQueue = asyncio.Queue(SEGMENT_ITEMS)
                segmenter = Segmenter(context.profile.vad)
                tell = functools.partial(inbox.offer, index)
                vad = self._engines.vad.stream()
                tasks.create_task(
                    segment(channel, segments, vad, segmenter, self._engines.vad_thread, tell),
                    name=f"segment {index}",
                )
                transcribe = Transcribe(context, index, segmenter.hold_open, tasks, tell)
                tasks.create_task(transcribe.run(segments), name=f"transcribe {index}")
        return ended.result().reason

    def _conclude(self, reason: str) -> None:
        context = self.context
        if self.error:
            context.emit(
                ErrorEvent(
                    code=self.error.code,
                    message=str(self.error),
                    retryable=self.error.retryable,
                    retry_after_ms=self.error.retry_after_ms,
                )
            )
            reason = "error"
        context.emit(
            Ended(
                audio=max(timeline.position for timeline in context.timelines),
                speech=context.speech,
                utterances=context.utterances,
                gap=max(timeline.gap_samples for timeline in context.timelines)
                * SAMPLE_RATE
                // self.spec.sample_rate,
                reason=reason,
            )
        )
        self.mailbox.close(EndCall(reason=reason))
        self._engines.metrics.calls.labels(reason).inc()


def _first(group: BaseExceptionGroup[CallError]) -> CallError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _first_any(group: BaseExceptionGroup[Exception]) -> Exception:
    found = group.exceptions[0]
    return _first_any(found) if isinstance(found, BaseExceptionGroup) else found
