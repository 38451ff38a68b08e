"""A second, real voice: sentences put together from recorded Cantonese syllables.

Meant for jyutnet_kt (粵音資料集叢, CC BY-SA 4.0): one man reads every syllable, the transcript is its
Jyutping. Syllables are trimmed, shortened without changing their pitch, and joined.
"""

from __future__ import annotations

import csv
import random
from functools import cache
from pathlib import Path

import numpy as np
import pycantonese
import soundfile as sf
from numpy.typing import NDArray

from cantonese.spoken import MARKS

SAMPLE_RATE = 16_000
_FRAME, _SEARCH = 480, 120  # 30 ms windows, moved by up to 7.5 ms to where they fit
_JOIN = 240  # 15 ms of overlap between syllables
_FINALS_AFTER_TONE = "mnptk"


def shorten(pcm: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Shorten ``pcm`` to ``1 / factor`` of its length at the same pitch.

    WSOLA (Verhelst and Roelands 1993): windows are taken further apart than they are laid down, each
    shifted to where it continues the one before best.
    """
    hop = _FRAME // 2
    window = np.hanning(_FRAME).astype(np.float32)
    count = max(1, int((len(pcm) - _FRAME - _SEARCH) / (hop * factor)))
    padded = np.pad(pcm, (_SEARCH, 2 * _FRAME + _SEARCH))
    out = np.zeros((count + 1) * hop + _FRAME, np.float32)
    position = _SEARCH
    for index in range(count + 1):
        out[index * hop : index * hop + _FRAME] += window * padded[position : position + _FRAME]
        natural = padded[position + hop : position + hop + _FRAME]
        target = _SEARCH + int((index + 1) * hop * factor)
        if target + _SEARCH + _FRAME > len(padded):
            break
        near = padded[target - _SEARCH : target + _SEARCH + _FRAME]
        position = target - _SEARCH + int(np.argmax(np.correlate(near, natural, "valid")))
    return out


def espeak_mnemonics(syllable: str) -> str:
    """Write a Jyutping syllable the way espeak-ng writes its phonemes (``dim2`` as ``di2m``)."""
    base, tone = syllable[:-1], syllable[-1]
    if base.startswith("ng") and len(base) > 2:
        base = "N" + base[2:]
    if base[-1] in _FINALS_AFTER_TONE and not base.endswith("ng") and len(base) > 1:
        return base[:-1] + tone + base[-1]
    return base + tone


class SyllableVoice:
    """Speaks Chinese text with recorded syllables.

    Args:
        folder: holds ``manifest.csv`` with the columns file and transcript (Jyutping with tone).

    Raises:
        FileNotFoundError: there is no manifest.
    """

    def __init__(self, folder: Path) -> None:
        manifest = folder / "manifest.csv"
        if not manifest.exists():
            raise FileNotFoundError(f"no manifest.csv in {folder}; leave out --syllables to train without")
        with manifest.open(newline="", encoding="utf-8") as rows:
            self._files = {row["transcript"]: folder / row["file"] for row in csv.DictReader(rows)}
        self._syllable = cache(self._load)

    def _load(self, jyutping: str) -> NDArray[np.int16]:
        pcm, rate = sf.read(self._files[jyutping], dtype="float32")
        if rate != SAMPLE_RATE:
            raise ValueError(f"{self._files[jyutping].name}: expected {SAMPLE_RATE} Hz")
        level = np.sqrt(np.convolve(pcm**2, np.ones(320) / 320, "same"))
        loud = np.flatnonzero(level > 0.06 * level.max())
        cut = pcm[loud[0] : loud[-1] + 1]
        return (cut * (20_000 / max(1e-4, float(np.abs(cut).max())))).astype(np.int16)

    def jyutping(self, text: str) -> list[str] | None:
        """Return one syllable per character, "" for a mark; None if something cannot be spoken."""
        out: list[str] = []
        for part, reading in pycantonese.characters_to_jyutping(text):
            if part in MARKS:
                out.append("")
                continue
            syllables = pycantonese.parse_jyutping(reading) if reading else []
            names = [f"{s.onset}{s.nucleus}{s.coda}{s.tone}" for s in syllables]
            if len(names) != len(part) or any(name not in self._files for name in names):
                return None
            out += names
        return out

    def speak(self, syllables: list[str], rng: random.Random) -> NDArray[np.float32]:
        """Return the syllables as float32 mono at 16 kHz, shape (n,), at a random pace."""
        seconds = rng.uniform(0.17, 0.30)
        out = np.zeros(_JOIN, np.float32)
        for name in syllables:
            if not name:
                out = np.concatenate([out, np.zeros(int(SAMPLE_RATE * rng.uniform(0.05, 0.3)), np.float32)])
                continue
            pcm = self._syllable(name).astype(np.float32) / 32768.0
            wanted = seconds * rng.uniform(0.8, 1.2) * (0.85 if name[-2] in "ptk" else 1.0)
            piece = shorten(pcm, max(1.0, len(pcm) / SAMPLE_RATE / wanted))
            piece *= np.float32(rng.uniform(0.7, 1.0))
            ramp = np.linspace(0, 1, _JOIN, dtype=np.float32)
            joint = out[-_JOIN:] * ramp[::-1] + piece[:_JOIN] * ramp
            out = np.concatenate([out[:-_JOIN], joint, piece[_JOIN:]])
        return out
