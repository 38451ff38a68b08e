"""A recording as a call: the cores of the live stages in one loop, without clock or threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from diarization import Role
from emotion import AgitationPoint, AgitationSettings, EmotionEngine, EmotionStream, SpeechWindow, VoiceWindow
from emotion.words import EmotionLexicon
from pipeline.alerts.rules import Rule
from pipeline.analysis.report import CallReport, ChannelReport, JudgedWindow
from pipeline.calls.events import AlertEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.stages.emotion_core import CallEmotion, EmotionRules
from vad import VadEngine, VadStream
from vad.endpointer import Endpointer, EndpointerSettings, EndpointEvent, SpeechEnded

Pcm = NDArray[np.float32]
Recognise = Callable[[int, int, Pcm], str]
"""Gets channel, first sample and audio of an utterance; returns its text."""

BLOCK = SAMPLE_RATE // 10
"""Samples taken from every channel in turn, so that channels go forward together."""
SHORT_S = 15.0
LENIENT = 0.15
"""Speech probability that begins an utterance in a short recording in which nothing was found otherwise."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Channel:
    index: int
    pcm: Pcm
    detector: VadStream
    endpointer: Endpointer
    stream: EmotionStream
    windows: list[JudgedWindow] = field(default_factory=list)
    curve: list[AgitationPoint] = field(default_factory=list)
    words: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What an analysis works with.

    Attributes:
        engine: of the voice.
        vad: the voice detector.
        cuts: how utterances are cut.
        lexicon: words of complaint.
        agitation: how evidence becomes agitation.
        rules: of alerts; none by default.
        recognise: turns an utterance into text; None leaves the words out.
    """

    engine: EmotionEngine
    vad: VadEngine
    cuts: EndpointerSettings
    lexicon: EmotionLexicon
    agitation: AgitationSettings
    rules: Sequence[Rule] = ()
    recognise: Recognise | None = None


def analyse(
    channels: Sequence[Pcm], roles: Sequence[Role], tools: Tools,
    heard: Callable[[int], None] = lambda _samples: None,
) -> CallReport:  # fmt: skip
    """Analyse one recording.

    A short recording may begin in the middle of a word, and the voice detector may then find nothing that
    can be judged; such a one is heard again with lower thresholds.

    Args:
        channels: float32 at 16 kHz, each of shape (n,).
        roles: of each channel.
        tools: to work with.
        heard: told how many samples were done, for progress.
    """
    report = _Analysis(channels, roles, tools).run(heard)
    short = max(len(pcm) for pcm in channels) <= SHORT_S * SAMPLE_RATE
    windows = [window for channel in report.channels for window in channel.windows]
    if short and not any(window.reading.quality > 0 for window in windows):
        lenient = replace(tools.cuts, onset=LENIENT, offset=LENIENT / 2)
        return _Analysis(channels, roles, replace(tools, cuts=lenient)).run(lambda _samples: None)
    return report


class _Analysis:
    def __init__(self, channels: Sequence[Pcm], roles: Sequence[Role], tools: Tools) -> None:
        self._recognise = tools.recognise
        numbers = itertools.count(1)
        self._alerts: list[AlertEvent] = []
        self._core = CallEmotion(
            len(channels),
            lambda channel, _at: roles[channel],
            EmotionRules(
                agitation=tools.agitation,
                lexicon=tools.lexicon,
                rules=tools.rules,
                alert_id=lambda: f"replay-{next(numbers)}",
            ),
        )
        self._channels = [
            _Channel(
                index=index,
                pcm=pcm,
                detector=tools.vad.stream(),
                endpointer=Endpointer(tools.cuts),
                stream=tools.engine.stream(),
            )
            for index, pcm in enumerate(channels)
        ]

    def run(self, heard: Callable[[int], None]) -> CallReport:
        longest = max(len(state.pcm) for state in self._channels)
        for start in range(0, longest, BLOCK):
            for state in self._channels:
                self._hear(state, state.pcm[start : start + BLOCK])
            self._advance()
            heard(min(BLOCK, longest - start))
        for state in self._channels:
            for event in state.endpointer.flush():
                self._happened(state, event)
            self._judge(state, self._core.finish(state.index))
        self._advance()
        return CallReport(
            channels=tuple(
                ChannelReport(
                    windows=tuple(state.windows),
                    curve=tuple(state.curve),
                    words=state.words if self._recognise else None,
                )
                for state in self._channels
            ),
            alerts=tuple(self._alerts),
        )

    def _hear(self, state: _Channel, block: Pcm) -> None:
        self._judge(state, self._core.hear(state.index, block))
        for probability in state.detector.accept(block):
            for event in state.endpointer.accept(probability):
                self._happened(state, event)

    def _advance(self) -> None:
        points, alerts = self._core.advance()
        for channel, point in points:
            self._channels[channel].curve.append(point)
        self._alerts += alerts

    def _happened(self, state: _Channel, event: EndpointEvent) -> None:
        self._judge(state, self._core.happened(state.index, event))
        if isinstance(event, SpeechEnded) and self._recognise:
            text = self._recognise(state.index, event.start, state.pcm[event.start : event.end])
            reading, alerts = self._core.said(state.index, text, event.start, event.end)
            state.words = max(state.words, reading.negative * (1 - 0.5 * reading.positive))
            self._alerts += alerts

    def _judge(self, state: _Channel, windows: Sequence[SpeechWindow]) -> None:
        for window in windows:
            reading = state.stream.read(VoiceWindow(pcm=window.pcm))
            state.windows.append(JudgedWindow(start=window.start, end=window.end, reading=reading))
            self._core.judged(state.index, window, reading)
