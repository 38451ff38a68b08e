"""The contracts of this package: speech in, who said it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples a second of all audio in this package."""
SHORTEST = SAMPLE_RATE // 4
"""Samples from which an embedding can be made; a quarter of a second says little, less says nothing."""

Pcm = NDArray[np.float32]
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far stretches of one voice lie apart, as an embedding model has it.

    Dividing n stretches of one voice into two groups always brings them a little closer to the means of
    their groups: by ``floor + slope / n`` at most, in nine of ten cases. What brings more is two voices.

    Attributes:
        floor: for very many stretches.
        slope: what is added for few.
    """

    floor: float = 0.065
    slope: float = 0.21

    def limit(self, stretches: int) -> float:
        """Return the gain in mean similarity that one voice reaches by chance."""
        return self.floor + self.slope / max(2, stretches)


class DiarizationError(Exception):
    """A model or a setting of this package cannot be used; the message names the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTurn:
    """Speech of one voice.

    Attributes:
        speaker: label, the same for a voice throughout its channel.
        start: sample.
        end: behind the last sample.
        overlapped: someone else speaks at the same time.
        sure: whether the label is expected to stay.
    """

    speaker: str
    start: int
    end: int
    overlapped: bool = False
    sure: bool = True


class Embedder(Protocol):
    """Turns speech into a vector that is close to others of the same voice; shared by all calls."""

    @property
    def name(self) -> str:
        """Name of the model, for people and logs."""
        ...

    @property
    def size(self) -> int:
        """Length of a vector."""
        ...

    @property
    def spread(self) -> Spread:
        """How far stretches of one voice lie apart."""
        ...

    def embed(self, pcm: Pcm) -> Vector:
        """Return the voice in ``pcm`` as a vector of length 1.

        Args:
            pcm: float32 mono at 16 kHz, shape (n,), n >= SHORTEST; one speaker.
        """
        ...


class SpeakerSegmentation(Protocol):
    """Tells apart the voices within a few seconds; its speakers mean nothing outside of them."""

    @property
    def name(self) -> str:
        """Name of the model, for people and logs."""
        ...

    @property
    def window(self) -> int:
        """Samples that it wants to see at once; it can do with less."""
        ...

    @property
    def step(self) -> int:
        """Samples from one frame of its answer to the next."""
        ...

    @property
    def tuned(self) -> tuple[float, float] | None:
        """Factors ``expected`` and ``unexpected`` of the clustering, tuned with this model; None if not."""
        ...

    @property
    def first(self) -> int:
        """Sample at which the first frame of an answer begins; may be a little negative."""
        ...

    def activity(self, pcm: Pcm) -> NDArray[np.float32]:
        """Return how likely each local speaker speaks in each frame.

        Args:
            pcm: float32 mono at 16 kHz, shape (n,), n >= SHORTEST.

        Returns:
            shape (frames, speakers), in [0, 1]; frame i begins at sample first + i * step.
        """
        ...
