"""A voice model on examples: the exported graph through onnxruntime, as the server runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.onnx import onnx_session
from scripts.finetune.emotion.examples import Examples, baselines
from scripts.finetune.voices.sets import CLASSES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What a model says of examples.

    Attributes:
        agitation: logits, shape (n,).
        classes: index of the likeliest class, shape (n,).
        place: arousal and valence, shape (n, 2).
    """

    agitation: NDArray[np.float64]
    classes: NDArray[np.int64]
    place: NDArray[np.float64]

    def scores(self, slope: float, offset: float) -> NDArray[np.float64]:
        """Return calibrated scores in [0, 1]."""
        return 1 / (1 + np.exp(-(slope * self.agitation + offset)))


def measure(graph: Path, examples: Examples, *, baseline: bool = False, seed: int = 0) -> Measured:
    """Run the graph over ``examples``, with each speaker's baseline or without any."""
    session = onnx_session(graph)
    usual, known = baselines(examples, np.random.default_rng(seed))
    if not baseline:
        usual, known = np.zeros_like(usual), np.zeros_like(known)
    agitation, classes, place = [], [], []
    for index in range(len(examples)):
        outputs = session.run(
            ["agitation", "classes", "place"],
            {
                "figures": examples.figures[index][None],
                "baseline": usual[index][None],
                "has_baseline": np.array([[known[index]]], np.float32),
                "mel": examples.mels[index][None].astype(np.float32),
            },
        )
        agitation.append(float(outputs[0][0, 0]))
        classes.append(int(np.argmax(outputs[1][0, : len(CLASSES)])))
        place.append(1 / (1 + np.exp(-outputs[2][0])))
    return Measured(agitation=np.array(agitation), classes=np.array(classes), place=np.array(place))
