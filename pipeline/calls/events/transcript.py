"""Events about what was said."""

from __future__ import annotations

from dataclasses import dataclass

from asr import Word
from cantonese.personal import Category, PersonalSpan
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
class Mask:
    """Where something is hidden.

    Attributes:
        category: what it is.
        start: first code point of what stands in its place, in the raw text.
        end: behind the last one.
        first: first sample of the call that it may be heard in.
        last: behind the last one.
        provisional: it may turn out to be nobody's.
    """

    category: Category
    start: int
    end: int
    first: int
    last: int
    provisional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactedText:
    """What those read who must not see all of an utterance; as many words as were said, hidden ones empty."""

    text: str
    raw_text: str
    words: tuple[Word, ...]
    spans: tuple[LanguageSpan, ...]
    masks: tuple[Mask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEvent:
    """What was said in an utterance.

    Attributes:
        words: in samples of the call; ``word_speakers`` go with them.
        spans: stretches of one language.
        verbatim: as the recogniser wrote it, with marks; only where ``personal`` is not empty.
        personal: personal data in ``verbatim``.
        redacted: what everybody reads without it; None where there is none.
        masks: where something is hidden in this event already.
    """

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
    verbatim: str = ""
    personal: tuple[PersonalSpan, ...] = ()
    redacted: RedactedText | None = None
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionEvent:
    """More or less of a final is hidden than before.

    Attributes:
        revision: counts from 1 for each utterance.
        final: the final as it is now.
    """

    revision: int
    final: TranscriptEvent
