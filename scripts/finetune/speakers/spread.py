"""Measure how far stretches of one voice lie apart: what ``[spread]`` in a ``speaker.toml`` must say.

    python -m scripts.finetune.speakers.spread --data DATA --model models/wespeaker

DATA is a folder of sets with a manifest.csv each (file, speaker). Any embedding directory can be measured, so
that a published model gets the right figures too.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from diarization.base import SAMPLE_RATE, Embedder, Spread
from diarization.clustering import best_division, division_gain
from diarization.directory import BUNDLED_SPEAKER
from diarization.onnx import OnnxEmbedder
from scripts.finetune.speakers.examples import clips_of
from scripts.finetune.voices.line import Line
from scripts.finetune.voices.mixtures import Voices

COUNTS = (2, 3, 4, 6, 8, 12, 16, 24)
QUANTILE = 90.0
STRETCHES = 32
SEED = 5


def stretches(
    embedder: Embedder, voices: Voices, speaker: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return vectors and seconds of stretches of one speaker over one line, 0.8 to 5 s each."""
    rng = np.random.default_rng([SEED, *speaker.encode()])
    pcm = Line.draw(rng, training=False).carry(rng, voices.speech(speaker)[: 120 * SAMPLE_RATE])
    vectors, seconds = [], []
    for _ in range(STRETCHES):
        length = int(rng.uniform(0.8, 5.0) * SAMPLE_RATE)
        start = int(rng.integers(0, max(1, len(pcm) - length)))
        part = pcm[start : start + length]
        vectors.append(embedder.embed(part))
        seconds.append(len(part) / SAMPLE_RATE)
    return np.stack(vectors), np.asarray(seconds, np.float32)


def measure(embedder: Embedder, voices: Voices) -> Spread:
    """Fit the spread to the voices."""
    gains: Mapping[int, list[float]] = defaultdict(list)
    for speaker in track(sorted(voices.speakers), description="voices", transient=True):
        vectors, seconds = stretches(embedder, voices, speaker)
        for count in COUNTS:
            for start in range(0, STRETCHES - count + 1, count):
                part = slice(start, start + count)
                first = best_division(vectors[part], seconds[part])
                gains[count].append(division_gain(vectors[part], seconds[part], first))
    return fit({count: float(np.percentile(found, QUANTILE)) for count, found in gains.items()})


def fit(limits: Mapping[int, float]) -> Spread:
    """Return floor and slope that come closest to measured limits, by number of stretches."""
    counts: Sequence[int] = sorted(limits)
    matrix = np.array([[1.0, 1 / count] for count in counts])
    floor, slope = np.linalg.lstsq(matrix, np.array([limits[count] for count in counts]), rcond=None)[0]
    return Spread(floor=max(0.005, float(floor)), slope=max(0.0, float(slope)))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of sets")
    parser.add_argument("--model", type=Path, default=BUNDLED_SPEAKER, help="embedding directory")
    parser.add_argument("--sets", nargs="*", default=[], help="only these sets")
    arguments = parser.parse_args()
    voices = Voices(clips_of(arguments.data, held_out=True, sets=arguments.sets))
    found = measure(OnnxEmbedder(arguments.model), voices)
    print(f"[spread]\nfloor = {found.floor:.4f}\nslope = {found.slope:.4f}")


if __name__ == "__main__":
    main()
