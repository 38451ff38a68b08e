"""The forms of what was said: as spoken, for reading, by language, on the time line. Pure."""

from __future__ import annotations

import re

from asr import Word
from cantonese.reading import reading_form
from cantonese.spoken import without_marks
from pipeline.calls.events import LanguageSpan

_LATIN = re.compile(r"[A-Za-z][A-Za-z'\- ]*[A-Za-z']|[A-Za-z]")


def raw_and_reading(verbatim: str) -> tuple[str, str]:
    """Return verbatim text as spoken, without marks, and for reading."""
    return without_marks(verbatim).strip(), reading_form(verbatim)


def language_spans(raw_text: str) -> tuple[LanguageSpan, ...]:
    """Return the stretches of English and of Cantonese, by script, over all of ``raw_text``."""
    spans: list[LanguageSpan] = []
    position = 0
    for match in _LATIN.finditer(raw_text):
        if match.start() > position:
            spans.append(LanguageSpan(language="yue", start=position, end=match.start()))
        spans.append(LanguageSpan(language="en", start=match.start(), end=match.end()))
        position = match.end()
    if position < len(raw_text):
        spans.append(LanguageSpan(language="yue", start=position, end=len(raw_text)))
    return tuple(spans)


def on_time_line(words: tuple[Word, ...], start: int) -> tuple[Word, ...]:
    """Return ``words`` with times counted from the start of the call."""
    return tuple(
        Word(text=word.text, start=word.start + start, end=word.end + start, confidence=word.confidence)
        for word in words
    )
