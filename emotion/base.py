"""Contracts of vocal emotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import ModelError

SAMPLE_RATE = 16_000
LABELS = ("neutral", "happy", "sad", "angry", "other")
"""Labels of the probabilities that everybody outside sees, in this order."""


class EmotionModelError(ModelError):
    """A model cannot be loaded or used; the message names the fix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceWindow:
    """A piece of one speaker's speech.

    Attributes:
        pcm: float32 mono at 16 kHz in [-1, 1], shape (n,); 1 to 3 s are best.
        states: mean and deviation of the recogniser's encoder states over it, shape (2 * width,), where a
            model wants them; else None.
    """

    pcm: NDArray[np.float32]
    states: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceReading:
    """How a window sounds.

    Attributes:
        quality: 0 no opinion to 1 sure; at 0 the other figures mean nothing.
        reason: what spoils the quality, None if nothing does.
        score: probability in [0, 1] that this is an agitated voice. A happy voice may score as high.
        arousal: 0 calm to 1 excited.
        valence: 0 unpleasant to 1 pleasant; from the voice alone hardly better than a guess.
        probabilities: by label, sum 1.
        baseline: the speaker's own usual voice was known and used.
    """

    quality: float
    reason: str | None
    score: float
    arousal: float
    valence: float
    probabilities: Mapping[str, float]
    baseline: bool


NO_OPINION = VoiceReading(
    quality=0.0, reason="short", score=0.0, arousal=0.0, valence=0.5,
    probabilities={label: 1 / len(LABELS) for label in LABELS}, baseline=False,
)  # fmt: skip
"""The reading of a window that cannot be judged."""


class EmotionStream(Protocol):
    """One speaker of one call: learns the own baseline. Not thread-safe."""

    def read(self, window: VoiceWindow) -> VoiceReading:
        """Judge a window; slow (milliseconds), for a worker thread.

        Raises:
            EmotionModelError: the model failed.
        """
        ...


class EmotionEngine(Protocol):
    """The model: built once, shared by all calls, thread-safe."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def enabled(self) -> bool:
        """Whether voices are judged at all."""
        ...

    @property
    def wants_states(self) -> bool:
        """Whether windows must bring the recogniser's encoder states."""
        ...

    def stream(self) -> EmotionStream:
        """Return the state for one speaker of one call."""
        ...


class NoEmotion:
    """An :class:`EmotionEngine` where emotion is turned off: it has no opinion on any voice."""

    name = "none"
    enabled = False
    wants_states = False

    def stream(self) -> EmotionStream:
        """Return the state for one speaker, which keeps nothing."""
        return _NoOpinion()


class _NoOpinion:
    """An :class:`EmotionStream` of :class:`NoEmotion`."""

    def read(self, window: VoiceWindow) -> VoiceReading:
        """Return a reading of quality 0."""
        return replace(NO_OPINION, reason="emotion is off")
