"""Which events are kept. Pure."""

from __future__ import annotations

from pipeline.calls.events import (
    AlertEvent,
    AlertState,
    CallEvent,
    EmotionEvent,
    Ended,
    RedactionEvent,
    TranscriptEvent,
)
from pipeline.calls.log import replaceable


def is_kept(event: CallEvent) -> bool:
    """Tell whether an event is part of the record: what a newer one makes void is not, but for redactions."""
    return isinstance(event, RedactionEvent) or replaceable(event) is None


def is_awaited(event: CallEvent) -> bool:
    """Tell whether a strict call tells an event only once it is on disk: what was said, and the end."""
    return isinstance(event, TranscriptEvent | RedactionEvent | Ended)


def is_utterance(event: CallEvent) -> bool:
    """Tell whether an event is a final with text."""
    return isinstance(event, TranscriptEvent) and event.final and bool(event.text or event.personal)


def final_of(event: CallEvent) -> str | None:
    """Return the utterance whose final an event holds; None where it holds none."""
    final = event.final if isinstance(event, RedactionEvent) else event
    return final.utterance_id if isinstance(final, TranscriptEvent) else None


def is_alert(event: CallEvent) -> bool:
    """Tell whether an event raises an alert."""
    return isinstance(event, AlertEvent) and event.state is AlertState.RAISED


def agitation_of(event: CallEvent) -> float | None:
    """Return the agitation that an event tells of, in [0, 1]; None where it tells of none."""
    return event.agitation.value if isinstance(event, EmotionEvent) and event.agitation else None
