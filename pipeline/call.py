"""One call: its stages wired together, and its life from StartCall to Ended."""

from __future__ import annotations

import asyncio
import functools

import structlog

from asr.language import whisper_code
from diarization import Role
from pipeline.alerts.service import UnpublishedAlerts
from pipeline.calls.commands import CommandMessage
from pipeline.calls.events import Ended, ErrorEvent, LookState, SecondLookEvent, Started
from pipeline.calls.info import SAMPLE_RATE, CallInfo, CallSpec, InForce
from pipeline.calls.log import CallLog
from pipeline.calls.messages import CallMessage, EndCall, Reconnect
from pipeline.config import LimitSettings, ProfileSettings
from pipeline.errors import CallError, InternalFailure, SecondLookFailed, UnknownCall, leaves
from pipeline.record.recorder import CallRecorder
from pipeline.redaction.guard import CallGuard
from pipeline.services import CallServices
from pipeline.stages.context import CallContext
from pipeline.stages.crosstalk import ChannelWatch, EchoWatch, NoEcho
from pipeline.stages.emotion import EmotionStage, EmotionTools
from pipeline.stages.hearing import ChannelEars, Hearing, HearingTools
from pipeline.stages.inboxes import Inbox, Inboxes, TurnInbox
from pipeline.stages.ingest import Ingest
from pipeline.stages.mailbox import Mailbox, size_of_messages
from pipeline.stages.recording import RecordingStage
from pipeline.stages.speaker_lookup import SpeakerLookup
from pipeline.stages.speakers import SpeakerStage, SpeakerTools
from pipeline.stages.suggestions import SuggestionsOff
from pipeline.stages.transcribe import Transcribe
from pipeline.stages.transcribe.driver import TranscribeTools
from pipeline.stages.transcribe.machine import KEEP_SAMPLES, ChannelFacts, UtteranceMachine
from vad.endpointer import Endpointer

MAILBOX_S = 4.0
"""Audio that waits for the first stage. When full, the reader waits, and gRPC holds the client back."""
VOICE_S = 60
"""Audio that may wait to be told apart by voices: a client faster than real time shall lose no labels."""
KEPT_S = 120
"""Audio, over channels, that may wait to be kept: beyond it silence is kept in its place."""
GATHERED_S = 1
"""Audio of a channel that waits for more before the stage that keeps it is woken, s."""
CHANNELS_OF_A_CALL = 2
_LOOK_FAILED = "the recording could not be heard again; the server's log has the reason"

_log = structlog.get_logger(__name__)


