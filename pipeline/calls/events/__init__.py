"""What comes out of a call. Text that changes is replaced by a higher revision of the same utterance.

Positions are sample indices at 16 kHz since the first sample of the call; milliseconds exist only at the
edge (:mod:`pipeline.rpc.mapping`).
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.calls.events.alerts import AlertEvent, AlertReason, AlertState, ReasonKind, Severity
from pipeline.calls.events.emotion import EmotionEvent
from pipeline.calls.events.lifecycle import (
    Ended,
    ErrorEvent,
    HealthReport,
    Mark,
    MarkKind,
    Started,
    WarningEvent,
)
from pipeline.calls.events.speakers import (
    AttributionEvent,
    AttributionSource,
    ChannelFinding,
    FindingKind,
    LookState,
    SecondLookEvent,
    SpeakerEvent,
    SpeakersEvent,
)
from pipeline.calls.events.suggestions import SuggestionEvent
from pipeline.calls.events.transcript import (
    LanguageSpan,
    Mask,
    RedactedText,
    RedactionEvent,
    SpeechEdge,
    TranscriptEvent,
)

__all__ = [
    "AlertEvent",
    "AlertReason",
    "AlertState",
    "AttributionEvent",
    "AttributionSource",
    "CallEvent",
    "ChannelFinding",
    "EmotionEvent",
    "Ended",
    "Envelope",
    "ErrorEvent",
    "FindingKind",
    "HealthReport",
    "LanguageSpan",
    "LookState",
    "Mark",
    "MarkKind",
    "Mask",
    "ReasonKind",
    "RedactedText",
    "RedactionEvent",
    "SecondLookEvent",
    "Severity",
    "SpeakerEvent",
    "SpeakersEvent",
    "SpeechEdge",
    "Started",
    "SuggestionEvent",
    "TranscriptEvent",
    "WarningEvent",
]

CallEvent = (
    Started
    | SpeechEdge
    | TranscriptEvent
    | RedactionEvent
    | EmotionEvent
    | AlertEvent
    | AttributionEvent
    | SpeakerEvent
    | ChannelFinding
    | SecondLookEvent
    | SuggestionEvent
    | Mark
    | HealthReport
    | WarningEvent
    | ErrorEvent
    | Ended
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A numbered event of a call.

    Attributes:
        call_id: of the call.
        server_seq: counts from 1.
        acked: samples of audio that are safe: everything said in them is in finals up to this event.
        event: what happened.
    """

    call_id: str
    server_seq: int
    acked: int
    event: CallEvent
