"""A model directory on disk: an ONNX graph and what it declares about itself in ``emotion.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.base import LABELS, EmotionModelError
from models.declaration import DirectoryKind, read_directory

DECLARATION = "emotion.toml"
WEIGHTS = "model.onnx"
BUNDLED = Path(__file__).parent / "bundled"
FRONT_ENDS = ("voice", "waveform", "encoder")
ACTIVATIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output of the graph.

    Attributes:
        name: in the graph.
        names: what its columns are: labels, or dimensions.
        activation: softmax, sigmoid or none, applied here.
    """

    name: str
    names: tuple[str, ...]
    activation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionDirectory:
    """A checked directory.

    Attributes:
        path: the folder.
        name: for people and logs.
        front_end: voice (our figures and log mel, see :mod:`emotion.features`), waveform (16 kHz samples) or
            encoder (pooled states of the recogniser).
        normalise: waveform only: zero mean and unit variance, as wav2vec 2.0 models want.
        outputs: of the graph.
        labels: which of our labels each label of the model stands for.
        slope: with ``offset``, calibrates the agitation score: sigmoid(slope * logit + offset).
        offset: see ``slope``.
    """

    path: Path
    name: str
    front_end: str
    normalise: bool
    outputs: tuple[Output, ...]
    labels: dict[str, str]
    slope: float
    offset: float


KIND = DirectoryKind(
    name="emotion model",
    declaration=DECLARATION,
    required=(WEIGHTS,),
    fix="set emotion.model to 'bundled', or see docs/emotion.md for what a directory must hold",
    error=EmotionModelError,
)


def read_emotion_model(path: Path) -> EmotionDirectory:
    """Check ``path`` and read what it declares.

    Raises:
        EmotionModelError: the folder, a file, or something in the declaration is missing or wrong.
    """
    return read_directory(path, KIND, _declared)


def _declared(path: Path, declared: Mapping[str, Any]) -> EmotionDirectory:
    front_end = declared.get("front_end", "voice")
    if front_end not in FRONT_ENDS:
        raise ValueError(f"front_end must be one of {', '.join(FRONT_ENDS)}")
    labels = {str(theirs): str(ours) for theirs, ours in declared.get("labels", {}).items()}
    if wrong := [ours for ours in labels.values() if ours not in LABELS]:
        raise ValueError(f"labels: {wrong[0]!r} is none of {', '.join(LABELS)}")
    outputs = tuple(_output(fields) for fields in declared["outputs"])
    columns = {name for output in outputs for name in output.names}
    if not columns & {
        "agitation",
        "arousal",
        *(n for n, ours in _all_labels(labels).items() if ours == "angry"),
    }:
        raise ValueError("outputs need agitation, arousal, or a label that stands for angry")
    calibration = declared.get("calibration", {})
    return EmotionDirectory(
        path=path,
        name=str(declared.get("name", path.name)),
        front_end=front_end,
        normalise=bool(declared.get("normalise", False)),
        outputs=outputs,
        labels=_all_labels(labels),
        slope=float(calibration.get("slope", 1.0)),
        offset=float(calibration.get("offset", 0.0)),
    )


def _all_labels(labels: dict[str, str]) -> dict[str, str]:
    return {**{label: label for label in LABELS}, **labels}


def _output(fields: dict[str, Any]) -> Output:
    names, activation = tuple(map(str, fields["names"])), fields.get("activation", "none")
    if not names or activation not in ACTIVATIONS:
        raise ValueError(f"outputs need names, and an activation out of {', '.join(ACTIVATIONS)}")
    return Output(name=str(fields["name"]), names=names, activation=activation)
