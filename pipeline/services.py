"""What all calls of a server share."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from diarization.evidence import RolePhrases
from diarization.tracker import Voices
from emotion import EmotionEngine
from pipeline.alerts.profile_rules import ProfileRules
from pipeline.alerts.service import AlertPublisher
from pipeline.inference.detector import VadBatcher
from pipeline.inference.recogniser import Recogniser
from pipeline.inference.second_look import SecondLook
from pipeline.inference.ticker import BatchTicker
from pipeline.metrics import Metrics
from pipeline.reloading import Reloaded
from pipeline.stages.suggestions import Suggestions
from pipeline.tracing import Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class CallServices:
    """What all calls of a server share.

    Attributes:
        scheduler: the recogniser.
        detector: the voice detector.
        ticker: when calls look at what has come.
        metrics: where to count.
        emotion: the emotion model.
        emotion_thread: where it runs.
        voices: tells voices apart.
        voice_thread: where it runs.
        second_look: hears recordings again after the call.
        alerts: keeps alerts.
        suggestions: suggest replies.
        rules: rules and words by profile.
        phrases: phrases of agents and customers by profile.
        tracer: notes where time goes.
    """

    scheduler: Recogniser
    detector: VadBatcher
    ticker: BatchTicker
    metrics: Metrics
    emotion: Reloaded[EmotionEngine]
    emotion_thread: Executor
    voices: Reloaded[Voices]
    voice_thread: Executor
    second_look: SecondLook
    alerts: AlertPublisher
    suggestions: Suggestions
    rules: Reloaded[dict[str, ProfileRules]]
    phrases: Reloaded[dict[str, RolePhrases]]
    tracer: Tracer
