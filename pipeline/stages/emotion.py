"""Fourth stage: speech and finals of all channels in; emotion, agitation and alerts out.

This stage only ever assists: its inbox never makes another stage wait, and a failure in it is told once
and leaves the transcript alone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from emotion import EmotionEngine, SpeechWindow, VoiceReading, VoiceWindow
from pipeline.alerts.profile_rules import ProfileRules
from pipeline.alerts.service import AlertPublisher
from pipeline.calls.commands import CloseAlert, CommandMessage
from pipeline.calls.events import AlertEvent
from pipeline.stages.context import CallContext
from pipeline.stages.emotion_core import CallEmotion, EmotionRules
from pipeline.stages.inboxes import Inbox, InboxItem
from pipeline.stages.items import AudioBlock, Close, FinalReady, LookupOutcome
from vad.endpointer import SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionTools:
    """What the stage needs from the server.

    Attributes:
        engine: judges voices.
        thread: where it runs.
        alerts: keeps alerts.
        rules: rules and words of the profile.
    """

    engine: EmotionEngine
    thread: Executor
    alerts: AlertPublisher
    rules: ProfileRules


class EmotionStage:
    """Runs the stage for one call.

    Args:
        context: of the call.
        tools: from the server.
    """

    def __init__(self, context: CallContext, tools: EmotionTools) -> None:
        self._context = context
        self._tools = tools
        self._wants_states = tools.engine.wants_states
        self._wants_sound = tools.engine.enabled and not self._wants_states
        channels = len(context.spec.roles)
        self._streams = [tools.engine.stream() for _ in range(channels)]
        self._failed: set[int] = set()  # channels whose voice is no longer judged
        rules = tools.rules.rules if tools.alerts.enabled else ()
        self._expiry = {rule.name: rule.expire_s for rule in rules}
        self._core = CallEmotion(
            channels,
            lambda channel, at: context.roles.of(channel, at),
            EmotionRules(
                agitation=context.profile.agitation,
                lexicon=tools.rules.lexicon,
                rules=rules,
                alert_id=lambda: secrets.token_urlsafe(9),
                earlier_calls=context.spec.earlier_calls,
                first_id=context.spec.first_id,
            ),
        )

    async def run(self, inbox: Inbox) -> None:
        """Work until every channel is closed."""
        left, failed = len(self._streams), False
        try:
            while left:
                channel, lost, item = await inbox.get()
                left -= isinstance(item, Close)
                if not failed:
                    failed = not await self._guarded(channel, lost, item)
                elif isinstance(item, CommandMessage):
                    self._command(item)
        finally:
            self._context.metrics.dropped.labels("emotion").inc(inbox.dropped)

    async def _guarded(self, channel: int, lost: int, item: InboxItem) -> bool:
        """Take an item; return whether the stage still works."""
        output = self._context.output
        try:
            if lost:
                self._core.lose(channel, lost)
                output.warn("EMOTION_BEHIND", "some speech was not judged, to keep the transcript in time")
            await self._take(channel, item)
        except Exception as error:  # noqa: BLE001 (an assisting stage never breaks the call)
            self._context.metrics.failures.labels("emotion stage").inc()
            _log.error("emotion stage failed", call=self._context.spec.call_id, error=type(error).__name__)
            output.warn("EMOTION_FAILED", "emotion and alerts of this call have stopped; the call goes on")
            return False
        return True

    async def _take(self, channel: int, item: InboxItem) -> None:
        core = self._core
        match item:
            case AudioBlock(pcm=pcm):
                await self._judge_sound(channel, core.hear(channel, pcm))
                self._advance()
            case SpeechBegan() | SpeechPaused() | SpeechResumed() | SpeechEnded():
                await self._judge_sound(channel, core.happened(channel, item))
            case FinalReady(final=final):
                self._alert(core.said(channel, final.raw_text, final.start, final.end)[1])
                await self._judge_states(channel, item)
            case LookupOutcome(failed=failed, at=at):
                self._alert(core.looked_up(channel, failed=failed, at=at))
            case CommandMessage():
                self._command(item)
            case Close():
                await self._judge_sound(channel, core.finish(channel))
                self._advance()

    # ---------------------------------------------------------------- voice

    async def _judge_sound(self, channel: int, windows: Sequence[SpeechWindow]) -> None:
        """Judge windows by their sound, for a model that reads sound."""
        if self._wants_sound:
            for window in windows:
                await self._judge(channel, window, VoiceWindow(pcm=window.pcm), None)

    async def _judge_states(self, channel: int, ready: FinalReady) -> None:
        """Judge a whole utterance by the recogniser's states, for a model that reads them."""
        if self._wants_states and ready.states is not None:
            window = self._core.cut(channel, ready.final.start, ready.final.end)
            voice = VoiceWindow(pcm=window.pcm, states=ready.states)
            await self._judge(channel, window, voice, ready.final.utterance_id)

    async def _judge(
        self, channel: int, window: SpeechWindow, voice: VoiceWindow, utterance_id: str | None
    ) -> None:
        if channel in self._failed:
            return
        try:
            reading = await self._read(self._streams[channel].read, voice)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 (a model may raise anything; words and behaviour go on)
            self._failed.add(channel)
            self._context.metrics.failures.labels("emotion").inc()
            _log.error("emotion failed", call=self._context.spec.call_id, error=type(error).__name__)
            self._context.output.warn("EMOTION_FAILED", "the voice is no longer judged; the call goes on")
            return
        event = self._core.judged(channel, window, reading, utterance_id)
        if event is not None:
            self._context.output.emit(event)

    async def _read(self, read: Callable[[VoiceWindow], VoiceReading], window: VoiceWindow) -> VoiceReading:
        began = time.monotonic()
        reading = await asyncio.get_running_loop().run_in_executor(self._tools.thread, read, window)
        self._context.metrics.emotion.observe(time.monotonic() - began)
        return reading

    # ---------------------------------------------------------------- time and alerts

    def _advance(self) -> None:
        """Publish what became certain with the audio so far."""
        points, alerts = self._core.advance(self._held)
        for channel, point in points:
            event = self._core.point_event(channel, point)
            if event is not None:
                self._context.output.emit(event)
        self._alert(alerts)

    def _held(self, at: int) -> bool:
        """Tell whether silence at a sample is nobody's: on hold, or audio that nobody sent."""
        return self._context.controls.paused.at(at) or at <= self._context.progress.gap_end

    def _alert(self, events: Sequence[AlertEvent]) -> None:
        for event in events:
            self._context.output.emit(event)
            self._tools.alerts.publish(self._context.spec.info, event, self._expiry[event.rule])

    def _command(self, message: CommandMessage) -> None:
        if isinstance(message.command, CloseAlert):
            self._core.close_alert(message.command.event.alert_id)
            self._context.output.emit(message.command.event)
            message.answer()
