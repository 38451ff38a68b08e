"""One call: its stages wired together, and its life from StartCall to Ended."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from asr.language import whisper_code
from diarization import Role
from diarization.evidence import read_phrases
from diarization.tracker import VoiceEngines
from emotion import EmotionEngine
from pipeline.advice.hub import KnowledgeHub
from pipeline.alerts.book import RuleBook
from pipeline.alerts.hub import AlertHub
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.errors import CallError, InternalFailure
from pipeline.events import SAMPLE_RATE, CallSpec, ClientMessage, EndCall, Ended, ErrorEvent, Started
from pipeline.mailbox import Mailbox
from pipeline.metrics import Metrics
from pipeline.pool import AsrScheduler
from pipeline.pulse import Pulse
from pipeline.review.recording import Recording
from pipeline.review.reviewer import Reviewer, ReviewError
from pipeline.speakers import LookState, SecondLookEvent
from pipeline.stages.advise import Advise, AdviseSettings
from pipeline.stages.affect import Affect, AffectSettings
from pipeline.stages.context import CallContext
from pipeline.stages.crosstalk import ChannelWatch
from pipeline.stages.diarize import Diarize, DiarizeSettings
from pipeline.stages.inbox import Inbox, Inboxes, TurnInbox
from pipeline.stages.ingest import ChannelQueue, Ingest
from pipeline.stages.segment import SegmentQueue, segment
from pipeline.stages.transcribe import Transcribe
from pipeline.vad_pool import VadPool
from vad.segmenter import Segmenter

MAILBOX_MESSAGES = 64
CHANNEL_ITEMS = 64
SEGMENT_ITEMS = 256
CHANNELS_OF_A_CALL = 2
_LOOK_FAILED = "the recording could not be heard again; the server's log has the reason"
VOICE_ITEMS = 1024
"""A minute of audio: a client that sends faster than in real time shall lose no labels."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Engines:
    """What all calls share; ``emotion`` may be exchanged for calls that begin later.

    Attributes:
        scheduler: the recogniser.
        vad: the voice detector.
        pulse: when calls look at what has come.
        metrics: where to count.
        emotion: the judge of voices; None without one.
        emotion_thread: where it runs.
        voices: tells voices apart; None where that is turned off.
        voice_thread: where it runs.
        reviewer: looks at recordings again; None where that is turned off.
        alerts: keeps alerts; None where they are turned off.
        knowledge: the knowledge base; None where nothing is suggested.
        book: rules and words by profile.
    """

    scheduler: AsrScheduler
    vad: VadPool
    pulse: Pulse
    metrics: Metrics
    emotion: EmotionEngine | None
    emotion_thread: Executor
    voices: VoiceEngines | None
    voice_thread: Executor
    reviewer: Reviewer | None
    alerts: AlertHub | None
    knowledge: KnowledgeHub | None
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
        watched = profile.diarization.crosstalk
        if len(spec.roles) == CHANNELS_OF_A_CALL and watched != "off":
            self.context.watch = ChannelWatch(self.context, correct=watched == "correct")
        self.recording = self._kept()
        self._diarize: Diarize | None = None
        self._affect_inbox = Inbox()
        self.advise = Advise(self.context, AdviseSettings(hub=engines.knowledge, affect=self._affect_inbox))
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

    def _kept(self) -> Recording | None:
        """Return where the call is kept for a second look: one channel, of which nobody said who it is."""
        wanted = self.context.profile.diarization.second_look and self._engines.voices is not None
        mixed = self.spec.roles == (Role.UNKNOWN,)
        return self._engines.reviewer.recording() if self._engines.reviewer and wanted and mixed else None

    async def look_again(self) -> None:
        """Look at the recording of the finished call; tell its watchers what that changes."""
        if self.recording is None:
            return
        context = self.context
        try:
            context.emit(await self._second_look(self.recording))
        except asyncio.CancelledError:
            context.emit(SecondLookEvent(state=LookState.SKIPPED, reason="the server stops"))
            raise
        except Exception as error:  # noqa: BLE001 (one call's second look harms no other call)
            self._engines.metrics.failures.labels("second look").inc()
            _log.error("second look failed", call=self.spec.call_id, error=type(error).__name__)
            context.emit(SecondLookEvent(state=LookState.FAILED, reason=_LOOK_FAILED))
        finally:
            self.forget_recording()

    def forget_recording(self) -> None:
        """Delete the recording and let nothing more come of the call; safe to call twice."""
        if self.recording is not None:
            self.recording.delete()
        self.context.log.close()

    async def _second_look(self, recording: Recording) -> SecondLookEvent:
        if self._engines.reviewer is None or self._diarize is None:
            return SecondLookEvent(state=LookState.SKIPPED, reason="the call ended before it began")
        recording.finish()
        self.context.emit(SecondLookEvent(state=LookState.WAITING))
        try:
            turns = await self._engines.reviewer.review(recording)
        except ReviewError as error:
            self._engines.metrics.failures.labels("second look").inc()
            _log.warning("second look failed", call=self.spec.call_id, reason=str(error))
            return SecondLookEvent(state=LookState.FAILED, reason=_LOOK_FAILED)
        return SecondLookEvent(state=LookState.DONE, changed=self._diarize.review(turns))

    async def _graph(self) -> str:
        """Wire the stages of one call; return why it ended.

        mailbox → ingest → (per channel) segment → transcribe → the event log
                                              ├─────────┼→ affect → the event log
                                              ├─────────┴→ diarize → the event log
                                              └──────────→ advise → the event log
        """
        context = self.context
        channels: list[ChannelQueue] = [asyncio.Queue(CHANNEL_ITEMS) for _ in self.spec.roles]
        affects, voices = self._affect_inbox, Inbox(VOICE_ITEMS)
        feels = self._engines.emotion is not None or self._engines.alerts is not None
        knows = self._engines.voices is not None or self.recording is not None
        listening = tuple(inbox for inbox, wanted in ((affects, feels), (voices, knows)) if wanted)
        inboxes = Inboxes(affect=affects, diarize=voices, advise=TurnInbox(), listening=listening)
        self._diarize = Diarize(
            context,
            DiarizeSettings(
                engines=self._engines.voices,
                thread=self._engines.voice_thread,
                phrases=read_phrases(context.profile.diarization.phrases),
                recording=self.recording,
            ),
        )
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
            tasks.create_task(affect.run(inboxes.affect), name="affect")
            tasks.create_task(self._diarize.run(inboxes.diarize), name="diarize")
            tasks.create_task(self.advise.run(inboxes.advise), name="advise")
            ended = tasks.create_task(
                Ingest(context, channels, self._engines.pulse).run(self.mailbox), name="ingest"
            )
            for index, channel in enumerate(channels):
                segments: SegmentQueue = asyncio.Queue(SEGMENT_ITEMS)
                segmenter = Segmenter(context.profile.vad)
                tell = functools.partial(inboxes.offer, index)
                vad = self._engines.vad.stream()
                tasks.create_task(
                    segment(channel, segments, vad, segmenter, self._engines.vad, tell),
                    name=f"segment {index}",
                )
                transcribe = Transcribe(context, index, segmenter.expect, tasks, tell)
                tasks.create_task(transcribe.run(segments), name=f"transcribe {index}")
        return ended.result().reason

    def _conclude(self, reason: str) -> None:
        context = self.context
        if self.recording is not None:
            context.log.hold_open()
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
                second_look=self.recording is not None,
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
