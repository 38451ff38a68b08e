"""What the transcribing stage knows of an open utterance."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.agreement import LocalAgreement
from asr.committing import Committed
from pipeline.calls.events import TranscriptEvent


@dataclass(slots=True, kw_only=True, eq=False)
class Utterance:
    """An open utterance; positions in samples of the call.

    Attributes:
        id: unique in the call.
        start: its first sample.
        committed: what two readings agreed on and is not read again.
        revision: of the next event.
        next_partial: position from which the next partial is due.
        shown: the newest event; None before the first.
        agreement: follows its partials.
        speaking: the voice detector hears somebody just now.
    """

    id: str
    start: int
    committed: Committed
    revision: int = 0
    next_partial: int = 0
    shown: TranscriptEvent | None = None
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
    speaking: bool = True
