"""What stages tell those beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.events import TranscriptEvent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """A final for the stages behind, with the recogniser's pooled states where somebody wants them."""

    final: TranscriptEvent
    states: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partly:
    """A partial, for those who would not wait for the final."""

    partial: TranscriptEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Whether the knowledge base had something for a question; ``at`` in samples."""

    failed: bool
    at: int
