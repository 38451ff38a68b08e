"""How far the recogniser's word times are from those at which the synthesiser spoke."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.ctc import CTC_FILE
from asr.directory import ModelDirectory
from asr.whisper import WhisperEngine
from benchmarks.serving.speech import LINE_RATE, RATE

FASTEST = 220
"""Words a minute; faster voices run syllables together."""


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """A sentence: float32 at 16 kHz, its words, and the sample in which each begins."""

    pcm: NDArray[np.float32]
    words: tuple[tuple[str, int], ...]


def timed_sentences(count: int, seed: int) -> list[Timed]:
    """Return held-out sentences by held-out voices in the band of a telephone.

    Raises:
        ModuleNotFoundError: the synthesiser is not installed (extra ``finetune``).
    """
    from scripts.finetune.tiny.synth import Voice, synthesiser  # noqa: PLC0415 (needs the library)
    from scripts.finetune.tiny.texts import Texts  # noqa: PLC0415

    texts, rng, own = Texts(evaluation=True), random.Random(f"word times/{seed}"), synthesiser()
    found = []
    for _ in range(count):
        drawn = Voice.random(rng, held_out=True)
        voice = replace(drawn, rate=min(drawn.rate, FASTEST))
        spoken = own.speak_timed(texts.draw(rng, "service").text, voice)
        narrow = soxr.resample(spoken.pcm, own.sample_rate, LINE_RATE)
        pcm = np.asarray(soxr.resample(narrow, LINE_RATE, RATE), np.float32)
        words = tuple((word, at * RATE // own.sample_rate) for word, at in spoken.words)
        found.append(Timed(pcm * np.float32(0.3 / max(1e-3, float(np.abs(pcm).max()))), words))
    return found


@contextmanager
def headless(directory: ModelDirectory) -> Iterator[ModelDirectory]:
    """Give the same model without its CTC head."""
    with tempfile.TemporaryDirectory() as folder:
        for file in directory.path.iterdir():
            if file.name != CTC_FILE:
                (Path(folder) / file.name).symlink_to(file.resolve())
        yield replace(directory, path=Path(folder))


def word_times(
    engines: Mapping[str, WhisperEngine], sentences: Sequence[Timed]
) -> dict[str, dict[str, float]]:
    """Return for each engine how far the starts of its words are off, and what its finals cost.

    Only sentences that were recognised without an error count: what was not said has no time.
    """
    off: dict[str, list[float]] = {name: [] for name in engines}
    spent = dict.fromkeys(engines, 0.0)
    for sentence in sentences:
        request = AsrRequest(pcm=sentence.pcm, final=True)
        for name, engine in engines.items():
            before = time.process_time()
            words = engine.transcribe([request])[0].words
            spent[name] += time.process_time() - before
            if [word.text for word in words] == [text for text, _at in sentence.words]:
                pairs = zip(words, sentence.words, strict=True)
                off[name] += [(word.start - at) * 1000 / RATE for word, (_text, at) in pairs]
    seconds = sum(len(sentence.pcm) for sentence in sentences) / RATE
    return {
        name: {**_errors(off[name]), "final_ms_per_speech_second": round(spent[name] * 1000 / seconds, 2)}
        for name in engines
    }


def _errors(off: Sequence[float]) -> dict[str, float]:
    if not off:
        return {"words": 0}
    far = np.abs(off)
    p50, p95 = np.quantile(far, (0.5, 0.95))
    return {
        "words": len(off),
        "median_ms": round(float(np.median(off)), 1),
        "p50_error_ms": round(float(p50), 1),
        "p95_error_ms": round(float(p95), 1),
    }
