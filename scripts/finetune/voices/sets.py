"""Recordings with an emotion label: a folder with a ``manifest.csv``, or several such folders in one.

The manifest's columns are file, speaker and emotion; others are ignored. An empty emotion means read or
ordinary speech, which counts as neutral.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from emotion.base import SAMPLE_RATE
from scripts.finetune.common.errors import FinetuneError

Pcm = NDArray[np.float32]

MANIFEST = "manifest.csv"
CLASSES = ("neutral", "happy", "sad", "angry", "other")
_CLASS = {"": 0, "neutral": 0, "calm": 0, "happy": 1, "sad": 2, "angry": 3, "other": 4, "bored": 4}
_CALM = frozenset({"", "neutral", "calm", "sad", "bored", "other"})
_PLACE = {
    "angry": (0.95, 0.1), "happy": (0.8, 0.85), "fearful": (0.8, 0.2), "disgust": (0.5, 0.2),
    "surprised": (0.8, 0.6), "sad": (0.15, 0.2), "bored": (0.15, 0.4), "other": (0.15, 0.4), "": (0.35, 0.5),
}  # fmt: skip
"""Arousal and valence of acted emotions, after the circumplex of Russell (1980); the numbers are ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A recording, or several to be joined.

    Attributes:
        source: name of the set.
        files: to be read one after the other.
        speaker: unique within all sets.
        emotion: label, '' for ordinary speech.
        take_s: longest part of each file to be taken; 0 for all.
        seconds: of a file, as the manifest says; 0 if it says nothing.
    """

    source: str
    files: tuple[Path, ...]
    speaker: str
    emotion: str
    take_s: float = 0.0
    seconds: float = 0.0

    @property
    def key(self) -> int:
        """A number for random draws that stays the same from run to run."""
        return zlib.crc32("|".join(path.name for path in self.files).encode())

    @property
    def agitated(self) -> int:
        """1 angry, 0 calm, -1 neither: kept out of the agitation head and its figures."""
        return 1 if self.emotion == "angry" else 0 if self.emotion in _CALM else -1

    @property
    def label(self) -> int:
        """Index into CLASSES."""
        return _CLASS.get(self.emotion, 4)

    @property
    def place(self) -> tuple[float, float]:
        """Arousal and valence, each in [0, 1]."""
        return _PLACE.get(self.emotion, _PLACE[""])


def read_sets(folder: Path, names: Sequence[str] = ()) -> dict[str, list[Clip]]:
    """Return the clips of every set in ``folder``, or only of those called ``names``, by set.

    Raises:
        FinetuneError: there is no manifest, or it lacks a column or a file.
    """
    found = (
        [folder] if (folder / MANIFEST).is_file() else sorted(p.parent for p in folder.glob(f"*/{MANIFEST}"))
    )
    if not found:
        raise FinetuneError(f"{folder} has no {MANIFEST}, nor has a folder in it")
    return {path.name: read_set(path) for path in found if not names or path.name in names}


def read_set(folder: Path) -> list[Clip]:
    """Return the clips of one set.

    Raises:
        FinetuneError: its manifest lacks a column or a file.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FinetuneError(f"no file {path}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = []
    for number, row in enumerate(rows, start=2):
        if not row.get("file") or row.get("speaker") is None:
            raise FinetuneError(f"{path}, line {number}: the columns file and speaker are needed")
        audio = folder / row["file"]
        if not audio.is_file():
            raise FinetuneError(f"{path}, line {number}: no file {audio.name}")
        emotion = (row.get("emotion") or "").strip().lower()
        if emotion not in _PLACE and emotion not in _CLASS:
            raise FinetuneError(
                f"{path}, line {number}: emotion is none of {', '.join(sorted(filter(None, _PLACE)))}"
            )
        clips.append(
            Clip(
                source=folder.name,
                files=(audio,),
                speaker=f"{folder.name}/{row['speaker']}",
                emotion=emotion,
                seconds=float(row.get("duration_s") or 0),
            )
        )
    return clips


def joined(clips: Sequence[Clip], count: int, length: int, seed: int, take_s: float = 0.35) -> list[Clip]:
    """Return ``count`` clips of ``length`` random recordings each: syllables become a kind of sentence."""
    rng = np.random.default_rng(seed)
    return [
        Clip(
            source=clips[0].source,
            files=tuple(clips[i].files[0] for i in rng.integers(0, len(clips), length)),
            speaker=f"{clips[0].speaker}/{number // 6}",
            emotion="",
            take_s=take_s,
        )
        for number in range(count)
    ]


def share_of(name: str) -> float:
    """Return a number in [0, 1) that a name always gets: for splitting by speaker."""
    return zlib.crc32(f"split {name}".encode()) / 2**32


def load(clip: Clip) -> Pcm:
    """Return the audio of ``clip``, 16 kHz mono float32, the silence at both ends of each file cut off.

    Raises:
        FinetuneError: a file cannot be read.
    """
    parts = []
    for path in clip.files:
        try:
            pcm, rate = sf.read(path, dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as error:
            raise FinetuneError(f"{path} cannot be read as audio") from error
        mono = pcm.mean(axis=1)
        if rate != SAMPLE_RATE:
            mono = soxr.resample(mono, rate, SAMPLE_RATE)
        part = trimmed(np.asarray(mono, np.float32))
        parts.append(part[: int(clip.take_s * SAMPLE_RATE)] if clip.take_s else part)
    return np.concatenate(parts)


def trimmed(pcm: Pcm) -> Pcm:
    """Return ``pcm`` without its ends that are 30 dB below its loudest parts, 0.1 and 0.2 s spared."""
    hop = SAMPLE_RATE // 100
    if len(pcm) < 4 * hop:
        return pcm
    power = np.array([np.mean(pcm[i : i + hop] ** 2) for i in range(0, len(pcm) - hop, hop)])
    loud = np.flatnonzero(power > np.percentile(power, 95) * 1e-3)
    return pcm[max(0, (loud[0] - 10) * hop) : (loud[-1] + 20) * hop] if len(loud) else pcm
