"""What goes from the first stage to the others, for each channel in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calls.events import TranscriptEvent
from vad.endpointer import EndpointEvent

Pcm = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AudioBlock:
    """Audio of one channel, float32 at 16 kHz, shape (n,); blocks follow each other without gaps."""

    pcm: Pcm


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Nothing follows on this channel."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinalReady:
    """A final for the stages behind, with the recogniser's pooled states where somebody wants them."""

    final: TranscriptEvent
    states: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialReady:
    """A partial, for those who would not wait for the final."""

    partial: TranscriptEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupOutcome:
    """Whether the knowledge base had something for a question; ``at`` in samples."""

    failed: bool
    at: int


ChannelItem = AudioBlock | EndpointEvent | Close
"""Each block is followed by the events that became certain with it."""
