"""Speakers, beside the third stage: whose voice is heard. On failure, transcripts go on without labels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import structlog

from diarization import Role, SpeakerTurn
from diarization.evidence import RoleEvidence, RolePhrases
from diarization.tracker import Tracker, Voices
from diarization.turns import letter
from pipeline.calls.events import SpeakersEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.inference.spool import CallSpool
from pipeline.redaction.guard import CallGuard
from pipeline.redaction.recording import GuardedSound
from pipeline.stages.attribution import SpeakerAttribution
from pipeline.stages.context import CallContext
from pipeline.stages.crosstalk import EchoWatch
from pipeline.stages.inboxes import Inbox, InboxItem
from pipeline.stages.items import AudioBlock, Close, FinalReady
from pipeline.stages.speaker_lookup import SpeakerLookup, VoiceAnswer
from pipeline.stages.window import AudioWindow
from vad.endpointer import SpeechBegan, SpeechEnded

KEEP_SAMPLES = 7 * SAMPLE_RATE
"""Audio kept while nobody speaks: context, pre-roll and detection delay together."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTools:
    """What the stage needs from the server.

    Attributes:
        voices: tells voices apart.
        thread: where they run.
        phrases: of agents and customers.
        lookup: where the transcribing stage asks who spoke.
        echo: whether both channels carry the same.
        spool: where a call of one channel is kept for a second look; None if there is none.
        guard: tells what of it must not be heard.
    """

    voices: Voices
    thread: Executor
    phrases: RolePhrases
    lookup: SpeakerLookup
    echo: EchoWatch
    guard: CallGuard
    spool: CallSpool | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Channel:
    window: AudioWindow
    tracker: Tracker
    open: int | None = None


class SpeakerStage:
    """Runs the stage for one call.

    Args:
        context: of the call.
        tools: from the server, and of the call.
    """

    def __init__(self, context: CallContext, tools: SpeakerTools) -> None:
        self._context, self._tools = context, tools
        profile = context.profile.diarization
        alone = len(context.spec.roles) == 1
        self._attribution = SpeakerAttribution(
            context.roles,
            RoleEvidence(tools.phrases, first_voice=0.8 if alone else 0.0),
            correct_swap=profile.swapped_channels == "correct",
            voices=tools.voices.enabled or tools.spool is not None,
        )
        self._attribution.watch_swap = profile.swapped_channels != "off"
        self._sound = GuardedSound(0, tools.guard, lambda: context.progress.channels[0].safe)
        self._channels = [
            _Channel(window=AudioWindow(), tracker=tools.voices.tracker(letter(index)))
            for index in range(len(context.spec.roles))
        ]
        if tools.voices.enabled:
            tools.lookup.open = True
            unknown = [index for index, role in enumerate(context.spec.roles) if role is Role.UNKNOWN]
            tools.lookup.asked_for.update(unknown)

    def _one_line(self) -> bool:
        """Tell whether all voices of the call come over one channel."""
        return len(self._context.spec.roles) == 1 or self._tools.echo.identical

    async def run(self, inbox: Inbox) -> None:
        """Work until every channel is closed."""
        left = len(self._channels)
        try:
            while left:
                channel, lost, item = await inbox.get()
                if lost:
                    self._lose(channel, lost)
                await self._take(channel, item)
                left -= isinstance(item, Close)
        except Exception as error:  # noqa: BLE001 (an assisting stage never breaks the call)
            self._context.metrics.failures.labels("speakers").inc()
            _log.error("speakers failed", call=self._context.spec.call_id, error=type(error).__name__)
            self._tools.lookup.open = False
            self._context.output.warn(
                "DIARIZATION_FAILED", "voices are no longer told apart; the call goes on"
            )
        finally:
            self._context.metrics.dropped.labels("speakers").inc(inbox.dropped)

    def review(self, turns: Sequence[SpeakerTurn]) -> int:
        """Take what a second look says; tell what it changes, and return how many utterances that is."""
        events, changed = self._attribution.review(turns)
        self._emit(events)
        return changed

    def _lose(self, channel: int, samples: int) -> None:
        """Put silence where audio was left out: positions must stay right."""
        self._hear(channel, AudioBlock(pcm=np.zeros(samples, np.float32)))
        self._context.output.warn(
            "DIARIZATION_BEHIND", "some speech was not heard for its voice, to keep the pace"
        )

    async def _take(self, channel: int, item: InboxItem) -> None:
        state = self._channels[channel]
        match item:
            case AudioBlock():
                self._hear(channel, item)
            case SpeechBegan(start=start):
                state.open = start
            case SpeechEnded(start=start, end=end):
                state.open = None
                if self._tools.voices.enabled:
                    await self._listen(channel, start, end)
            case FinalReady(final=final):
                self._attribution.watch_swap = self._attribution.watch_swap and not self._context.roles.told
                self._emit(self._attribution.said(final))
            case Close() if self._tools.spool is not None:
                for pcm in self._sound.finish():
                    self._tools.spool.write(pcm)
            case _:
                pass

    def _hear(self, channel: int, block: AudioBlock) -> None:
        window = self._channels[channel].window
        window.append(block.pcm)
        if self._tools.spool is not None:  # of a call of one channel
            for pcm in self._sound.hear(block.pcm):
                self._tools.spool.write(pcm)
        start = self._channels[channel].open
        window.forget((window.end if start is None else start) - KEEP_SAMPLES)

    async def _listen(self, channel: int, start: int, end: int) -> None:
        """Tell the voices of an utterance apart."""
        state = self._channels[channel]
        mixed = self._context.roles.of(channel) is Role.UNKNOWN and self._one_line()
        state.tracker.usual(2 if mixed else 1)
        origin = max(0, start - state.tracker.context, state.window.start)
        pcm = state.window.slice(origin, end)
        loop = asyncio.get_running_loop()
        with self._context.metrics.diarization.time():
            changes = await loop.run_in_executor(
                self._tools.thread, state.tracker.utterance, start, pcm, origin, start, end
            )
        events = self._attribution.heard(channel, changes)
        self._tools.lookup.answer(
            channel, start, VoiceAnswer(turns=changes.get(start, ()), roles=self._attribution.roles())
        )
        self._emit(events)

    def _emit(self, events: Iterable[SpeakersEvent]) -> None:
        for event in events:
            self._context.output.emit(event)
