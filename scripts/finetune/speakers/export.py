"""From a trained embedding to a directory that :class:`diarization.onnx.OnnxEmbedder` loads."""

from __future__ import annotations

import io
import warnings
from dataclasses import asdict
from pathlib import Path

import torch

from diarization.base import Spread
from diarization.directory import SPEAKER_FILE, WEIGHTS
from models.files import replace_file
from scripts.finetune.common.onnx16 import halved
from scripts.finetune.speakers.network import FRONT, SpeakerNetwork


def export_graph(network: SpeakerNetwork, path: Path) -> None:
    """Write the network as ONNX; the number of frames is free, the batch is one."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer that needs no onnxscript is called legacy
        torch.onnx.export(
            network.eval(), (torch.randn(1, 120, FRONT.bins),), buffer, input_names=["mel"],
            output_names=["embedding"], opset_version=17, dynamic_axes={"mel": {1: "frames"}}, dynamo=False,
        )  # fmt: skip
    replace_file(path, halved(buffer.getvalue()))


def declaration(name: str, spread: Spread) -> str:
    """Return the text of ``speaker.toml``."""
    lines = [f"{key} = {_toml(value)}" for key, value in asdict(FRONT).items()]
    return (
        f'name = "{name}"\nfront_end = "fbank"\nlayout = "frames-bins"\n\n'
        "[spread] # of stretches of one voice, measured by scripts.finetune.speakers.spread\n"
        f"floor = {spread.floor:.4f}\nslope = {spread.slope:.4f}\n\n[fbank]\n" + "\n".join(lines) + "\n"
    )


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def export_directory(network: SpeakerNetwork, out: Path, *, name: str, spread: Spread) -> None:
    """Write graph and declaration into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    export_graph(network, out / WEIGHTS)
    replace_file(out / SPEAKER_FILE, declaration(name, spread))
