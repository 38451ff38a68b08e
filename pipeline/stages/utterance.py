"""What the transcribing stage knows of an open utterance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from asr import Transcript
from asr.agreement import LocalAgreement
from asr.committing import Committed
from pipeline.events import TranscriptEvent


@dataclass(slots=True, kw_only=True, eq=False)
class Utterance:
    """An open utterance."""

    id: str
    start: int
    revision: int = 0
    next_partial: int = 0
    shown: TranscriptEvent | None = None
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
    committed: Committed
    speaking: bool = True
    speculated: asyncio.Task[Transcript] | None = None
    speculated_end: int = 0
