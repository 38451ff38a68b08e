"""Third stage: utterances of one channel in, partials and finals out."""

from pipeline.stages.transcribe.driver import Transcribe

__all__ = ["Transcribe"]
