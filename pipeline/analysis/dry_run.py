"""Alert rules, tried on a recorded call: what is kept of it goes through the core of live calls. Pure.

That is what was heard: edges of speech, finals (redacted), judgements of the voice, holds. Silence and curves
come out as they did live, to about a second. Calls of older releases lack the voice's score.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from diarization import Role
from emotion import AgitationSettings, SpeechWindow, VoiceReading
from pipeline.alerts.profile_rules import ProfileRules
from pipeline.calls.events import (
    AlertEvent,
    AlertState,
    CallEvent,
    ChannelFinding,
    EmotionEvent,
    Ended,
    Envelope,
    FindingKind,
    Mark,
    MarkKind,
    SpeechEdge,
    TranscriptEvent,
)
from pipeline.calls.info import SAMPLE_RATE
from pipeline.stages.emotion_core import CallEmotion, EmotionRules
from vad.endpointer import EndReason, SpeechBegan, SpeechEnded

STEP = SAMPLE_RATE // 2
"""Samples by which time goes on at once: the grid of the curve."""
NO_SOUND = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What rules would have done in a call.

    Attributes:
        alerts: in order, with every state.
        recorded: alerts that were raised when the call was live.
        audio: length of the call in samples.
        voiceless: its voices were judged, but the scores are not kept.
    """

    alerts: tuple[AlertEvent, ...]
    recorded: tuple[AlertEvent, ...]
    audio: int
    voiceless: bool


def dry_run(
    events: Iterable[Envelope], roles: Sequence[Role], agitation: AgitationSettings, found: ProfileRules
) -> DryRun:
    """Return what rules would have done.

    Args:
        events: all that is kept of a call, in order.
        roles: by channel.
        agitation: how evidence becomes agitation.
        found: the rules, and words of complaint.
    """
    run = _Run(roles, agitation, found)
    for envelope in events:
        run.take(envelope.event)
    return run.result()


class _Run:
    def __init__(self, roles: Sequence[Role], agitation: AgitationSettings, found: ProfileRules) -> None:
        numbers = itertools.count(1)
        self._channels = range(len(roles))
        self._roles = list(roles)
        self._core = CallEmotion(
            len(roles),
            lambda channel, _at: self._roles[channel],
            EmotionRules(
                agitation=agitation,
                lexicon=found.lexicon,
                rules=found.rules,
                alert_id=lambda: f"tried-{next(numbers)}",
            ),
        )
        self._at = 0
        self._held = False
        self._alerts: list[AlertEvent] = []
        self._recorded: list[AlertEvent] = []
        self._voiceless = False

    def take(self, event: CallEvent) -> None:
        match event:
            case SpeechEdge():
                self._advance(event.at)
                self._edge(event)
            case TranscriptEvent(final=True):
                self._advance(event.end)
                self._roles[event.channel] = event.role
                text = event.raw_text or event.text
                self._alerts += self._core.said(event.channel, text, event.start, event.end)[1]
            case EmotionEvent() if event.quality > 0:
                self._advance(event.end)
                self._voice(event)
            case Mark():
                self._advance(event.at)
                if event.kind in (MarkKind.PAUSE, MarkKind.RESUME):
                    self._held = event.kind is MarkKind.PAUSE
            case AlertEvent(state=AlertState.RAISED):
                self._recorded.append(event)
            case ChannelFinding(kind=FindingKind.SWAPPED, corrected=True):
                self._roles.reverse()
            case Ended():
                self._advance(event.audio)
            case _:
                pass

    def _advance(self, to: int) -> None:
        """Let time go on; finals and judgements may be of the past."""
        while self._at < to:
            step = min(STEP, to - self._at)
            for channel in self._channels:
                self._core.lose(channel, step)
            self._at += step
            self._alerts += self._core.advance(lambda _at: self._held)[1]

    def _edge(self, edge: SpeechEdge) -> None:
        if edge.begin:
            self._core.happened(edge.channel, SpeechBegan(start=edge.at))
            return
        ended = SpeechEnded(start=edge.at, end=edge.at, speech_end=edge.at, reason=EndReason.SILENCE)
        self._core.happened(edge.channel, ended)

    def _voice(self, event: EmotionEvent) -> None:
        if event.score is None:
            self._voiceless = True
            return
        reading = VoiceReading(
            quality=event.quality, reason=None, score=event.score, arousal=event.arousal or 0.0,
            valence=event.valence or 0.0, probabilities=event.probabilities, baseline=True,
        )  # fmt: skip
        window = SpeechWindow(start=event.start, end=event.end, pcm=NO_SOUND)
        self._core.judged(event.channel, window, reading, event.utterance_id)

    def result(self) -> DryRun:
        return DryRun(
            alerts=tuple(self._alerts),
            recorded=tuple(self._recorded),
            audio=self._at,
            voiceless=self._voiceless,
        )
