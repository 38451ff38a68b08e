"""Telephony that keeps the two parties on two channels tells who speaks by the channel alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Role(StrEnum):
    """Who is heard on a channel."""

    UNKNOWN = "unknown"
    CUSTOMER = "customer"
    AGENT = "agent"


class ChannelRoles:
    """The role of each channel of one call.

    Args:
        roles: by channel index.
    """

    def __init__(self, roles: Sequence[Role]) -> None:
        self._given = list(roles)
        self._roles = list(roles)

    @property
    def count(self) -> int:
        """Number of channels."""
        return len(self._roles)

    def of(self, channel: int) -> Role:
        """Return the role of ``channel``."""
        return self._roles[channel]

    def forget(self) -> None:
        """Give up all roles, where channels do not tell people apart."""
        self._roles = [Role.UNKNOWN] * len(self._roles)

    def restore(self) -> None:
        """Take the roles that were given at first."""
        self._roles = list(self._given)

    def swap(self) -> None:
        """Exchange the two roles, for a line that was wired the wrong way round."""
        self._roles.reverse()
