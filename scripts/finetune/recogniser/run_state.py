"""Where a training run is, in a file: weights that training changes, optimisers, progress."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.files import replace_file
from scripts.finetune.recogniser.network import trainable_state


def save_state(
    path: Path, network: nn.Module, optimizers: Sequence[torch.optim.Optimizer], progress: Mapping[str, Any]
) -> None:
    """Write a checkpoint; a kill at any moment leaves the old or the new one.

    Raises:
        OSError: there is no space.
    """
    state = {
        "weights": trainable_state(network),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "progress": dict(progress),
    }
    coded = io.BytesIO()  # torch turns a full disk into an error of its own
    torch.save(state, coded)
    replace_file(path, coded.getvalue())


def load_state(path: Path, network: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Load a checkpoint into a network and its optimisers; return the progress."""
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["weights"], strict=False)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return dict(state["progress"])
