"""A call as the directory of its own process sees it."""

from __future__ import annotations

from typing import Protocol

from pipeline.calls.commands import CommandMessage
from pipeline.calls.directory import LiveCall
from pipeline.calls.info import CallSpec, InForce


class RunningCall(LiveCall, Protocol):
    """What the directory does with a call of its own process."""

    @property
    def spec(self) -> CallSpec:
        """How the call began."""
        ...

    @property
    def backlog(self) -> int:
        """Messages received and not yet taken."""
        ...

    @property
    def lag(self) -> int:
        """Samples of audio that came since the oldest speech whose final is still due."""
        ...

    @property
    def reviewed(self) -> bool:
        """Whether a second look follows the call."""
        ...

    @property
    def speaking(self) -> bool:
        """Whether somebody is in the middle of a sentence, or its final is not told yet."""
        ...

    @property
    def kept(self) -> bool:
        """Whether all sound that went to the record is on disk."""
        ...

    def in_force(self, at: int) -> InForce:
        """Return what the controls have come to at a sample."""
        ...

    def greet(self, session_id: str, *, resumed: bool) -> None:
        """Acknowledge the call to its stream."""
        ...

    def command(self, message: CommandMessage) -> None:
        """Put a command into the stream of messages; refuses it where the call is over."""
        ...

    async def run(self) -> None:
        """Work until the call has ended; never raises but CancelledError."""
        ...

    async def look_again(self) -> None:
        """Run the second look of the finished call."""
        ...

    def forget(self) -> None:
        """Delete what was kept for a second look and close the log; safe to call twice."""
        ...
