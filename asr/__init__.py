"""What was said? Audio in, words out: engines, streaming policy, Cantonese text, the bundled model."""

from asr.base import AsrEngine, AsrRequest, Transcript, Word
from models import ModelError

__all__ = ["AsrEngine", "AsrRequest", "ModelError", "Transcript", "Word"]
