"""Telephony that keeps the two parties on two channels tells who speaks by the channel alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from enum import StrEnum


class Role(StrEnum):
    """Who is heard on a channel."""

    UNKNOWN = "unknown"
    CUSTOMER = "customer"
    AGENT = "agent"


class ChannelRoles:
    """The role of each channel of one call.

    Roles change in two ways that must not be mixed up: a client exchanges them **from a sample on** (the line
    was wired anew), and evidence shows that they were wrong **all the time**.

    Args:
        roles: by channel index.
    """

    def __init__(self, roles: Sequence[Role]) -> None:
        self._given = list(roles)
        self._roles = list(roles)
        self._exchanged: list[int] = []  # samples from which the client has exchanged them

    @property
    def count(self) -> int:
        """Number of channels."""
        return len(self._roles)

    @property
    def told(self) -> bool:
        """Whether the client has exchanged roles itself; it then knows better than any evidence."""
        return bool(self._exchanged)

    def of(self, channel: int, at: int | None = None) -> Role:
        """Return the role of ``channel`` at a sample of the call; at the newest one by default."""
        times = len(self._exchanged) if at is None else bisect_right(self._exchanged, at)
        return self._roles[-1 - channel if times % 2 else channel]

    def exchange_from(self, at: int) -> None:
        """Exchange the two roles from sample ``at`` on."""
        self._exchanged.append(at)

    def swap(self) -> None:
        """Exchange the two roles for the whole call, for a line that was wired the wrong way round."""
        self._roles.reverse()

    def forget(self) -> None:
        """Give up all roles, where channels do not tell people apart."""
        self._roles = [Role.UNKNOWN] * len(self._roles)

    def restore(self) -> None:
        """Take the roles that were given at first."""
        self._roles = list(self._given)
