"""How a call sounds and whether a supervisor should look: one core for live calls and for recordings. Pure.

It is told what was heard, found, read and said, in the order of the stream, and returns what is to be judged
by the emotion model and what is to be published. It runs no model, and knows no clock and no task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from diarization import Role
from emotion import (
    AgitationPoint,
    AgitationSettings,
    Conversation,
    SpeakerEmotion,
    SpeechCollector,
    SpeechWindow,
    VoiceReading,
    restrained,
)
from emotion.words import EmotionLexicon, WordsReading
from pipeline.alerts.machine import AlertMachine
from pipeline.alerts.rules import Rule
from pipeline.calls.events import AlertEvent, EmotionEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.stages.items import Pcm
from vad.endpointer import EndpointEvent, EndReason, SpeechBegan, SpeechEnded, SpeechPaused, SpeechResumed

LATEST = 2 * SAMPLE_RATE
"""How far one channel's audio may be behind the other's before it is no longer waited for."""
CHANGE = 0.04
"""Change of agitation from which a point is worth an event of its own."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Channel:
    emotion: SpeakerEmotion
    collector: SpeechCollector = field(default_factory=SpeechCollector)
    speaking: bool = False
    utterances: int = 0
    shown: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionRules:
    """What decides about emotion and alerts in a call.

    Attributes:
        agitation: how evidence becomes agitation.
        lexicon: words of complaint and thanks.
        rules: of alerts; none where they are turned off.
        earlier_calls: of this customer about the same matter, 0 if not known.
        first_id: utterances are counted from behind it.
        alert_id: makes the id of a new alert.
    """

    agitation: AgitationSettings
    lexicon: EmotionLexicon
    rules: Sequence[Rule]
    alert_id: Callable[[], str]
    earlier_calls: int = 0
    first_id: int = 0


class CallEmotion:
    """Follows all channels of one call.

    Args:
        channels: how many.
        role: gives who is on a channel at a sample.
        rules: what decides.
    """

    def __init__(self, channels: int, role: Callable[[int, int], Role], rules: EmotionRules) -> None:
        self._role = role
        self._at = 0
        self._channels = [
            _Channel(
                emotion=SpeakerEmotion(rules.agitation, rules.lexicon, rules.earlier_calls),
                utterances=rules.first_id,
            )
            for _ in range(channels)
        ]
        self._conversation = Conversation([channel.emotion for channel in self._channels])
        self._machine = AlertMachine(rules.rules, rules.alert_id, lambda channel: role(channel, self._at))

    # ---------------------------------------------------------------- speech

    def hear(self, channel: int, pcm: Pcm) -> list[SpeechWindow]:
        """Take audio of a channel; return the windows that became due for the emotion model."""
        return self._channels[channel].collector.hear(pcm)

    def lose(self, channel: int, samples: int) -> None:
        """Note that audio is missing; no window reaches over it."""
        self._channels[channel].collector.lose(samples)

    def happened(self, channel: int, event: EndpointEvent) -> list[SpeechWindow]:
        """Take what the endpointer found; return the windows that became due."""
        state = self._channels[channel]
        match event:
            case SpeechBegan(start=start):
                state.speaking = True
                state.utterances += 1
                self._machine.spoke(start)
                state.collector.begin(start)
                self._conversation.begins(channel, start)
            case SpeechPaused():
                state.collector.pause()
            case SpeechResumed():
                state.collector.resume()
            case SpeechEnded():
                state.speaking = False
                self._machine.spoke(event.speech_end)
                self._conversation.ends(channel, event.speech_end, cut=event.reason is EndReason.LENGTH)
                return state.collector.end(event.speech_end)
        return []

    def finish(self, channel: int) -> list[SpeechWindow]:
        """Return the windows that are left at the end of a channel."""
        return self._channels[channel].collector.finish()

    def cut(self, channel: int, start: int, end: int) -> SpeechWindow:
        """Return an utterance as one window, as far as its audio is kept."""
        return self._channels[channel].collector.cut(start, end)

    # ---------------------------------------------------------------- evidence

    def said(self, channel: int, text: str, start: int, end: int) -> tuple[WordsReading, list[AlertEvent]]:
        """Take the verbatim text of a final; return what its words say, and alerts."""
        reading = self._channels[channel].emotion.said(text, start=start, end=end)
        return reading, self._machine.said(channel, text, reading, start=start, end=end)

    def judged(
        self, channel: int, window: SpeechWindow, reading: VoiceReading, utterance_id: str | None = None
    ) -> EmotionEvent | None:
        """Take the emotion model's judgement of a window; return what to publish, if it has an opinion.

        Args:
            channel: index.
            window: what was judged.
            reading: the judgement.
            utterance_id: what it is about; the newest utterance of the channel by default.
        """
        if reading.quality <= 0:
            return None
        state = self._channels[channel]
        state.emotion.voice(window.end, reading)
        role, newest = self._role(channel, window.start), state.emotion.point
        point = None if role is Role.AGENT else newest
        if point is not None:
            state.shown = point.value
        return EmotionEvent(
            utterance_id=utterance_id or (f"{channel}-{state.utterances}" if state.utterances else None),
            channel=channel,
            role=role,
            start=window.start,
            end=window.end,
            quality=reading.quality,
            arousal=reading.arousal,
            valence=reading.valence,
            probabilities=restrained(
                dict(reading.probabilities), supported=newest is not None and newest.supported
            ),
            agitation=point,
            score=round(reading.score, 3),
        )

    def looked_up(self, channel: int, *, failed: bool, at: int) -> list[AlertEvent]:
        """Take whether the knowledge base had an answer; return alerts."""
        return self._machine.suggestion(channel, failed=failed, at=at)

    def close_alert(self, alert_id: str) -> None:
        """Note that an alert was taken, or expired."""
        self._machine.acknowledge(alert_id)

    # ---------------------------------------------------------------- time

    def advance(
        self, held: Callable[[int], bool] = lambda _at: False
    ) -> tuple[list[tuple[int, AgitationPoint]], list[AlertEvent]]:
        """Bring curves and rules up to what was heard on every channel; return new points, and alerts.

        Args:
            held: tells whether silence at a sample is nobody's silence: on hold, or audio that nobody sent.
        """
        positions = [state.collector.position for state in self._channels]
        self._at = to = max(min(positions), max(positions) - LATEST)  # a channel without audio stops nobody
        if any(state.speaking for state in self._channels) or held(to):
            self._machine.spoke(to)
        points: list[tuple[int, AgitationPoint]] = []
        alerts: list[AlertEvent] = []
        for channel, state in enumerate(self._channels):
            for point in state.emotion.advance(to):
                points.append((channel, point))
                alerts += self._machine.agitation(channel, point, state.emotion.hits, state.emotion.doings)
        return points, alerts + self._machine.advance(to)

    def point_event(self, channel: int, point: AgitationPoint) -> EmotionEvent | None:
        """Return a new point as an event; None where it says nothing new, and for agents."""
        state, role = self._channels[channel], self._role(channel, point.at)
        if role is Role.AGENT or abs(point.value - state.shown) < CHANGE or point.at % SAMPLE_RATE:
            return None
        state.shown = point.value
        return EmotionEvent(
            utterance_id=None, channel=channel, role=role, start=point.at, end=point.at, agitation=point
        )
