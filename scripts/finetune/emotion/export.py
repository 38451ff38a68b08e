"""From a trained network to a directory that :class:`emotion.engine.OnnxEmotion` loads."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch

from emotion.directory import DECLARATION, WEIGHTS
from emotion.features import MEL_BANDS
from emotion.functionals import COUNT
from models.files import replace_file
from scripts.finetune.emotion.network import VoiceNetwork
from scripts.finetune.voices.sets import CLASSES

INPUTS = ["figures", "baseline", "has_baseline", "mel"]
OUTPUTS = ["agitation", "classes", "place"]


def export_graph(network: VoiceNetwork, path: Path) -> None:
    """Write the network as ONNX; the number of frames is free, the batch is one."""
    example = (
        torch.zeros(1, COUNT),
        torch.zeros(1, COUNT),
        torch.zeros(1, 1),
        torch.randn(1, MEL_BANDS, 120),
    )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer that needs no onnxscript is called legacy
        torch.onnx.export(
            network.eval(), example, buffer, input_names=INPUTS, output_names=OUTPUTS, opset_version=17,
            dynamic_axes={"mel": {2: "frames"}}, dynamo=False,
        )  # fmt: skip
    replace_file(path, buffer.getvalue())


def declaration(name: str, slope: float, offset: float) -> str:
    """Return the text of ``emotion.toml``."""
    labels = ", ".join(f'"{label}"' for label in CLASSES)
    return f'''name = "{name}"
front_end = "voice"

[[outputs]]
name = "agitation"
names = ["agitation"]
activation = "sigmoid"

[[outputs]]
name = "classes"
names = [{labels}]
activation = "softmax"

[[outputs]]
name = "place"
names = ["arousal", "valence"]
activation = "sigmoid"

[calibration] # score = sigmoid(slope * logit + offset); 0.5 is the threshold
slope = {slope:.4f}
offset = {offset:.4f}
'''


def export_directory(network: VoiceNetwork, out: Path, *, name: str, slope: float, offset: float) -> None:
    """Write graph and declaration into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    export_graph(network, out / WEIGHTS)
    replace_file(out / DECLARATION, declaration(name, slope, offset))
