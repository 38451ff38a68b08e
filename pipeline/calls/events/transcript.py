"""Events about what was said."""

from __future__ import annotations

from dataclasses import dataclass

from asr import Word
from diarization import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEdge:
    """Someone began or stopped to speak."""

    begin: bool
    channel: int
    at: int
    utterance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSpan:
    """A stretch of one language, in code points of the raw text."""

    language: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """What was said in an utterance; ``words`` are in samples of the call, ``word_speakers`` go with them."""

    utterance_id: str
    revision: int
    channel: int
    role: Role
    final: bool
    start: int
    end: int
    stability: float
    text: str
    raw_text: str
    words: tuple[Word, ...] = ()
    spans: tuple[LanguageSpan, ...] = ()
    confidence: float | None = None
    forced: bool = False
    speaker: str | None = None
    word_speakers: tuple[str, ...] = ()
