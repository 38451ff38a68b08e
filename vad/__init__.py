"""Is someone speaking? Audio in, speech probabilities and utterance boundaries out."""

from vad.base import FRAME_SAMPLES, SAMPLE_RATE, VadEngine, VadStream

__all__ = ["FRAME_SAMPLES", "SAMPLE_RATE", "VadEngine", "VadStream"]
