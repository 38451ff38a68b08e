"""Batches of a manifest, each a pure function of seed, epoch and position: a killed run repeats exactly."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from asr.features import LogMel
from cantonese.spoken import MARKS
from scripts.finetune.common.manifest import SAMPLE_RATE, Manifest, Utterance
from scripts.finetune.recogniser.line import (
    add_noise,
    band_limit,
    codec_round_trip,
    lose_packets,
    reverberate,
    shift_voice,
    to_narrow,
    to_wide,
)
from scripts.finetune.recogniser.network import Batch
from scripts.finetune.recogniser.tokens import TokenLayout

BUCKET = SAMPLE_RATE // 2
"""Audio is padded to 0.5 s, as the streaming engine does."""
WINDOW = 30 * SAMPLE_RATE
HOTWORD_SHARE = 0.10
Job = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleOptions:
    """How utterances become examples.

    Attributes:
        seed: of every draw.
        short_context: pad to 0.5 s instead of 30 s.
        augment: strength of telephone augmentation and SpecAugment, 0 for none, 1 for all.
        timestamps: share of examples that write timestamps.
    """

    seed: int
    short_context: bool
    augment: float
    timestamps: float


def plan_epoch(
    seconds: Sequence[float], *, batch_seconds: float, seed: int, epoch: int, padded: bool
) -> list[tuple[int, ...]]:
    """Return the batches of one epoch: utterances of like length, in an order drawn from seed and epoch.

    Args:
        seconds: length of each utterance.
        batch_seconds: of audio in a batch, padding included.
        seed: of the run.
        epoch: from 0.
        padded: every utterance takes 30 s.
    """
    rng = random.Random(f"{seed}/{epoch}")
    order = sorted(range(len(seconds)), key=lambda index: seconds[index] * rng.uniform(0.9, 1.1))
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    longest = 0.0
    for index in order:
        longest = 30.0 if padded else max(longest, seconds[index])
        if batch and (len(batch) + 1) * longest > batch_seconds:
            batches.append(tuple(batch))
            batch, longest = [], seconds[index]
        batch.append(index)
    if batch:
        batches.append(tuple(batch))
    rng.shuffle(batches)
    return batches


def distort(rng: np.random.Generator, pcm: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Make a telephone recording sound like another one: pace, room, noise, line, gain.

    Args:
        rng: of every draw.
        pcm: float32 at 16 kHz, shape (n,).
        strength: scales how often each step is taken.
    """
    if rng.random() < 0.6 * strength:
        pcm = shift_voice(pcm, SAMPLE_RATE, rng.uniform(0.9, 1.1))
    if rng.random() < 0.1 * strength:
        pcm = reverberate(rng, pcm)
    if rng.random() < 0.4 * strength:
        pcm = add_noise(rng, pcm, rng.uniform(10, 35))
    if rng.random() < 0.4 * strength:
        narrow = to_narrow(pcm)
        if rng.random() < 0.5:
            narrow = band_limit(narrow, 8000, rng.uniform(80, 350), rng.uniform(3000, 3900))
        if rng.random() < 0.3:
            narrow = lose_packets(rng, narrow, 8000, rng.uniform(0.005, 0.04))
        coding = ("ULAW", "ALAW", "GSM610")[int(rng.integers(0, 3))]
        pcm = to_wide(codec_round_trip(np.clip(narrow, -1, 1), coding))
    if rng.random() < 0.7 * strength:
        pcm = pcm * np.float32(10 ** (rng.uniform(-12, 6) / 20))
    return np.clip(pcm, -1, 1).astype(np.float32)


