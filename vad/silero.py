"""Silero v6 through onnxruntime, one session for the process.

The model is the one inside the faster-whisper package (MIT). Its first axis is time, its state is one
LSTM layer of 128; a frame of 512 samples is heard together with the 64 samples before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import faster_whisper
import numpy as np
import onnxruntime
from numpy.typing import NDArray

CONTEXT_SAMPLES = 64
_STATE_SHAPE = (1, 1, 128)


def _zero_state() -> NDArray[np.float32]:
    return np.zeros(_STATE_SHAPE, np.float32)


@dataclass(slots=True)
class SileroState:
    """What the network remembers of one channel: LSTM state, and the last 64 samples."""

    h: NDArray[np.float32] = field(default_factory=_zero_state)
    c: NDArray[np.float32] = field(default_factory=_zero_state)
    context: NDArray[np.float32] = field(default_factory=lambda: np.zeros(CONTEXT_SAMPLES, np.float32))


class SileroModel:
    """The network; thread-safe.

    Raises:
        FileNotFoundError: the installed faster-whisper does not bring the model file.
    """

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        # Measured with 40 sessions: default threads spin 10 ms of CPU per window, 1/1 costs 0.24 ms.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(model_path()), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, frames: NDArray[np.float32], state: SileroState) -> list[float]:
        """Return the speech probability of consecutive frames and move ``state`` on.

        Args:
            frames: float32 at 16 kHz, shape (frames, 512), frames >= 1.
            state: of the channel; changed in place.
        """
        before = np.concatenate([state.context[None], frames[:-1, -CONTEXT_SAMPLES:]])
        heard = np.concatenate([before, frames], axis=1)
        output, state.h, state.c = self._session.run(None, {"input": heard, "h": state.h, "c": state.c})
        state.context = frames[-1, -CONTEXT_SAMPLES:].copy()
        return [float(value) for value in np.asarray(output).reshape(-1)]


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
