"""Speech of many voices over many telephone lines, as log mel energies ready for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from diarization.base import SAMPLE_RATE
from diarization.fbank import fbank
from scripts.finetune.speakers.network import FRONT
from scripts.finetune.voices.line import Line
from scripts.finetune.voices.sets import Clip, load, read_sets, share_of

Mel = NDArray[np.float16]

TEST_SHARE = 0.2
"""Share of the speakers that are never trained on."""
VOICES = (1.0, 0.88, 1.12)
"""Factors of pitch, formants and pace: each makes a new speaker of every speaker (Yamamoto et al. 2019)."""
JOIN_S = 3.0
"""Clips of one speaker are joined until they are this long."""
LONGEST_S = 8.0
MOST_CLIPS = 40
"""Most clips of one speaker: one man with five thousand must not outweigh the others."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """One recording over one line.

    Attributes:
        speaker: name; changed voices have names of their own.
        mel: before normalisation, float16, shape (frames, bins).
    """

    speaker: str
    mel: Mel


def is_held_out(speaker: str) -> bool:
    """Tell whether ``speaker`` is kept for measuring: always the same answer."""
    return share_of(speaker) < TEST_SHARE


def clips_of(data: Path, *, held_out: bool, sets: Sequence[str] = ()) -> list[Clip]:
    """Return clips of at least JOIN_S where the speaker has that much.

    Args:
        data: folder of sets.
        held_out: those kept for measuring, or those to learn from.
        sets: names of the sets to take; all when empty.
    """
    found = [
        clip
        for clips in read_sets(data, sets).values()
        for clip in clips
        if is_held_out(clip.speaker) == held_out
    ]
    return [clip for _, group in groupby(found, key=lambda c: c.speaker) for clip in _joined(list(group))]


def _joined(clips: list[Clip]) -> Iterator[Clip]:
    """Join short clips of one speaker."""
    order = np.random.default_rng(clips[0].key).permutation(len(clips))
    files: list[Path] = []
    made, length = 0, 0.0
    for index in order:
        clip = clips[index]
        files.extend(clip.files)
        length += clip.seconds * len(clip.files)
        if length >= JOIN_S:
            yield replace(clip, files=tuple(files))
            files, length, made = [], 0.0, made + 1
            if made == MOST_CLIPS:
                return
    if files and not made:
        yield replace(clips[0], files=tuple(files))


def build(clips: Sequence[Clip], *, copies: int, seed: int, training: bool, workers: int = 1) -> list[Piece]:
    """Send each clip over ``copies`` lines; in training, each time with the next of VOICES.

    Args:
        clips: to be read.
        copies: of each clip, all different.
        seed: of the lines.
        training: draw harder lines and change the voices.
        workers: processes.
    """
    jobs = [(clip, copy, seed, training) for copy in range(copies) for clip in clips]
    with ProcessPoolExecutor(workers) as pool, Progress(transient=True) as progress:
        return list(progress.track(pool.map(_piece, jobs, chunksize=32), len(jobs), description="lines"))


def _piece(job: tuple[Clip, int, int, bool]) -> Piece:
    clip, copy, seed, training = job
    rng = np.random.default_rng([seed, copy, clip.key])
    voice = VOICES[copy % len(VOICES)] if training else 1.0
    line = replace(Line.draw(rng, training=training), voice=voice)
    pcm = load(clip)
    longest = int(LONGEST_S * SAMPLE_RATE)
    start = int(rng.integers(0, max(1, len(pcm) - longest)))
    mel = fbank(line.carry(rng, pcm[start : start + longest]), replace(FRONT, normalise="none"))
    return Piece(speaker=f"{clip.speaker}*{voice:g}", mel=mel.astype(np.float16))
