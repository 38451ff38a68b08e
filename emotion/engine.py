"""Any ONNX emotion model with a declaration, the bundled one included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.base import (
    LABELS,
    NO_OPINION,
    SAMPLE_RATE,
    EmotionModelError,
    EmotionStream,
    VoiceReading,
    VoiceWindow,
)
from emotion.baseline import SpeakerBaseline
from emotion.directory import BUNDLED, WEIGHTS, EmotionDirectory, Output, read_emotion_model
from emotion.features import Features, extract
from emotion.functionals import COUNT
from models.onnx import onnx_session

Array = NDArray[np.float32]

_INPUTS = {
    "voice": {"figures", "baseline", "has_baseline", "mel"},
    "waveform": 1,
    "encoder": 1,
}


class OnnxEmotion:
    """An :class:`emotion.base.EmotionEngine`.

    Args:
        path: model directory; the bundled one by default.
        device: ``cpu`` or ``cuda``.

    Raises:
        EmotionModelError: the directory or its graph cannot be used.
    """

    def __init__(self, path: Path = BUNDLED, device: str = "cpu") -> None:
        self.directory = read_emotion_model(path)
        self._session = onnx_session(self.directory.path / WEIGHTS, device=device, error=EmotionModelError)
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._check(self.directory)

    def _check(self, directory: EmotionDirectory) -> None:
        inputs = self._inputs
        wanted = _INPUTS[directory.front_end]
        if isinstance(wanted, set) and not set(inputs) <= wanted:
            raise EmotionModelError(
                f"{directory.path}: inputs {', '.join(inputs)} are not all among {', '.join(sorted(wanted))}"
            )
        if isinstance(wanted, int) and len(inputs) != wanted:
            raise EmotionModelError(f"{directory.path}: a {directory.front_end} model has one input")
        known = {node.name for node in self._session.get_outputs()}
        if missing := [output.name for output in directory.outputs if output.name not in known]:
            raise EmotionModelError(f"{directory.path}: the graph has no output {missing[0]!r}")

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.directory.name

    @property
    def enabled(self) -> bool:
        """True."""
        return True

    @property
    def wants_states(self) -> bool:
        """Whether windows must bring the recogniser's encoder states."""
        return self.directory.front_end == "encoder"

    def stream(self) -> EmotionStream:
        """Return the state for one speaker of one call."""
        return OnnxEmotionStream(self)

    def run(self, window: VoiceWindow, features: Features, baseline: Array | None) -> dict[str, float]:
        """Return the value of every column that the model gives, activations applied.

        Raises:
            EmotionModelError: the model failed, or the window lacks the states that it wants.
        """
        names = [output.name for output in self.directory.outputs]
        try:
            results = self._session.run(names, self._feeds(window, features, baseline))
        except EmotionModelError:
            raise
        except Exception as error:  # onnxruntime raises bare exceptions of its own kinds
            raise EmotionModelError(f"inference with {self.name} failed") from error
        columns: dict[str, float] = {}
        for output, values in zip(self.directory.outputs, results, strict=True):
            columns |= self._columns(output, np.asarray(values, np.float32).ravel())
        return columns

    def _feeds(self, window: VoiceWindow, features: Features, baseline: Array | None) -> Mapping[str, Array]:
        inputs = self._inputs
        if self.directory.front_end == "voice":
            usual = np.zeros(COUNT, np.float32) if baseline is None else baseline
            known = np.array([[float(baseline is not None)]], np.float32)
            every = {
                "figures": features.figures[None],
                "baseline": usual[None],
                "has_baseline": known,
                "mel": features.mel[None],
            }
            return {name: every[name] for name in inputs}
        if self.directory.front_end == "encoder":
            if window.states is None:
                raise EmotionModelError(f"{self.name} reads the recogniser's states; this one gives none")
            return {inputs[0]: window.states[None].astype(np.float32)}
        pcm = window.pcm
        if self.directory.normalise:
            pcm = (pcm - pcm.mean()) / (pcm.std() + 1e-7)
        return {inputs[0]: pcm[None].astype(np.float32)}

    def _columns(self, output: Output, values: Array) -> dict[str, float]:
        if len(values) != len(output.names):
            raise EmotionModelError(
                f"{self.name}: output {output.name} has {len(values)} columns; "
                f"{len(output.names)} are declared"
            )
        if output.activation == "softmax":
            values = np.exp(values - values.max())
            values = values / values.sum()
        elif output.activation == "sigmoid":
            values = np.asarray(1 / (1 + np.exp(-values)), np.float32)
        return {name: float(value) for name, value in zip(output.names, values, strict=True)}


class OnnxEmotionStream:
    """One speaker; see :class:`emotion.base.EmotionStream`."""

    def __init__(self, engine: OnnxEmotion) -> None:
        self._engine = engine
        self._baseline = SpeakerBaseline()

    def read(self, window: VoiceWindow) -> VoiceReading:
        """Judge a window, and learn from it."""
        features = extract(window.pcm)
        if features is None or features.quality.value == 0:
            return _no_opinion(features)
        usual = self._baseline.value
        columns = self._engine.run(window, features, usual)
        reading = interpret(columns, self._engine.directory, features, known=usual is not None)
        self._baseline.add(features.figures, len(window.pcm) / SAMPLE_RATE, reading.score)
        return reading


def _no_opinion(features: Features | None) -> VoiceReading:
    return replace(NO_OPINION, reason=features.quality.reason) if features else NO_OPINION


def interpret(
    columns: Mapping[str, float], directory: EmotionDirectory, features: Features, *, known: bool
) -> VoiceReading:
    """Turn a model's own columns into our reading."""
    probabilities = dict.fromkeys(LABELS, 0.0)
    for name, value in columns.items():
        if name in directory.labels:
            probabilities[directory.labels[name]] += max(0.0, value)
    total = sum(probabilities.values())
    arousal = columns.get("arousal", probabilities["angry"] + probabilities["happy"])
    raw = columns.get("agitation", probabilities["angry"] if total else arousal)
    return VoiceReading(
        quality=features.quality.value,
        reason=features.quality.reason,
        score=_calibrated(raw, directory.slope, directory.offset),
        arousal=float(np.clip(arousal, 0, 1)),
        valence=float(np.clip(columns.get("valence", 0.5), 0, 1)),
        probabilities=(
            {label: value / total for label, value in probabilities.items()}
            if total
            else dict(NO_OPINION.probabilities)
        ),
        baseline=known,
    )


def _calibrated(probability: float, slope: float, offset: float) -> float:
    clipped = float(np.clip(probability, 1e-6, 1 - 1e-6))
    return float(1 / (1 + np.exp(-(slope * np.log(clipped / (1 - clipped)) + offset))))
