"""Events as a reader may see them. Pure."""

from __future__ import annotations

from dataclasses import replace

from cantonese.personal import SECRETS, Category, Style
from pipeline.calls.events import Envelope, RedactedText, RedactionEvent, TranscriptEvent
from pipeline.calls.log import REDACTED, View
from pipeline.redaction.masking import redacted_text

ORIGINAL = frozenset(Category) - SECRETS - {Category.CARD, Category.NUMBER}
"""What may be kept beside the redacted form: no secrets, no cards (PCI DSS 4.0.1, 3.3.1 and 3.5.1), and no
numbers of which it is not known that they are none."""


def seen(envelope: Envelope, view: View) -> Envelope:
    """Return a numbered event with the personal data hidden that a reader must not see."""
    event = envelope.event
    if isinstance(event, RedactionEvent):
        return replace(envelope, event=replace(event, final=seen_transcript(event.final, view)))
    if isinstance(event, TranscriptEvent) and event.personal:
        return replace(envelope, event=seen_transcript(event, view))
    return envelope


def original(envelope: Envelope) -> Envelope | None:
    """Return a numbered event with what may be kept of what was hidden; None where there is nothing of that.

    What may yet turn out to be a card, or nothing, stays hidden: a later event says what it was.
    """
    event = envelope.event
    final = event.final if isinstance(event, RedactionEvent) else event
    if not isinstance(final, TranscriptEvent):
        return None
    hidden = [span for span in final.personal if span.category not in ORIGINAL or span.provisional]
    if len(hidden) == len(final.personal):
        return None
    shown = _shown(final, redacted_text(final, hidden, Style.CATEGORY))
    return replace(
        envelope, event=replace(event, final=shown) if isinstance(event, RedactionEvent) else shown
    )


def seen_transcript(event: TranscriptEvent, view: View = REDACTED) -> TranscriptEvent:
    """Return a transcript with the personal data hidden that a reader must not see.

    Args:
        event: from the guard.
        view: categories that the reader may see; secrets never are.
    """
    if not event.personal:
        return event if not event.verbatim else replace(event, verbatim="")
    hidden = [span for span in event.personal if span.category in SECRETS or span.category not in view]
    redacted = event.redacted
    if len(hidden) < len(event.personal) or redacted is None:
        redacted = redacted_text(event, hidden, Style.CATEGORY)
    return _shown(event, redacted)


def _shown(event: TranscriptEvent, redacted: RedactedText) -> TranscriptEvent:
    """Return a transcript as it is read."""
    return replace(
        event,
        text=redacted.text,
        raw_text=redacted.raw_text,
        words=redacted.words,
        spans=redacted.spans,
        masks=redacted.masks,
        verbatim="",
        personal=(),
        redacted=None,
    )
