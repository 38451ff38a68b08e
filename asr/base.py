"""Contracts of speech recognition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AsrRequest:
    """One utterance, or the part of it heard so far.

    Attributes:
        pcm: float32 mono at 16 kHz in [-1, 1], shape (n,).
        final: the utterance is complete: beam search and word times. Otherwise greedy, no times.
        language: Whisper language code without brackets (``yue``, ``zh``, ``en``); None for the model's.
        hotwords: names and terms that are likely; more than fit are left out at the end.
        states: give the encoder's states too, pooled.
    """

    pcm: NDArray[np.float32]
    final: bool
    language: str | None = None
    hotwords: tuple[str, ...] = ()
    states: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, or a single Chinese character.

    Attributes:
        text: verbatim, a Latin word without its leading space.
        start: first sample at 16 kHz, counted from the start of the request's audio.
        end: behind the last sample.
        confidence: probability in [0, 1].
    """

    text: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was recognised.

    Attributes:
        text: verbatim form (see :mod:`cantonese.spoken`); empty when nothing was said.
        language: Whisper language code used.
        confidence: exp of the mean token log-probability, in [0, 1].
        no_speech: probability that there is no speech, in [0, 1].
        words: in order; of partials only where a CTC head read them.
        rejected: why a guard discarded the text, None if none did.
        states: mean and deviation of the encoder's states, shape (2 * width,), where they were asked for.
    """

    text: str
    language: str
    confidence: float
    no_speech: float
    words: tuple[Word, ...] = ()
    rejected: str | None = None
    states: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


class AsrEngine(Protocol):
    """The model: built once, shared by all calls, every method thread-safe."""

    @property
    def name(self) -> str:
        """Registry name or folder name of the model."""
        ...

    def bucket(self, request: AsrRequest) -> int:
        """Return a key; requests of equal keys cost least when transcribed together."""
        ...

    def transcribe(self, requests: Sequence[AsrRequest]) -> tuple[Transcript, ...]:
        """Transcribe requests of one bucket, complete when it returns; one result for each.

        Raises:
            ModelError: the model failed.
        """
        ...
