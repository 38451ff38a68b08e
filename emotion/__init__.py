"""How was it said? Samples and words in, emotion and agitation out."""

from emotion.agitation import AgitationPoint, AgitationSettings, Level
from emotion.base import (
    LABELS,
    EmotionEngine,
    EmotionModelError,
    EmotionStream,
    NoEmotion,
    VoiceReading,
    VoiceWindow,
)
from emotion.call import Conversation, SpeakerEmotion, restrained
from emotion.windows import SpeechCollector, SpeechWindow

__all__ = [
    "LABELS",
    "AgitationPoint",
    "AgitationSettings",
    "Conversation",
    "EmotionEngine",
    "EmotionModelError",
    "EmotionStream",
    "Level",
    "NoEmotion",
    "SpeakerEmotion",
    "SpeechCollector",
    "SpeechWindow",
    "VoiceReading",
    "VoiceWindow",
    "restrained",
]
