"""Who said it? Roles by channel, voices within a channel."""

import models  # noqa: F401 (turns onnxruntime's telemetry off before anything imports it)
from diarization.base import DiarizationError, Embedder, SpeakerSegmentation, SpeakerTurn
from diarization.roles import ChannelRoles, Role

__all__ = ["ChannelRoles", "DiarizationError", "Embedder", "Role", "SpeakerSegmentation", "SpeakerTurn"]
