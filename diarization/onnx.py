"""The ONNX engines of this package: any speaker embedding and any local segmentation with a declaration."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diarization.base import SAMPLE_RATE, SHORTEST, DiarizationError, Pcm, Spread, Vector
from diarization.directory import (
    BUNDLED_SEGMENTATION,
    BUNDLED_SPEAKER,
    WEIGHTS,
    read_segmentation,
    read_speaker,
)
from diarization.fbank import fbank
from models.onnx import onnx_session

Array = NDArray[np.float32]

USUAL_RMS = 0.05
"""-26 dBFS, the level that telephone speech is tested at (ITU-T P.56)."""
SILENT_RMS = 1e-5


def _session(path: Path, device: str) -> Any:
    session = onnx_session(path / WEIGHTS, device=device, error=DiarizationError)
    if len(session.get_inputs()) != 1:
        raise DiarizationError(f"{path / WEIGHTS}: one input is expected, not {len(session.get_inputs())}")
    return session


class OnnxEmbedder:
    """A :class:`diarization.base.Embedder`.

    Args:
        path: embedding directory; the bundled one by default.
        device: ``cpu`` or ``cuda``.

    Raises:
        DiarizationError: the directory or its graph cannot be used.
    """

    def __init__(self, path: Path = BUNDLED_SPEAKER, device: str = "cpu") -> None:
        self.directory = read_speaker(path)
        self._session = _session(self.directory.path, device)
        self._input = self._session.get_inputs()[0].name
        self._size = len(self.embed(np.full(SAMPLE_RATE, 1e-3, np.float32)))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.directory.name

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self._size

    @property
    def spread(self) -> Spread:
        """How far stretches of one voice lie apart."""
        return self.directory.spread

    def embed(self, pcm: Pcm) -> Vector:
        """Return the voice in ``pcm`` as a vector of length 1.

        Args:
            pcm: float32 mono at 16 kHz, shape (n,), n >= SHORTEST; one speaker.

        Raises:
            DiarizationError: there is less of it, or the model failed.
        """
        if len(pcm) < SHORTEST:
            raise DiarizationError(f"an embedding needs {SHORTEST / SAMPLE_RATE} s of speech")
        try:
            found = self._session.run(None, {self._input: self._features(pcm)})[-1]
        except Exception as error:  # onnxruntime raises bare exceptions of its own kinds
            raise DiarizationError(f"inference with {self.name} failed") from error
        vector = np.asarray(found, np.float32).ravel()
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0.0:
            raise DiarizationError(f"{self.name} returned no usable vector")
        return vector / np.float32(length)

    def _features(self, pcm: Pcm) -> Array:
        spec = self.directory.fbank
        if spec is None:
            return np.ascontiguousarray(pcm[None], np.float32)
        level = np.sqrt(np.mean(pcm**2)) if spec.normalise != "none" else 0.0
        # Means are taken away, so that only the floor under the logarithm hears the level.
        mel = fbank(pcm * np.float32(USUAL_RMS / level) if level > SILENT_RMS else pcm, spec)[None]
        return np.ascontiguousarray(mel if self.directory.layout == "frames-bins" else mel.transpose(0, 2, 1))


class OnnxSegmentation:
    """A :class:`diarization.base.SpeakerSegmentation` with powerset classes (Plaquet & Bredin 2023).

    Args:
        path: segmentation directory; the bundled one by default.
        device: ``cpu`` or ``cuda``.

    Raises:
        DiarizationError: the directory or its graph cannot be used.
    """

    def __init__(self, path: Path = BUNDLED_SEGMENTATION, device: str = "cpu") -> None:
        self.directory = directory = read_segmentation(path)
        self._session = _session(directory.path, device)
        self._input = self._session.get_inputs()[0].name
        sets = [
            chosen
            for size in range(directory.at_once + 1)
            for chosen in combinations(range(directory.speakers), size)
        ]
        self._members = np.array(
            [[float(speaker in chosen) for speaker in range(directory.speakers)] for chosen in sets],
            np.float32,
        )
        self.activity(np.full(self.window, 1e-3, np.float32))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.directory.name

    @property
    def window(self) -> int:
        """Samples that it was trained on."""
        return int(self.directory.window_s * SAMPLE_RATE)

    @property
    def step(self) -> int:
        """Samples from frame to frame."""
        return self.directory.step

    @property
    def tuned(self) -> tuple[float, float] | None:
        """Factors of the clustering that were tuned with this model."""
        return self.directory.tuned

    @property
    def first(self) -> int:
        """Sample at which the first frame begins."""
        return self.directory.first

    def activity(self, pcm: Pcm) -> Array:
        """Return how likely each local speaker speaks in each frame, shape (frames, speakers).

        Raises:
            DiarizationError: the model failed, or answers in other classes than it declares.
        """
        logits = self.scores(pcm)
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True) @ self._members, np.float32)

    def scores(self, pcm: Pcm) -> Array:
        """Return the graph's scores of all sets of speakers in each frame, shape (frames, sets).

        Raises:
            DiarizationError: the model failed, or answers in other classes than it declares.
        """
        try:
            logits = np.asarray(self._session.run(None, {self._input: pcm[None, None]})[0][0], np.float32)
        except Exception as error:  # onnxruntime raises bare exceptions of its own kinds
            raise DiarizationError(f"inference with {self.name} failed") from error
        if logits.ndim != 2 or logits.shape[1] != len(self._members):
            raise DiarizationError(
                f"{self.directory.path}: {len(self._members)} classes are declared, the graph has "
                f"{logits.shape[-1]}"
            )
        return logits
