"""Is someone speaking? Audio in, speech probabilities and utterance boundaries out."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
from vad.base import FRAME_SAMPLES, SAMPLE_RATE, VadEngine, VadStream

__all__ = ["FRAME_SAMPLES", "SAMPLE_RATE", "VadEngine", "VadStream"]
