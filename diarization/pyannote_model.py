"""ONNX directories of this package as models of pyannote.audio, so that its pipelines can use them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pyannote.audio.core.model import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications

from diarization.base import SAMPLE_RATE, SHORTEST, Spread
from diarization.onnx import OnnxEmbedder, OnnxSegmentation

WEIGHTED = 0.5
"""Samples whose weight is above this are heard."""


class OnnxSpeakerModel(Model):
    """Waveforms in, embeddings out.

    Args:
        path: embedding directory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(sample_rate=SAMPLE_RATE, num_channels=1)
        self._embedder = OnnxEmbedder(path)
        self._nothing = torch.nn.Parameter(torch.zeros(1), requires_grad=False)  # tells pyannote the device
        self.specifications = Specifications(
            problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0
        )

    @property
    def spread(self) -> Spread:
        """How far stretches of one voice lie apart."""
        return self._embedder.spread

    @cached_property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._embedder.size

    def num_frames(self, num_samples: int) -> int:
        """Return how many weights belong to so many samples: one each 10 ms."""
        return max(1, num_samples // (SAMPLE_RATE // 100))

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Return the samples that so many frames see."""
        return num_frames * (SAMPLE_RATE // 100)

    def receptive_field_center(self, frame: int = 0) -> int:
        """Return the sample in the middle of a frame."""
        return frame * (SAMPLE_RATE // 100) + SAMPLE_RATE // 200

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Return embeddings, shape (batch, dimension); NaN where too little is to be heard.

        Args:
            waveforms: shape (batch, 1, samples).
            weights: of speech, shape (batch, frames); everything is heard without.
        """
        rows = []
        for number, waveform in enumerate(waveforms):
            pcm = waveform[0].detach().cpu().numpy().astype(np.float32)
            if weights is not None:
                pcm = pcm[_stretched(weights[number].detach().cpu().numpy(), len(pcm)) > WEIGHTED]
            enough = len(pcm) >= SHORTEST
            rows.append(self._embedder.embed(pcm) if enough else np.full(self.dimension, np.nan, np.float32))
        return torch.from_numpy(np.stack(rows))


class OnnxSegmentationModel(Model):
    """Waveforms in, scores of sets of local speakers out.

    Args:
        path: segmentation directory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(sample_rate=SAMPLE_RATE, num_channels=1)
        self._engine = OnnxSegmentation(path)
        self._nothing = torch.nn.Parameter(torch.zeros(1), requires_grad=False)  # tells pyannote the device
        directory = self._engine.directory
        self.specifications = Specifications(
            problem=Problem.MONO_LABEL_CLASSIFICATION,
            resolution=Resolution.FRAME,
            duration=directory.window_s,
            classes=[f"speaker#{number + 1}" for number in range(directory.speakers)],
            powerset_max_classes=directory.at_once,
            permutation_invariant=True,
        )

    @cached_property
    def dimension(self) -> int:
        """Number of classes."""
        return int(self.specifications.num_powerset_classes)

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames an answer to so many samples has."""
        return len(self._engine.scores(np.zeros(num_samples, np.float32)))

    def receptive_field_size(self, num_frames: int = 1) -> int:
        """Return the samples that so many frames stand for."""
        return num_frames * self._engine.step

    def receptive_field_center(self, frame: int = 0) -> int:
        """Return the sample in the middle of a frame."""
        return self._engine.first + frame * self._engine.step + self._engine.step // 2

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return scores, shape (batch, frames, classes), of ``waveforms``, shape (batch, 1, samples)."""
        rows = [self._engine.scores(waveform[0].detach().cpu().numpy()) for waveform in waveforms]
        return torch.from_numpy(np.stack(rows))


def _stretched(weights: Any, samples: int) -> Any:
    """Return ``weights`` for samples instead of frames."""
    return weights[np.minimum(np.arange(samples) * len(weights) // max(1, samples), len(weights) - 1)]
