"""How little context a model reads safely: error rates and runaway texts over lengths of padded input.

Whisper as published was trained on 30 s alone. Padded to less it costs less, and from some length on it
writes loops. Which length that is depends on the model and on the speech, so it is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr.base import SAMPLE_RATE, AsrRequest
from asr.directory import STOCK_CONTEXT_S, ModelDirectory
from asr.guards import GuardSettings, compression_ratio
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from cantonese.scoring import character_error_rate, scoring_form
from cantonese.spoken import syllables

LENGTHS = (30.0, 20.0, 15.0, 10.0, 7.0, 5.0, 3.0, 0.0)
"""Contexts in s that are tried; 0 is the speech's own length."""
TOLERANCE = 0.02
"""Absolute error rate, and share of runaway texts, that a shorter context may cost: about two standard errors
of 120 utterances."""
LOOP, TOO_FAST = 2.4, 12.0
"""A text runs away if it compresses better than this, or has more syllables a second."""
NO_GUARDS = GuardSettings(
    no_speech=2.0,
    log_probability=-99.0,
    loops=False,
    compression=1e9,
    syllables_per_second=1e9,
    known_language=0.0,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speech:
    """A stretch of speech.

    Attributes:
        pcm: float32 mono at 16 kHz, shape (n,), at most 30 s.
        text: what was said, None where nobody knows.
        language: BCP 47 tag, None where nobody knows.
    """

    pcm: NDArray[np.float32]
    text: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFigures:
    """What one length of context gives.

    Attributes:
        context_s: the length.
        error: character error rate, at most 1 a text, against the transcripts, else against what 30 s give.
        runaway: share of texts that run away, guards off.
        cpu_s_per_s: processor seconds a second of speech.
    """

    context_s: float
    error: float
    runaway: float
    cpu_s_per_s: float


def runs_away(text: str, seconds: float) -> bool:
    """Tell whether a text is a loop, or more than anybody can say in ``seconds``."""
    form = scoring_form(text)
    if len(form) <= 12:
        return False
    return compression_ratio(form) > LOOP or syllables(text) / max(0.1, seconds) > TOO_FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a model wrote with one length of context.

    Attributes:
        context_s: the length.
        texts: one for each stretch of speech.
        cpu_s: processor seconds that it took.
    """

    context_s: float
    texts: tuple[str, ...]
    cpu_s: float


def read_at(
    directory: ModelDirectory,
    context_s: float,
    speech: Sequence[Speech],
    options: WhisperOptions | None = None,
    language: str | None = None,
    heard: Callable[[], None] = lambda: None,
) -> Reading:
    """Return what a model writes when speech is padded to ``context_s``, without any guard.

    Args:
        directory: of the model.
        context_s: shortest input; 0 is the speech's own length.
        speech: to listen to.
        options: how to run the model; guards are turned off.
        language: BCP 47 tag of speech that has none of its own; None leaves it to the model.
        heard: told after each stretch of speech, for progress.

    Raises:
        ModelError: the model cannot be loaded.
    """
    bare = replace(options or WhisperOptions(), guards=NO_GUARDS)
    engine = WhisperEngine(replace(directory, min_context_s=context_s), bare)
    began, texts = time.process_time(), []
    for item in speech:
        tag = item.language or language
        texts.append(engine.transcribe([AsrRequest(pcm=item.pcm, final=True, language=tag)])[0].text)
        heard()
    return Reading(context_s=context_s, texts=tuple(texts), cpu_s=time.process_time() - began)


def figures_of(reading: Reading, speech: Sequence[Speech], said: Sequence[str]) -> ContextFigures:
    """Return the figures of a reading against what was ``said``."""
    seconds = [len(item.pcm) / SAMPLE_RATE for item in speech]
    wild = sum(runs_away(text, own) for text, own in zip(reading.texts, seconds, strict=True))
    return ContextFigures(
        context_s=reading.context_s,
        error=round(character_error_rate(said, reading.texts, capped=True), 4),
        runaway=round(wild / len(speech), 4),
        cpu_s_per_s=round(reading.cpu_s / sum(seconds), 4),
    )


def measure_contexts(
    directory: ModelDirectory,
    speech: Sequence[Speech],
    lengths: Sequence[float] = LENGTHS,
    options: WhisperOptions | None = None,
    language: str | None = None,
    heard: Callable[[], None] = lambda: None,
) -> list[ContextFigures]:
    """Return the figures of each length, longest first.

    Args:
        directory: of the model.
        speech: to listen to; with transcripts everywhere, or nowhere.
        lengths: in s; 30 is always measured.
        options: how to run the model; guards are turned off.
        language: BCP 47 tag of speech that has none of its own; None leaves it to the model.
        heard: told after each stretch of speech, for progress.

    Raises:
        ModelError: the model cannot be loaded.
    """
    readings = [
        read_at(directory, length, speech, options, language, heard)
        for length in sorted({STOCK_CONTEXT_S, *lengths}, reverse=True)
    ]
    known = all(item.text is not None for item in speech)
    said = [item.text or "" for item in speech] if known else readings[0].texts
    return [figures_of(reading, speech, said) for reading in readings]


def least_safe(found: Sequence[ContextFigures], tolerance: float = TOLERANCE) -> float:
    """Return the shortest context up from which none is worse than 30 s by more than ``tolerance``.

    Args:
        found: figures, longest context first.
        tolerance: absolute, of error rate and of runaway texts.
    """
    full, least = found[0], found[0].context_s
    for figures in found[1:]:
        if figures.error > full.error + tolerance or figures.runaway > full.runaway + tolerance:
            break
        least = figures.context_s
    return least
