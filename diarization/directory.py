"""Model directories on disk: an ONNX graph and what it declares about itself.

A speaker embedding has ``model.onnx`` and ``speaker.toml``; a local segmentation has ``model.onnx`` and
``segmentation.toml``. Published embeddings (WeSpeaker, ECAPA and others) work once someone has written down
which front end they were trained with: docs/diarization.md has examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from diarization.base import DiarizationError, Spread
from diarization.fbank import FbankSpec
from models.declaration import DirectoryKind, read_directory

SPEAKER_FILE, SEGMENTATION_FILE, WEIGHTS = "speaker.toml", "segmentation.toml", "model.onnx"
BUNDLED = Path(__file__).parent / "bundled"
BUNDLED_SPEAKER, BUNDLED_SEGMENTATION = BUNDLED / "speaker", BUNDLED / "segmentation"
LAYOUTS = ("frames-bins", "bins-frames")
_CHOICES = {"window": ("hamming", "hann", "povey"), "normalise": ("mean", "mean-variance", "none")}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerDirectory:
    """A checked embedding directory.

    Attributes:
        path: the folder.
        name: for people and logs.
        fbank: its front end; None if the graph takes samples.
        layout: of the features, behind the batch dimension.
        spread: of one voice, see :class:`diarization.base.Spread`.
    """

    path: Path
    name: str
    fbank: FbankSpec | None
    layout: str
    spread: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationDirectory:
    """A checked local segmentation directory.

    Attributes:
        path: the folder.
        name: for people and logs.
        speakers: local speakers that it tells apart.
        at_once: most of them that can speak at the same time; the classes are all such sets, by size.
        window_s: what it was trained on.
        step: samples from frame to frame.
        first: sample at which the first frame begins; may be a little negative.
        tuned: factors ``expected`` and ``unexpected`` of the clustering, tuned with this model.
    """

    path: Path
    name: str
    speakers: int
    at_once: int
    window_s: float
    step: int
    first: int
    tuned: tuple[float, float] | None


def _kind(name: str, declaration: str, setting: str) -> DirectoryKind:
    return DirectoryKind(
        name=name,
        declaration=declaration,
        required=(WEIGHTS,),
        fix=f"set {setting} to 'bundled', or see docs/diarization.md for what a directory must hold",
        error=DiarizationError,
    )


SPEAKER_KIND = _kind("speaker embedding", SPEAKER_FILE, "diarization.speaker_model")
SEGMENTATION_KIND = _kind("speaker segmentation", SEGMENTATION_FILE, "diarization.segmentation_model")


def read_speaker(path: Path) -> SpeakerDirectory:
    """Check an embedding directory and read what it declares.

    Raises:
        DiarizationError: the folder, a file, or something in the declaration is missing or wrong.
    """
    return read_directory(path, SPEAKER_KIND, _speaker)


def read_segmentation(path: Path) -> SegmentationDirectory:
    """Check a segmentation directory and read what it declares.

    Raises:
        DiarizationError: the folder, a file, or something in the declaration is missing or wrong.
    """
    return read_directory(path, SEGMENTATION_KIND, _segmentation)


def _speaker(path: Path, declared: Mapping[str, Any]) -> SpeakerDirectory:
    front_end = declared.get("front_end", "fbank")
    if front_end not in ("fbank", "waveform"):
        raise ValueError("front_end must be fbank or waveform")
    layout = declared.get("layout", "frames-bins")
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}")
    spread = Spread(**{key: float(value) for key, value in declared["spread"].items()})
    if not (0 < spread.floor < 1 and 0 <= spread.slope < 2):
        raise ValueError(
            "spread: floor or slope out of range; scripts.finetune.speakers.spread measures them"
        )
    return SpeakerDirectory(
        path=path,
        name=str(declared.get("name", path.name)),
        fbank=_fbank(declared.get("fbank", {})) if front_end == "fbank" else None,
        layout=layout,
        spread=spread,
    )


def _fbank(declared: Mapping[str, Any]) -> FbankSpec:
    known = {field.name for field in fields(FbankSpec)}
    if unknown := sorted(set(declared) - known):
        raise ValueError(f"fbank has no {unknown[0]!r}; it has {', '.join(sorted(known))}")
    for key, choices in _CHOICES.items():
        if declared.get(key, choices[0]) not in choices:
            raise ValueError(f"fbank.{key} must be one of {', '.join(choices)}")
    return FbankSpec(**declared)


def _segmentation(path: Path, declared: Mapping[str, Any]) -> SegmentationDirectory:
    found = SegmentationDirectory(
        path=path,
        name=str(declared.get("name", path.name)),
        speakers=int(declared["speakers"]),
        at_once=int(declared["at_once"]),
        window_s=float(declared["window_s"]),
        step=int(declared["step"]),
        first=int(declared.get("first", 0)),
        tuned=_tuned(declared.get("clusters")),
    )
    if not (1 <= found.at_once <= found.speakers <= 8 and 0.5 <= found.window_s <= 60 and found.step > 0):
        raise ValueError("speakers, at_once, window_s or step out of range")
    return found


def _tuned(clusters: Mapping[str, Any] | None) -> tuple[float, float] | None:
    if clusters is None:
        return None
    expected, unexpected = float(clusters["expected"]), float(clusters["unexpected"])
    if not (0 < expected <= 10 and 0 < unexpected <= 10):
        raise ValueError("clusters: expected and unexpected are factors above 0, at most 10")
    return expected, unexpected
