"""The one builder of ONNX sessions: threads, providers, and errors that name the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import onnxruntime

from models.errors import ModelError

Device = Literal["cpu", "cuda"]
_WARNINGS_OFF = 3
"""Severity from which onnxruntime writes to standard error: errors only."""


def onnx_session(
    model: Path | bytes, *, device: str = "cpu", error: Callable[[str], Exception] = ModelError
) -> Any:
    """Return a session with one thread, which any number of threads may use at once.

    One thread each way: with 40 sessions, the default threads spin 10 ms of processor time for each window of
    the voice detector, and one thread costs 0.24 ms.

    Args:
        model: file, or the bytes of one.
        device: ``cpu`` or ``cuda``; with ``cuda``, what the GPU cannot do runs on the CPU.
        error: the exception that is raised.

    Raises:
        ModelError: or ``error``: onnxruntime cannot load the model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _WARNINGS_OFF
    providers = ["CUDAExecutionProvider"] if device == "cuda" else []
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as failure:  # onnxruntime raises bare exceptions of its own kinds
        shown = "the model" if isinstance(model, bytes) else model
        raise error(f"onnxruntime cannot load {shown}") from failure
