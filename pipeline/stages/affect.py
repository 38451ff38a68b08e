"""Fourth stage: speech and finals of all channels in; emotion, agitation and alerts out.

This stage only ever assists: its inbox never makes another stage wait, and a failure in it is told once
and leaves the transcript alone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from diarization import Role
from emotion import (
    AgitationPoint,
    Conversation,
    EmotionEngine,
    EmotionStream,
    SpeakerAffect,
    SpeechCollector,
    SpeechWindow,
    VoiceReading,
    VoiceWindow,
    restrained,
)
from pipeline.alerts.book import Page
from pipeline.alerts.hub import AlertHub
from pipeline.alerts.machine import AlertMachine
from pipeline.alerts.record import CallInfo
from pipeline.assist import AlertEvent, EmotionEvent
from pipeline.events import SAMPLE_RATE, TranscriptEvent
from pipeline.stages.context import CallContext
from pipeline.stages.heard import Answered, Heard
from pipeline.stages.inbox import Inbox, InboxItem
from pipeline.stages.ingest import AudioBlock, Close
from vad.segmenter import EndReason, SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

LATEST = 2 * SAMPLE_RATE
"""How far one channel's audio may be behind the other's before it is no longer waited for."""
CHANGE = 0.04
"""Of agitation, from which a point is worth an event of its own."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class _Speaker:
    """One channel."""

    affect: SpeakerAffect
    collector: SpeechCollector
    stream: EmotionStream | None
    speaking: bool = False
    utterances: int = 0
    shown: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectSettings:
    """What the stage needs from the server.

    Attributes:
        engine: of the voice; None where emotion is turned off or has no model.
        thread: where it runs.
        hub: keeps alerts; None where they are turned off.
        page: rules and words of the profile.
    """

    engine: EmotionEngine | None
    thread: Executor
    hub: AlertHub | None
    page: Page


