"""The second look: a pyannote.audio pipeline over a whole recording.

A pipeline is a folder with ``config.yaml`` (as pyannote.audio writes it), or a name on the hub. Its
``segmentation`` and ``embedding`` may also name ONNX directories of ours: any model that live calls use then
serves the second look as well. Nothing here is imported before it is needed: torch takes seconds to load.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from diarization.base import SAMPLE_RATE, DiarizationError, Pcm, SpeakerTurn
from diarization.directory import BUNDLED, SEGMENTATION_FILE, SPEAKER_FILE
from diarization.turns import merge_turns

BUNDLED_PIPELINE = BUNDLED / "pyannote"
CONFIG = "config.yaml"
INSTALL = "pip install 'yuetone[pyannote]'"
TOKEN = "HF_TOKEN"  # noqa: S105 (a name)
"""Environment variable that holds the hub's access token."""


_REFUSALS = ("401", "403", "gated", "Gated", "Repository Not Found", "RepositoryNotFound")


class PyannotePipeline:
    """A pipeline, loaded.

    Args:
        source: ``bundled``, a folder, or a name on the hub such as owner/pipeline.

    Raises:
        DiarizationError: pyannote.audio is not installed, or the pipeline cannot be loaded; the message names
            the fix.
    """

    def __init__(self, source: str = "bundled") -> None:
        warnings.filterwarnings("ignore", category=UserWarning)  # optional decoders that are not used here
        try:
            import torch  # noqa: PLC0415
            from pyannote.audio import Pipeline  # noqa: PLC0415
        except ImportError as error:
            raise DiarizationError(f"pyannote.audio is not installed: {INSTALL}") from error
        self._torch = torch
        self.name = source
        folder = BUNDLED_PIPELINE if source == "bundled" else Path(source).expanduser()
        if folder.is_dir():
            self._pipeline = _from_folder(folder)
        elif source.startswith((".", "/", "~")) or source.count("/") != 1:
            raise DiarizationError(
                f"{source} is neither a folder with {CONFIG} nor a name on the hub (owner/name)"
            )
        else:
            self._pipeline = _from_hub(Pipeline, source)

    def diarize(self, pcm: Pcm, speakers: int | None = None) -> list[SpeakerTurn]:
        """Return who speaks when.

        Args:
            pcm: float32 mono at 16 kHz, shape (n,).
            speakers: how many there are; None lets the pipeline find out.

        Raises:
            DiarizationError: the pipeline failed.
        """
        if len(pcm) < SAMPLE_RATE // 2:
            return []
        waveform = self._torch.from_numpy(np.ascontiguousarray(pcm, np.float32))[None]
        try:
            found = self._pipeline(
                {"waveform": waveform, "sample_rate": SAMPLE_RATE, "uri": "call"}, num_speakers=speakers
            )
        except Exception as error:  # a foreign pipeline may raise anything
            raise DiarizationError(f"the pipeline {self.name} failed: {type(error).__name__}") from error
        annotation = getattr(found, "speaker_diarization", found)
        overlap = annotation.get_overlap()
        turns = [
            SpeakerTurn(
                speaker=str(label),
                start=round(segment.start * SAMPLE_RATE),
                end=round(segment.end * SAMPLE_RATE),
                overlapped=bool(
                    overlap.crop(segment, mode="intersection").duration() > 0.5 * segment.duration
                ),
            )
            for segment, _, label in annotation.itertracks(yield_label=True)
        ]
        return merge_turns(turns)


def _from_hub(pipeline: Any, name: str) -> Any:
    """Return a pipeline from the hub, or from what was fetched of it before."""
    try:
        loaded = pipeline.from_pretrained(name, token=os.environ.get(TOKEN) or None)
    except Exception as error:  # the hub's client raises many kinds
        raise DiarizationError(_hub_reason(name, error)) from error
    if loaded is None:
        raise DiarizationError(_hub_reason(name, None))
    return loaded


def _hub_reason(name: str, error: Exception | None) -> str:
    text = f"{type(error).__name__} {error}" if error else "gated"
    if any(
        word in text
        for word in ("401", "403", "Gated", "gated", "Repository Not Found", "RepositoryNotFound")
    ):
        return (
            f"the hub refused {name}: accept its terms on its page, and put an access token that is valid "
            f"into the environment variable {TOKEN}"
        )
    return (
        f"{name} could not be fetched from the hub ({type(error).__name__}); check the network, or name a "
        "folder"
    )


def _from_folder(folder: Path) -> Any:
    """Return the pipeline that a folder's ``config.yaml`` describes."""
    import yaml  # noqa: PLC0415 (comes with the extra)
    from pyannote.audio.core.pipeline import expand_subfolders  # noqa: PLC0415
    from pyannote.core.utils.helper import get_class_by_name  # noqa: PLC0415

    path = folder / CONFIG
    if not path.is_file():
        raise DiarizationError(f"{folder} is no pipeline: {CONFIG} missing")
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
        params = dict(config["pipeline"].get("params", {}))
        own = _own_models(params, folder)
        expand_subfolders(params, str(folder))
        params |= own
        if params.get("clustering") != "VBxClustering":
            params.setdefault("plda", _no_plda())  # or else one would be fetched from the hub and not used
        made = get_class_by_name(config["pipeline"]["name"], default_module_name="pyannote.audio")(**params)
        return made.instantiate(config.get("params") or {})
    except DiarizationError:
        raise
    except Exception as error:  # whatever the file names is constructed here
        raise DiarizationError(f"{path} cannot be loaded: {type(error).__name__}") from error


def _no_plda() -> Any:
    """Return a model of covariances that changes nothing."""
    from pyannote.audio.core.plda import PLDA  # noqa: PLC0415 (loads torch)

    with tempfile.TemporaryDirectory() as folder:
        transform, plda = Path(folder) / "transform.npz", Path(folder) / "plda.npz"
        np.savez(transform, mean1=np.zeros(2), mean2=np.zeros(2), lda=np.eye(2))
        np.savez(plda, mu=np.zeros(2), tr=np.eye(2), psi=np.ones(2))
        return PLDA(transform, plda, lda_dimension=2)


def _own_models(params: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the parameters that name one of our ONNX directories, as models of pyannote.audio."""
    from diarization import pyannote_model  # noqa: PLC0415 (loads torch)

    found: dict[str, Any] = {}
    for name, declaration, model in (
        ("segmentation", SEGMENTATION_FILE, pyannote_model.OnnxSegmentationModel),
        ("embedding", SPEAKER_FILE, pyannote_model.OnnxSpeakerModel),
    ):
        path = Path(str(params.get(name, "")).replace("$model", str(folder)))
        if (path / declaration).is_file():
            found[name] = model(path)
    return found
