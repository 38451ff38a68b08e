"""Which calls there are, and commands to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from pipeline.calls.commands import Command
from pipeline.calls.info import CallInfo, CallSpec
from pipeline.calls.log import CallLog
from pipeline.calls.messages import CallMessage
from pipeline.calls.overview import CallFilter, CallRow
from pipeline.errors import CallError


class WatchedCall(Protocol):
    """A call as those see it who only watch."""

    @property
    def info(self) -> CallInfo:
        """Whose call it is."""
        ...

    @property
    def log(self) -> CallLog:
        """Its events."""
        ...


class LiveCall(WatchedCall, Protocol):
    """A call as its stream sees it: takes messages in order, outlives the stream that feeds it."""

    @property
    def error(self) -> CallError | None:
        """Why the call was ended, if something was wrong."""
        ...

    async def put(self, message: CallMessage) -> None:
        """Take the next message; waits while too much audio is waiting to be worked on."""
        ...

    def close(self, reason: str) -> None:
        """End the call behind what was received so far."""
        ...

    def fail(self, error: CallError) -> None:
        """End the call because of ``error``, which the client is told."""
        ...


class CallDirectory(Protocol):
    """All calls of a server, or of many servers that share one directory."""

    async def open(self, spec: CallSpec) -> LiveCall:
        """Admit a call, and attach its stream.

        Raises:
            ShuttingDown, AtCapacity, DuplicateCall: not now.
            InvalidRequest: unknown profile.
        """
        ...

    async def resume(self, spec: CallSpec) -> LiveCall:
        """Hand a call whose stream broke to its new stream.

        Raises:
            UnknownCall: there is nothing to resume.
            DuplicateCall: the call still has a stream.
            InvalidRequest: session id, codec, rate or channels are not the call's.
        """
        ...

    def detach(self, call: LiveCall) -> None:
        """Note that the stream of a call is gone: it may be resumed for a while, then it is ended."""
        ...

    async def find(self, call_id: str) -> WatchedCall:
        """Return a live call, or a finished one that is still being looked at.

        Raises:
            UnknownCall: there is none of that id.
        """
        ...

    async def list(self, wanted: CallFilter) -> tuple[CallRow, ...]:
        """Return the rows of live calls, the oldest call first."""
        ...

    def follow(self, wanted: CallFilter, interval_s: float) -> AsyncGenerator[tuple[CallRow, ...], None]:
        """Yield the rows of all live calls, then those that changed, joined, at most every ``interval_s``.

        A call that has ended comes once more, in phase ENDED. A slow reader gets fewer messages, never older
        ones.
        """
        ...

    async def send(self, call_id: str, command: Command) -> object:
        """Send a command to a live call; return its answer.

        Raises:
            UnknownCall: there is no live call of that id, or it ended before it came to the command.
            CallError: the call refused the command.
        """
        ...