def mask(rng: np.random.Generator, features: NDArray[np.float32], frames: int) -> None:
    """Hide bands and stretches of ``features`` in place (SpecAugment, Park et al. 2019, without warping)."""
    mels = len(features)
    for _ in range(2):
        width = int(rng.integers(0, mels // 6))
        start = int(rng.integers(0, mels - width))
        features[start : start + width] = 0.0
        width = int(rng.integers(0, max(1, min(40, frames // 12))))
        start = int(rng.integers(0, max(1, frames - width)))
        features[:, start : start + width] = 0.0


class Examples(torch.utils.data.Dataset[Batch]):
    """Gives the batch of a job (epoch, indices); the same job is always the same batch.

    Args:
        manifest: utterances and audio.
        layout: of the tokenizer.
        n_mels: rows of the front end.
        options: how utterances become examples.
    """

    def __init__(self, manifest: Manifest, layout: TokenLayout, n_mels: int, options: ExampleOptions) -> None:
        self._manifest = manifest
        self._layout = layout
        self._options = options
        self._log_mel = LogMel(n_mels)

    def __getitem__(self, job: Job) -> Batch:  # type: ignore[override]
        epoch, indices = job
        members = [self._manifest.utterances[index] for index in indices]
        draws = [self._draw(utterance, epoch) for utterance in members]
        clips = [self._audio(u, rng) for u, rng in zip(members, draws, strict=True)]
        size = max(map(len, clips))
        size = min(WINDOW, size + -size % BUCKET) if self._options.short_context else WINDOW
        features = [self._features(c, size, rng) for c, rng in zip(clips, draws, strict=True)]
        rows = [self._tokens(u, c, rng) for u, c, rng in zip(members, clips, draws, strict=True)]
        ctc = [self._layout.encode("".join(c for c in u.text if c not in MARKS)) for u in members]
        return Batch(
            torch.from_numpy(np.stack(features)),
            pad([tokens for tokens, _ in rows], -100),
            torch.tensor([first for _, first in rows]),
            pad(ctc, 0),
            torch.tensor([len(row) for row in ctc]),
        )

    def _draw(self, utterance: Utterance, epoch: int) -> np.random.Generator:
        return np.random.default_rng((self._options.seed, epoch, zlib.crc32(utterance.id.encode())))

    def _audio(self, utterance: Utterance, rng: np.random.Generator) -> NDArray[np.float32]:
        pcm = self._manifest.pcm(utterance)[:WINDOW]
        return distort(rng, pcm, self._options.augment) if self._options.augment else pcm

    def _features(self, pcm: NDArray[np.float32], size: int, rng: np.random.Generator) -> NDArray[np.float32]:
        features = self._log_mel(np.pad(pcm[:size], (0, size - len(pcm[:size])))).copy()
        if self._options.augment and rng.random() < 0.7 * self._options.augment:
            mask(rng, features, len(pcm) // 160)
        return features

    def _tokens(
        self, utterance: Utterance, pcm: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[list[int], int]:
        times = None
        if rng.random() < self._options.timestamps:
            times = (0.0, min(len(pcm), WINDOW) / SAMPLE_RATE)
        prompt = self._hotwords(utterance.text, rng) if self._options.augment else ""
        return self._layout.sequence(utterance.text, prompt=prompt, times=times)

    def _hotwords(self, text: str, rng: np.random.Generator) -> str:
        """Return hotwords for a share of the examples: a piece of the text among pieces of others."""
        if rng.random() > HOTWORD_SHARE or len(text) < 4:
            return ""
        picks = rng.integers(0, len(self._manifest), int(rng.integers(0, 4)))
        texts = [self._manifest.utterances[int(index)].text for index in picks]
        words = [_piece(other, rng) for other in [*texts, *([text] if rng.random() < 0.7 else [])]]
        rng.shuffle(words)
        return "，".join(word for word in words if word)


def _piece(text: str, rng: np.random.Generator) -> str:
    start = int(rng.integers(0, max(1, len(text) - 2)))
    piece = text[start : start + int(rng.integers(2, 7))]
    return "".join(char for char in piece if char not in MARKS).strip()


def pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Return rows as one int64 tensor, filled with ``value``."""
    width = max(1, *map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
