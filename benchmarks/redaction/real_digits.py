"""Numbers of real people: recorded English digits in a row, behind read sentences without personal data.

Each digit of a number is of another speaker: the recordings (Speech Commands) are single words.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from benchmarks.redaction.rendered import RenderedCall, Spoken

RATE = 16_000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = 8
PAUSE_S, BETWEEN_S = 0.6, 0.12
"""Before a number, and between its digits."""
AUDIBLE = 0.1
"""Share of a word's loudest level at which it begins and ends."""
_LOUD = 0.3
Pcm = NDArray[np.float32]


def real_calls(
    digits: Path, sentences: Path, count: int, folder: Path, rng: random.Random
) -> Iterator[RenderedCall]:
    """Write and yield recordings of one channel: a sentence, and a number of eight digits behind it.

    Args:
        digits: folder with a ``manifest.csv`` (columns file, transcript) of single words.
        sentences: the same, of read sentences.
        count: how many.
        folder: to write to.
        rng: draws.
    """
    clips = {
        str(value): [row["file"] for row in _rows(digits) if row["transcript"] == word]
        for value, word in enumerate(WORDS)
    }
    read = [row["file"] for row in _rows(sentences)]
    for number in range(count):
        sentence = _loud(_pcm(sentences / rng.choice(read)))
        said = rng.choice("235679") + "".join(rng.choice("0123456789") for _ in range(DIGITS - 1))
        parts = [_loud(_audible(_pcm(digits / rng.choice(clips[digit])))) for digit in said]
        silence = np.zeros(int(BETWEEN_S * RATE), np.float32)
        dictated = np.concatenate([piece for part in parts for piece in (part, silence)])
        pcm = np.concatenate(
            [sentence, np.zeros(int(PAUSE_S * RATE), np.float32), dictated, np.zeros(RATE, np.float32)]
        )
        begins = len(sentence) / RATE + PAUSE_S
        call = RenderedCall(folder / f"{number:04}.wav")
        call.turns.append(Spoken(channel=0, start=0.0, end=len(sentence) / RATE, text=""))
        call.values.append(
            Spoken(channel=0, start=begins, end=begins + len(dictated) / RATE, text=said, category="phone")
        )
        sf.write(call.path, pcm, RATE)
        yield call


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _pcm(path: Path) -> Pcm:
    samples, _rate = sf.read(path, dtype="float32", always_2d=True)
    return np.asarray(samples[:, 0], np.float32)


def _audible(pcm: Pcm) -> Pcm:
    """Return a word without the silence around it."""
    level = np.abs(pcm)
    heard = np.flatnonzero(level > AUDIBLE * level.max())
    return pcm[heard[0] : heard[-1] + 1]


def _loud(pcm: Pcm) -> Pcm:
    return np.asarray(pcm / max(1e-6, float(np.abs(pcm).max())) * _LOUD, np.float32)
