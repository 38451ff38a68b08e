"""Clips on telephone lines, analysed: what the network learns from and is measured on."""

from __future__ import annotations

import multiprocessing
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from threadpoolctl import threadpool_limits

from emotion.base import SAMPLE_RATE
from emotion.features import extract
from emotion.functionals import COUNT
from scripts.finetune.voices.line import Line
from scripts.finetune.voices.sets import Clip, load

Array = NDArray[np.float32]

BASELINE_CLIPS = 3
"""Clips of a speaker's ordinary speech that make the baseline: about 6 to 10 s."""
OTHER_LINE = 0.3
"""Share of baselines from another line than the window's: a moved handset, a loudspeaker switched on."""
CROPS_S = (0.0, 0.0, 2.0, 1.3, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Analysed clips.

    Attributes:
        clips: one for each example.
        copies: which line of the speaker it went over.
        figures: float32, shape (n, COUNT).
        mels: float16, each of shape (MEL_BANDS, frames).
        kept: False where nothing could be analysed.
    """

    clips: tuple[Clip, ...]
    copies: NDArray[np.int64]
    figures: Array
    mels: tuple[NDArray[np.float16], ...]
    kept: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.clips)

    def chosen(self, where: NDArray[np.bool_]) -> Examples:
        """Return the examples where ``where`` is true."""
        index = np.flatnonzero(where)
        return Examples(
            clips=tuple(self.clips[i] for i in index),
            copies=self.copies[index],
            figures=self.figures[index],
            mels=tuple(self.mels[i] for i in index),
            kept=self.kept[index],
        )

    def column(self, name: str) -> NDArray[np.float32]:
        """Return an attribute of the clips as an array."""
        return np.array([getattr(clip, name) for clip in self.clips], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    clip: Clip
    copy: int
    seed: int
    training: bool
    crop_s: float
    gain_db: float
    own_line: bool


def build(
    clips: Sequence[Clip], *, copies: int = 1, training: bool, seed: int, gain_db: float = 0.0,
    crops_s: Sequence[float] = (0.0,), own_line: bool = False,
) -> Examples:  # fmt: skip
    """Send every clip over ``copies`` lines and analyse what arrives.

    Args:
        clips: to be sent.
        copies: lines for each speaker; all clips of a speaker share the n-th line.
        training: draw stronger lines.
        seed: of everything.
        gain_db: change of level behind the line.
        crops_s: longest piece of a clip, by turns of copies; 0 for all of it.
        own_line: give every clip a line of its own instead.
    """
    jobs = [
        _Job(
            clip=clip, copy=copy, seed=seed, training=training, crop_s=crops_s[copy % len(crops_s)],
            gain_db=gain_db, own_line=own_line,
        )
        for copy in range(copies)
        for clip in clips
    ]  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), _one_thread) as pool:
        results = list(
            track(
                pool.imap(_example, jobs, chunksize=16),
                f"lines for {clips[0].source}",
                total=len(jobs),
                transient=True,
            )
        )
    return Examples(
        clips=tuple(job.clip for job in jobs),
        copies=np.array([job.copy for job in jobs]),
        figures=np.stack([figures for figures, _mel in results]),
        mels=tuple(mel for _figures, mel in results),
        kept=np.array([mel.shape[1] > 0 for _figures, mel in results]),
    )


def _one_thread() -> None:
    threadpool_limits(1)


def _example(job: _Job) -> tuple[Array, NDArray[np.float16]]:
    key = job.clip.key if job.own_line else zlib.crc32(job.clip.speaker.encode())
    line = Line.draw(np.random.default_rng([job.seed, job.copy, key]), training=job.training)
    rng = np.random.default_rng([job.seed, job.copy, job.clip.key])
    pcm = load(job.clip)
    longest = int(job.crop_s * SAMPLE_RATE)
    if longest and len(pcm) > longest:
        start = int(rng.integers(0, len(pcm) - longest))
        pcm = pcm[start : start + longest]
    features = extract(line.carry(rng, pcm, job.gain_db))
    if features is None:
        return np.zeros(COUNT, np.float32), np.zeros((1, 0), np.float16)
    return features.figures, features.mel.astype(np.float16)


def join(parts: Sequence[Examples]) -> Examples:
    """Return all examples of ``parts``; what could not be analysed is left out."""
    whole = Examples(
        clips=tuple(clip for part in parts for clip in part.clips),
        copies=np.concatenate([part.copies for part in parts]),
        figures=np.concatenate([part.figures for part in parts]),
        mels=tuple(mel for part in parts for mel in part.mels),
        kept=np.concatenate([part.kept for part in parts]),
    )
    return whole.chosen(whole.kept)


def baselines(examples: Examples, rng: np.random.Generator, *, emotion_blind: float = 0.0,
              other_line: float = 0.0) -> tuple[Array, NDArray[np.bool_]]:  # fmt: skip
    """Return the usual figures of each example's speaker, and where they are known.

    Args:
        examples: the baselines come from among them, never from the clip itself.
        rng: draws the clips.
        emotion_blind: share of baselines from any of the speaker's clips: a caller may be angry from the
        start.
        other_line: share of baselines from another line of the speaker.
    """
    ordinary: dict[tuple[str, int], list[int]] = {}
    every: dict[tuple[str, int], list[int]] = {}
    for index, (clip, copy) in enumerate(zip(examples.clips, examples.copies, strict=True)):
        every.setdefault((clip.speaker, int(copy)), []).append(index)
        if clip.emotion in ("", "neutral", "calm"):
            ordinary.setdefault((clip.speaker, int(copy)), []).append(index)
    copies = int(examples.copies.max()) + 1
    usual, known = np.zeros_like(examples.figures), np.zeros(len(examples), np.bool_)
    for index, (clip, copy) in enumerate(zip(examples.clips, examples.copies, strict=True)):
        line = int(rng.integers(copies)) if rng.random() < other_line else int(copy)
        source = every if rng.random() < emotion_blind else ordinary
        pool = source.get((clip.speaker, line), ordinary.get((clip.speaker, int(copy)), []))
        pool = [other for other in pool if examples.clips[other].files != clip.files]
        if pool:
            chosen = rng.choice(pool, min(BASELINE_CLIPS, len(pool)), replace=False)
            usual[index], known[index] = examples.figures[chosen].mean(axis=0), True
    return usual, known
