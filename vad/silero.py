"""Silero v6 through onnxruntime, one session for the process, one run for many calls.

The model is the one inside the faster-whisper package (MIT), turned round (:mod:`vad.graph`): a run takes
one frame of each of many channels. Its state is one LSTM layer of 128; a frame of 512 samples is heard
together with the 64 samples before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import faster_whisper
import numpy as np
from numpy.typing import NDArray

from models.onnx import onnx_session
from vad.graph import many_calls

CONTEXT_SAMPLES = 64
_WIDTH = 128


def _zero_state() -> NDArray[np.float32]:
    return np.zeros(_WIDTH, np.float32)


@dataclass(slots=True)
class SileroState:
    """What the network remembers of one channel: LSTM state, and the last 64 samples."""

    h: NDArray[np.float32] = field(default_factory=_zero_state)
    c: NDArray[np.float32] = field(default_factory=_zero_state)
    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, np.float32))


class SileroModel:
    """The network; thread-safe, as long as no state is in two threads at once.

    Raises:
        FileNotFoundError: the installed faster-whisper does not bring the model file.
        ValueError: it brings another model.
    """

    def __init__(self) -> None:
        self._session = onnx_session(many_calls(model_path().read_bytes()))

    def probabilities(
        self, frames: Sequence[NDArray[np.float32]], states: Sequence[SileroState]
    ) -> NDArray[np.float32]:
        """Return the speech probability of one frame of each of many channels; move their states on.

        Args:
            frames: float32 at 16 kHz, shape (512,) each; at least one.
            states: of the channels, all different; changed in place.

        Returns:
            float32, shape (channels,).
        """
        heard = np.stack(
            [np.concatenate((s.context, frame)) for s, frame in zip(states, frames, strict=True)]
        )
        h = np.stack([state.h for state in states])[None]
        c = np.stack([state.c for state in states])[None]
        output, h, c = self._session.run(None, {"input": heard, "h": h, "c": c})
        for index, state in enumerate(states):
            state.h, state.c = h[0, index], c[0, index]
            state.context = frames[index][-CONTEXT_SAMPLES:]
        return np.asarray(output, np.float32).reshape(-1)


def model_path() -> Path:
    """Return the model file of the installed faster-whisper.

    Raises:
        FileNotFoundError: no such file.
    """
    found = sorted((Path(faster_whisper.__file__).parent / "assets").glob("silero_vad*.onnx"))
    if not found:
        raise FileNotFoundError(
            "faster-whisper brings no silero_vad*.onnx; install faster-whisper 1.2 or later"
        )
    return found[-1]
