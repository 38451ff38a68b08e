"""What was said? Audio in, words out: engines, streaming policy, Cantonese text, the bundled model."""

from asr.base import AsrEngine, AsrRequest, ModelError, Transcript, Word

__all__ = ["AsrEngine", "AsrRequest", "ModelError", "Transcript", "Word"]
