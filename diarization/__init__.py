"""Who said it? Roles by channel."""

from diarization.roles import ChannelRoles, Role

__all__ = ["ChannelRoles", "Role"]
