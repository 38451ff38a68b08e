"""Who said it? Roles by channel, voices within a channel."""

from diarization.base import DiarizationError, Embedder, LocalSegmenter, SpeakerTurn
from diarization.roles import ChannelRoles, Role

__all__ = ["ChannelRoles", "DiarizationError", "Embedder", "LocalSegmenter", "Role", "SpeakerTurn"]
