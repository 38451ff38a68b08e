"""Events of a part of a call, told as the whole call counts: every position lies so much later. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.calls.events import (
    AlertEvent,
    AttributionEvent,
    CallEvent,
    EmotionEvent,
    Ended,
    HealthReport,
    Mark,
    Mask,
    RedactedText,
    RedactionEvent,
    SpeechEdge,
    Started,
    SuggestionEvent,
    TranscriptEvent,
)


def shifted(event: CallEvent, by: int) -> CallEvent:  # noqa: PLR0911 (a case for each kind of event)
    """Return an event whose positions lie ``by`` samples later.

    Args:
        event: of a part.
        by: samples of the call before that part.
    """
    if not by:
        return event
    match event:
        case TranscriptEvent():
            return _transcript(event, by)
        case RedactionEvent():
            return replace(event, final=_transcript(event.final, by))
        case EmotionEvent():
            point = event.agitation
            return replace(
                event,
                start=event.start + by,
                end=event.end + by,
                agitation=None if point is None else replace(point, at=point.at + by),
            )
        case AlertEvent():
            curve = tuple((at + by, value) for at, value in event.curve)
            return replace(event, start=event.start + by, end=event.end + by, curve=curve)
        case AttributionEvent():
            return replace(event, turns=tuple(_span(turn, by) for turn in event.turns))
        case SpeechEdge() | Mark() | SuggestionEvent():
            return replace(event, at=event.at + by)
        case Started() | HealthReport():
            return replace(event, received=event.received + by)
        case Ended():
            return replace(event, audio=event.audio + by)
        case _:
            return event  # holds no position


def _transcript(event: TranscriptEvent, by: int) -> TranscriptEvent:
    redacted = event.redacted
    return replace(
        event,
        start=event.start + by,
        end=event.end + by,
        words=tuple(_span(word, by) for word in event.words),
        masks=tuple(_mask(mask, by) for mask in event.masks),
        redacted=None if redacted is None else _redacted(redacted, by),
    )


def _redacted(text: RedactedText, by: int) -> RedactedText:
    return replace(
        text,
        words=tuple(_span(word, by) for word in text.words),
        masks=tuple(_mask(mask, by) for mask in text.masks),
    )


def _mask(mask: Mask, by: int) -> Mask:
    return replace(mask, first=mask.first + by, last=mask.last + by)


def _span(item: Any, by: int) -> Any:
    return replace(item, start=item.start + by, end=item.end + by)
