"""From a trained PyanNet to a directory that :class:`diarization.onnx.OnnxSegmentation` loads."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from pyannote.audio.core.model import Model

from diarization.base import SAMPLE_RATE
from diarization.directory import SEGMENTATION_FILE, WEIGHTS
from models.files import replace_file
from scripts.finetune.common.onnx16 import halved
from scripts.finetune.segmentation.training import CHUNK_S, MOST_AT_ONCE, MOST_SPEAKERS


def export_directory(
    checkpoint: Path, out: Path, *, name: str, tuned: tuple[float, float] | None = None
) -> None:
    """Write graph and declaration of ``checkpoint`` into ``out``; the number of samples is free.

    Args:
        checkpoint: of pyannote.audio.
        out: folder.
        name: for people and logs.
        tuned: factors ``expected`` and ``unexpected`` of the clustering that fit this model.
    """
    network = Model.from_pretrained(checkpoint).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer that needs no onnxscript is called legacy
        torch.onnx.export(
            network, (torch.randn(1, 1, int(CHUNK_S * SAMPLE_RATE)) * 0.05,), buffer,
            input_names=["waveform"], output_names=["classes"], opset_version=17,
            dynamic_axes={"waveform": {2: "samples"}, "classes": {1: "frames"}}, dynamo=False,
        )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / WEIGHTS, halved(buffer.getvalue()))
    field = network.receptive_field
    step = round(field.step * SAMPLE_RATE)
    first = round((field.start + field.duration / 2) * SAMPLE_RATE) - step // 2
    replace_file(
        out / SEGMENTATION_FILE,
        f'name = "{name}"\nspeakers = {MOST_SPEAKERS}\nat_once = {MOST_AT_ONCE}\n'
        f"window_s = {CHUNK_S}\nstep = {step}\nfirst = {first}\n"
        + (f"\n[clusters]\nexpected = {tuned[0]}\nunexpected = {tuned[1]}\n" if tuned else ""),
    )