class Affect:
    """Runs the stage for one call.

    Args:
        context: of the call.
        settings: from the server.
    """

    def __init__(self, context: CallContext, settings: AffectSettings) -> None:
        self._context = context
        self._settings = settings
        self._wants_states = settings.engine is not None and settings.engine.wants_states
        self._speakers = [
            _Speaker(
                affect=SpeakerAffect(
                    context.profile.agitation, settings.page.lexicon, context.spec.earlier_calls
                ),
                collector=SpeechCollector(),
                stream=settings.engine.stream() if settings.engine else None,
            )
            for _role in context.spec.roles
        ]
        self._conversation = Conversation([speaker.affect for speaker in self._speakers])
        rules = settings.page.rules if settings.hub else ()
        self._machine = AlertMachine(rules, lambda: secrets.token_urlsafe(9), context.roles.of)
        self._expiry = {rule.name: rule.expire_s for rule in rules}
        spec = context.spec
        self._call = CallInfo(
            call_id=spec.call_id, tenant=spec.tenant, queue=spec.queue, agent_id=spec.agent_id
        )

    async def run(self, inbox: Inbox) -> None:
        """Work until every channel is closed."""
        left = len(self._speakers)
        try:
            while left:
                channel, lost, item = await inbox.get()
                if lost:
                    self._speakers[channel].collector.lose(lost)
                    self._context.warn(
                        "EMOTION_BEHIND", "some speech was not judged, to keep the transcript in time"
                    )
                await self._take(channel, item)
                left -= isinstance(item, Close)
        except Exception as error:  # noqa: BLE001 (an assisting stage never breaks the call)
            self._context.metrics.failures.labels("affect").inc()
            _log.error("affect failed", call=self._context.spec.call_id, error=type(error).__name__)
            self._context.warn(
                "EMOTION_FAILED", "emotion and alerts of this call have stopped; the call goes on"
            )
        finally:
            self._context.metrics.dropped.labels("affect").inc(inbox.dropped)
            if self._settings.hub:
                self._settings.hub.forget_call(self._closed)

    async def _take(self, channel: int, item: InboxItem) -> None:
        speaker = self._speakers[channel]
        match item:
            case AudioBlock(pcm=pcm):
                await self._judge(channel, speaker.collector.hear(pcm))
                self._advance()
            case SpeechBegan(start=start):
                self._begins(channel, start)
            case SpeechPaused():
                speaker.collector.pause()
            case SpeechResumed():
                speaker.collector.resume()
            case SpeechEnded():
                self._ends(channel, item)
                await self._judge(channel, speaker.collector.end(item.speech_end))
            case Heard(final=final):
                self._said(channel, final)
                await self._judge_states(channel, item)
            case Answered(failed=failed, at=at):
                self._alert(self._machine.suggestion(channel, failed=failed, at=at))
            case Close():
                await self._judge(channel, speaker.collector.finish())
                self._advance()

    # ---------------------------------------------------------------- speech

    def _begins(self, channel: int, start: int) -> None:
        speaker = self._speakers[channel]
        speaker.speaking = True
        self._machine.spoke(start)
        speaker.utterances += 1
        speaker.collector.begin(start)
        self._conversation.begins(channel, start)

    def _ends(self, channel: int, ended: SpeechEnded) -> None:
        self._speakers[channel].speaking = False
        self._machine.spoke(ended.speech_end)
        self._conversation.ends(channel, ended.speech_end, cut=ended.reason is EndReason.LENGTH)

    def _said(self, channel: int, final: TranscriptEvent) -> None:
        reading = self._speakers[channel].affect.said(final.raw_text, start=final.start, end=final.end)
        self._alert(self._machine.said(channel, final.raw_text, reading, start=final.start, end=final.end))

    # ---------------------------------------------------------------- voice

    async def _judge_states(self, channel: int, heard: Heard) -> None:
        """Judge a whole utterance by the recogniser's states, for a model that reads them."""
        if self._wants_states and heard.states is not None:
            window = self._speakers[channel].collector.cut(heard.final.start, heard.final.end)
            await self._judge(channel, [window], heard)

    async def _judge(self, channel: int, windows: Sequence[SpeechWindow], heard: Heard | None = None) -> None:
        speaker = self._speakers[channel]
        newest = f"{channel}-{speaker.utterances}" if speaker.utterances else None
        utterance_id = heard.final.utterance_id if heard else newest
        states = heard.states if heard else None
        for window in windows:
            if speaker.stream is None or self._wants_states is (heard is None):
                return
            try:
                reading = await self._read(speaker.stream, VoiceWindow(pcm=window.pcm, states=states))
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 (a model may raise anything; words and behaviour go on)
                speaker.stream = None
                self._context.metrics.failures.labels("emotion").inc()
                _log.error("emotion failed", call=self._context.spec.call_id, error=type(error).__name__)
                self._context.warn("EMOTION_FAILED", "the voice is no longer judged; the call goes on")
                return
            if reading.quality > 0:
                speaker.affect.voice(window.end, reading)
                self._show_voice(channel, utterance_id, window, reading)

    async def _read(self, stream: EmotionStream, window: VoiceWindow) -> VoiceReading:
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        reading = await loop.run_in_executor(self._settings.thread, stream.read, window)
        self._context.metrics.emotion.observe(time.monotonic() - began)
        return reading

    def _show_voice(
        self, channel: int, utterance_id: str | None, window: SpeechWindow, reading: VoiceReading
    ) -> None:
        speaker = self._speakers[channel]
        point = self._point(channel)
        supported = speaker.affect.point is not None and speaker.affect.point.supported
        self._context.emit(
            EmotionEvent(
                utterance_id=utterance_id,
                channel=channel,
                role=self._context.roles.of(channel),
                start=window.start,
                end=window.end,
                quality=reading.quality,
                arousal=reading.arousal,
                valence=reading.valence,
                probabilities=restrained(dict(reading.probabilities), supported=supported),
                agitation=point,
            )
        )
        speaker.shown = point.value if point else speaker.shown

    def _point(self, channel: int) -> AgitationPoint | None:
        """Return the newest point of a customer's curve; agents have none that is shown."""
        if self._context.roles.of(channel) is Role.AGENT:
            return None
        return self._speakers[channel].affect.point

    # ---------------------------------------------------------------- time

    def _advance(self) -> None:
        """Bring curves and rules up to what was heard on every channel."""
        positions = [speaker.collector.position for speaker in self._speakers]
        to = max(min(positions), max(positions) - LATEST)  # a channel that sends nothing stops nobody's curve
        held = self._context.paused or to <= self._context.gap_end
        if held or any(speaker.speaking for speaker in self._speakers):
            self._machine.spoke(to)
        for channel, speaker in enumerate(self._speakers):
            for point in speaker.affect.advance(to):
                self._alert(
                    self._machine.agitation(channel, point, speaker.affect.hits, speaker.affect.doings)
                )
                self._show_point(channel, point)
        self._alert(self._machine.advance(to))

    def _show_point(self, channel: int, point: AgitationPoint) -> None:
        speaker, role = self._speakers[channel], self._context.roles.of(channel)
        if role is Role.AGENT or abs(point.value - speaker.shown) < CHANGE or point.at % SAMPLE_RATE:
            return
        speaker.shown = point.value
        self._context.emit(
            EmotionEvent(
                utterance_id=None, channel=channel, role=role, start=point.at, end=point.at, agitation=point
            )
        )

    # ---------------------------------------------------------------- alerts

    def _alert(self, events: Sequence[AlertEvent]) -> None:
        for event in events:
            self._context.emit(event)
            if self._settings.hub:
                self._settings.hub.publish(self._call, event, self._expiry[event.rule], self._closed)

    def _closed(self, event: AlertEvent) -> None:
        """Somebody took an alert, or nobody did in time."""
        self._machine.acknowledge(event.alert_id)
        self._context.emit(event)
