"""An utterance with its personal data replaced: in all its forms, and on the time line. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr import Word
from cantonese.personal import PersonalSpan, Style, replacement
from cantonese.spoken import MARKS
from pipeline.calls.events import Mask, RedactedText, TranscriptEvent
from pipeline.calls.forms import language_spans, raw_and_reading
from pipeline.calls.info import SAMPLE_RATE

PAD_BEFORE, PAD_BEHIND = int(0.2 * SAMPLE_RATE), int(0.3 * SAMPLE_RATE)
"""Samples around a hidden word that are hidden with it: word times from cross-attention are within 138 ms for
19 in 20 words, 41 ms early in the median (benchmarks/RESULTS.md)."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a character of the verbatim text is said: which word, and between which samples."""

    word: int | None
    first: int
    last: int


def redacted_text(event: TranscriptEvent, hidden: Sequence[PersonalSpan], style: Style) -> RedactedText:
    """Return what is read of an utterance where ``hidden`` is.

    Args:
        event: with its verbatim text.
        hidden: spans of that text, in order; an empty one hides the sound of all of it, and no text.
        style: of what stands in their place.
    """
    places = _places(event)
    verbatim, marks = "", list[tuple[PersonalSpan, str, int]]()
    position = 0
    for span in hidden:
        verbatim += event.verbatim[position : span.start]
        said = event.verbatim[span.start : span.end]
        shown = replacement(said, span.category, style) if said else ""
        marks.append((span, shown, len(verbatim)))
        verbatim += shown
        position = span.end
    verbatim += event.verbatim[position:]
    raw, reading = raw_and_reading(verbatim)
    return RedactedText(
        text=reading,
        raw_text=raw,
        words=_words(event, marks, places),
        spans=language_spans(raw),
        masks=tuple(_mask(event, mark, verbatim, places) for mark in marks),
    )


def _mask(
    event: TranscriptEvent, mark: tuple[PersonalSpan, str, int], verbatim: str, places: Sequence[_Place]
) -> Mask:
    span, shown, at = mark
    leading = len(verbatim) - len(verbatim.lstrip())
    start = at - sum(char in MARKS for char in verbatim[:at]) - leading
    covered = places[span.start : span.end]
    first = min((place.first for place in covered), default=event.start)
    last = max((place.last for place in covered), default=event.end)
    return Mask(
        category=span.category,
        start=max(0, start),
        end=max(0, start) + len(shown),
        first=max(event.start, first - PAD_BEFORE),
        last=min(event.end, last + PAD_BEHIND),
        provisional=span.provisional,
    )


def _words(
    event: TranscriptEvent, marks: Sequence[tuple[PersonalSpan, str, int]], places: Sequence[_Place]
) -> tuple[Word, ...]:
    """Return the words with hidden ones empty; the first of each stretch has what is shown in its place."""
    texts = [word.text for word in event.words]
    for span, shown, _at in marks:
        covered = sorted({place.word for place in places[span.start : span.end] if place.word is not None})
        for index in covered:
            texts[index] = shown if index == covered[0] else ""
    return tuple(
        word
        if word.text == text
        else Word(text=text, start=word.start, end=word.end, confidence=word.confidence)
        for word, text in zip(event.words, texts, strict=True)
    )


def _places(event: TranscriptEvent) -> list[_Place]:
    """Return where each character of the verbatim text is said; without words, evenly over the utterance."""
    if event.words:
        found = _by_words(event)
        if found is not None:
            return found
    count = max(1, len(event.verbatim))
    length = event.end - event.start
    return [
        _Place(
            None,
            event.start + length * index // count - length // count,
            event.start + length * (index + 1) // count,
        )
        for index in range(len(event.verbatim))
    ]


def _by_words(event: TranscriptEvent) -> list[_Place] | None:
    """Return the places by the words' times; None where words and text do not go together."""
    places: list[_Place] = []
    word, within = 0, 0
    texts = ["".join(char for char in item.text if _is_said(char)) for item in event.words]
    for char in event.verbatim:
        while word < len(texts) and within >= len(texts[word]):
            word, within = word + 1, 0
        if not _is_said(char):
            at = event.words[min(word, len(texts) - 1)].start if texts else event.start
            places.append(_Place(None, at, at))
            continue
        if word >= len(texts) or texts[word][within] != char:
            return None
        places.append(_Place(word, event.words[word].start, event.words[word].end))
        within += 1
    return places


def _is_said(char: str) -> bool:
    return char not in MARKS and not char.isspace()