class Call:
    """A call, independent of the stream that feeds it: a stream may break and another resume.

    Args:
        spec: the validated StartCall.
        log: its events.
        profile: settings that it chose.
        limits: of the server.
        services: shared by all calls.
        recorder: keeps it; None where nothing is kept.
    """

    def __init__(
        self,
        spec: CallSpec,
        log: CallLog,
        profile: ProfileSettings,
        limits: LimitSettings,
        services: CallServices,
        recorder: CallRecorder | None = None,
    ) -> None:
        self.spec = spec
        self.log = log
        self.error: CallError | None = None
        self._transferred_to: str | None = None
        self._services = services
        self._past = spec.past
        quiet = spec.past and services.alerts.enabled
        self._alerts = UnpublishedAlerts() if quiet else services.alerts
        self._recorder = recorder if recorder is not None and recorder.keeping.with_sound else None
        trace = services.tracer.call(spec)
        self._context = CallContext.begin(spec, profile, limits, services.metrics, log, trace)
        self._emotion = services.emotion.value
        self._voices = services.voices.value
        self._lookup = SpeakerLookup()
        self._guard = CallGuard(profile.redaction, len(spec.roles), self._context.controls.sensitive)
        if spec.part is not None:
            self._guard.remember(spec.part.said)
        self._echo = self._echo_watch()
        self._ingest = Ingest(self._context, self._echo)
        mixed = spec.roles == (Role.UNKNOWN,)  # one channel, of which nobody said who it is
        wanted = mixed and profile.diarization.second_look and self._voices.enabled
        self._spool = services.second_look.spool() if wanted else None
        self._speakers = SpeakerStage(
            self._context,
            SpeakerTools(
                voices=self._voices,
                thread=services.voice_thread,
                phrases=services.phrases.value[spec.info.profile],
                lookup=self._lookup,
                echo=self._echo,
                guard=self._guard,
                spool=self._spool,
            ),
        )
        self._mailbox: Mailbox[CallMessage] = Mailbox(
            int(MAILBOX_S * spec.sample_rate), size_of_messages(spec)
        )
        self._commands: list[CommandMessage] = []  # not answered yet; bounded by the requests under way

    @property
    def info(self) -> CallInfo:
        """Whose call it is."""
        return self.spec.info

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        return len(self._mailbox)

    @property
    def lag(self) -> int:
        """Samples of audio that came since the oldest speech whose final is still due."""
        return self._context.progress.lag

    @property
    def acked(self) -> int:
        """Samples of audio that are safe: everything said in them is in finals that were told."""
        return self._context.output.acked

    @property
    def on_hold(self) -> bool:
        """Whether a Pause is in force."""
        return self._context.controls.paused.now

    def in_force(self, at: int) -> InForce:
        """Return what the controls have come to at a sample."""
        return self._context.in_force(at)

    @property
    def speaking(self) -> bool:
        """Whether somebody is in the middle of a sentence, or its final is not told yet."""
        progress = self._context.progress
        open_ = progress.received - progress.acked > KEEP_SAMPLES + SAMPLE_RATE // 2
        return open_ or any(channel.due is not None for channel in progress.channels)

    @property
    def kept(self) -> bool:
        """Whether all sound that went to the record is on disk."""
        return self._recorder is None or not self._recorder.waits

    @property
    def reviewed(self) -> bool:
        """Whether a second look follows the call."""
        return self._spool is not None

    # ---------------------------------------------------------------- messages

    async def put(self, message: CallMessage) -> None:
        """Take the next message; waits while too much audio is waiting."""
        await self._mailbox.put(message)

    def command(self, message: CommandMessage) -> None:
        """Put a command into the stream of messages; refuses it where the call is over."""
        if self._mailbox.closed:
            message.refuse(UnknownCall("the call is ending"))
            return
        self._commands = [waiting for waiting in self._commands if not waiting.reply.done()]
        self._commands.append(message)
        self._mailbox.put_now(message)

    def close(self, reason: str, transferred_to: str | None = None) -> None:
        """End the call behind what was received so far; ``transferred_to``: who it was handed to."""
        self._mailbox.close(EndCall(reason=reason, transferred_to=transferred_to))

    def fail(self, error: CallError) -> None:
        """End the call because of ``error``, which the client is told."""
        self.error = self.error or error
        self.close(error.ended_reason)

    def greet(self, session_id: str, *, resumed: bool) -> None:
        """Acknowledge the call, also while the model warms; a new stream, behind what the old one sent."""
        if resumed:
            greet = functools.partial(self._greet, session_id, resumed=True)
            self._mailbox.put_now(Reconnect(greet=greet))
        else:
            self._greet(session_id, resumed=False)

    def _greet(self, session_id: str, *, resumed: bool) -> None:
        scheduler, language = self._services.scheduler, self._context.controls.language.now
        output = self._context.output
        output.emit(
            Started(
                session_id=session_id,
                language=language,
                profile=self.info.profile,
                model=scheduler.model.name,
                model_ready=scheduler.ready,
                resumed=resumed,
                received=self._context.progress.received,
            )
        )
        if scheduler.model.languages and whisper_code(language) not in scheduler.model.languages:
            known = ", ".join(scheduler.model.languages)
            output.warn("LANGUAGE_UNSUPPORTED", f"the model is meant for {known} and will write that")

    # ---------------------------------------------------------------- life

    async def run(self) -> None:
        """Work until the call has ended; never raises but CancelledError."""
        reason = "error"
        try:
            reason = await self._graph()
        except* CallError as group:
            self.error = self.error or next(leaves(group))
        except* Exception as group:  # noqa: BLE001 (the edge of the call: one call's failure stays its own)
            self._services.metrics.failures.labels("call").inc()
            _log.error("call failed", call=self.spec.call_id, error=type(next(leaves(group))).__name__)
            self.error = InternalFailure("the call failed inside the server; the log has the reason")
        finally:
            self._conclude("shutdown" if (own := asyncio.current_task()) and own.cancelling() else reason)

    async def _graph(self) -> str:
        """Wire the stages of the call; return why it ended.

        mailbox → hearing: ingest → voice detector → endpointer ─┬→ transcribe → the log
                                                                 ├──────┼→ emotion → the log
                                                                 ├──────┴→ speakers → the log
                                                                 ├───────→ suggestions → the log
                                                                 └───────→ recording → the record
        """
        inboxes = self._inboxes()
        emotion = EmotionStage(
            self._context,
            EmotionTools(
                engine=self._emotion,
                thread=self._services.emotion_thread,
                alerts=self._alerts,
                rules=self._services.rules.value[self.info.profile],
            ),
        )
        suggests = SuggestionsOff() if self._past else self._services.suggestions
        suggestions = suggests.stage(self._context, inboxes.emotion.offer)
        async with asyncio.TaskGroup() as tasks:
            if self._recorder is not None and inboxes.recording is not None:
                recording = RecordingStage(self._context, self._guard, self._recorder)
                tasks.create_task(recording.run(inboxes.recording), name="recording")
            tasks.create_task(emotion.run(inboxes.emotion), name="emotion")
            tasks.create_task(self._speakers.run(inboxes.speakers), name="speakers")
            tasks.create_task(suggestions.run(inboxes.suggestions), name="suggestions")
            ears = [self._ears(channel, inboxes, tasks) for channel in range(len(self.spec.roles))]
            hearing = Hearing(
                self._context,
                self._ingest,
                ears,
                HearingTools(
                    ticker=self._services.ticker,
                    detector=self._services.detector,
                    load=self._services.scheduler.load,
                    command=inboxes.command,
                ),
            )
            ended = tasks.create_task(hearing.run(self._mailbox, self.fail), name="hearing")
        end = ended.result()
        self._transferred_to = end.transferred_to
        return end.reason

    def _inboxes(self) -> Inboxes:
        """Return the inboxes of the assisting stages; only those that use the sound are woken by it."""
        emotion, speakers = Inbox(), Inbox(VOICE_S * SAMPLE_RATE)
        feels = self._emotion.enabled or self._services.alerts.enabled
        knows = self._voices.enabled or self._spool is not None
        listening = [inbox for inbox, wanted in ((emotion, feels), (speakers, knows)) if wanted]
        gathered = GATHERED_S * SAMPLE_RATE * len(self.spec.roles)
        recording = None if self._recorder is None else Inbox(KEPT_S * SAMPLE_RATE, gathered)
        if recording is not None:
            listening.append(recording)
        return Inboxes(
            emotion=emotion,
            speakers=speakers,
            suggestions=TurnInbox(),
            listening=tuple(listening),
            recording=recording,
        )

    def _ears(self, channel: int, inboxes: Inboxes, tasks: asyncio.TaskGroup) -> ChannelEars:
        """Return one channel's way from audio to utterances and their text."""
        context, profile = self._context, self._context.profile
        endpointer = Endpointer(profile.vad)
        tell = functools.partial(inboxes.offer, channel)
        machine = UtteranceMachine(
            ChannelFacts(
                channel=channel,
                controls=context.controls,
                roles=context.roles,
                echo=self._echo,
                partials=profile.partials,
                states=self._emotion.wants_states,
                first_id=self.spec.first_id,
            )
        )
        transcribe = Transcribe(
            context,
            channel,
            machine,
            TranscribeTools(
                scheduler=self._services.scheduler,
                guard=self._guard,
                lookup=self._lookup,
                expect=endpointer.expect,
                tell=tell,
                tasks=tasks,
            ),
        )
        stream = self._services.detector.stream()
        return ChannelEars(stream=stream, endpointer=endpointer, sink=transcribe, tell=tell)

    def _echo_watch(self) -> EchoWatch:
        watched = self._context.profile.diarization.crosstalk
        if len(self.spec.roles) != CHANNELS_OF_A_CALL or watched == "off":
            return NoEcho()
        return ChannelWatch(self._context, self._lookup, correct=watched == "correct")

    def _conclude(self, reason: str) -> None:
        context = self._context
        if self._spool is not None:
            self.log.hold_open()
        if self.error:
            context.output.emit(
                ErrorEvent(
                    code=self.error.code,
                    message=str(self.error),
                    retryable=self.error.retryable,
                    retry_after_ms=self.error.retry_after_ms,
                )
            )
            reason = self.error.ended_reason
        for event in self._guard.finish():
            context.output.emit(event)
        self.close(reason)
        for waiting in self._commands:
            waiting.refuse(UnknownCall("the call has ended"))
        context.output.emit(
            Ended(
                audio=self._ingest.position,
                speech=context.progress.totals.speech,
                utterances=context.progress.totals.utterances,
                gap=self._ingest.gap,
                reason=reason,
                second_look=self._spool is not None,
                transferred_to=self._transferred_to,
            )
        )
        metrics = self._services.metrics
        metrics.calls.labels(reason, metrics.company(self.info.tenant)).inc()
        audio_s = round(context.progress.received / SAMPLE_RATE, 1)
        utterances = context.progress.totals.utterances
        context.trace.end(reason=reason, audio_s=audio_s, utterances=utterances)
        _log.info("call ended", call=self.spec.call_id, audio_s=audio_s, utterances=utterances)

    # ---------------------------------------------------------------- behind the call

    async def look_again(self) -> None:
        """Hear the recording of the finished call again; tell its watchers what that changes."""
        output = self._context.output
        try:
            output.emit(await self._second_look())
        except asyncio.CancelledError:
            output.emit(SecondLookEvent(state=LookState.SKIPPED, reason="the server stops"))
            raise
        except SecondLookFailed as error:
            self._services.metrics.failures.labels("second look").inc()
            _log.warning("second look failed", call=self.spec.call_id, reason=str(error))
            output.emit(SecondLookEvent(state=LookState.FAILED, reason=_LOOK_FAILED))
        except Exception as error:  # noqa: BLE001 (one call's second look harms no other call)
            self._services.metrics.failures.labels("second look").inc()
            _log.error("second look failed", call=self.spec.call_id, error=type(error).__name__)
            output.emit(SecondLookEvent(state=LookState.FAILED, reason=_LOOK_FAILED))
        finally:
            self.forget()

    async def _second_look(self) -> SecondLookEvent:
        if self._spool is None:
            return SecondLookEvent(state=LookState.SKIPPED, reason="nothing was recorded")
        self._spool.finish()
        self._context.output.emit(SecondLookEvent(state=LookState.WAITING))
        turns = await self._services.second_look.review(self._spool)
        return SecondLookEvent(state=LookState.DONE, changed=self._speakers.review(turns))

    def forget(self) -> None:
        """Delete the recording and let nothing more come of the call; safe to call twice."""
        if self._spool is not None:
            self._spool.delete()
        self.log.close()
