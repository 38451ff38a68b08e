"""Which calls there are, and commands to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from pipeline.calls.commands import Command
from pipeline.calls.info import CallInfo, CallSpec
from pipeline.calls.log import CallLog
from pipeline.calls.messages import CallMessage
from pipeline.calls.overview import CallFilter, CallRow
from pipeline.calls.reach import CallReach
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

    @property
    def acked(self) -> int:
        """Samples of audio that are safe: everything said in them is in finals that were told."""
        ...

    @property
    def on_hold(self) -> bool:
        """Whether a Pause is in force: nothing need come for long."""
        ...

    async def put(self, message: CallMessage) -> None:
        """Take the next message; waits while too much audio is waiting to be worked on."""
        ...

    def close(self, reason: str, transferred_to: str | None = None) -> None:
        """End the call behind what was received so far; ``transferred_to``: who it was handed to."""
        ...

    def fail(self, error: CallError) -> None:
        """End the call because of ``error``, which the client is told."""
        ...


class CallStream(Protocol):
    """A client's stream, as the directory sees it."""

    def replaced(self) -> None:
        """Another stream has taken the call over: this one ends, and does nothing more to the call."""
        ...

    def moved(self) -> None:
        """The call waits to be taken over by another node: the stream ends, and its client resumes."""
        ...


class CallDirectory(Protocol):
    """All calls of a server, or of many servers that share one directory."""

    async def open(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        """Admit a call, and attach its stream.

        Raises:
            ShuttingDown, AtCapacity, DuplicateCall: not now.
            InvalidRequest: unknown profile.
        """
        ...

    async def resume(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        """Hand a call to a new stream, which knows its session id.

        Where the call still has a stream, that one is replaced: a network may die without either end being
        told.

        Raises:
            UnknownCall: there is nothing to resume for this sender.
            InvalidRequest: session id, codec, rate or channels are not the call's.
        """
        ...

    def detach(self, call: LiveCall, stream: CallStream) -> None:
        """Note that a stream is gone: its call may be resumed for a while, then it is ended.

        Nothing happens where another stream has taken the call over.
        """
        ...

    async def find(self, call_id: str, reach: CallReach) -> WatchedCall:
        """Return a live call within ``reach``, or a finished one that is still being looked at.

        Raises:
            UnknownCall: there is none of that id; one beyond the reach is none.
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

    async def send(self, call_id: str, command: Command, reach: CallReach) -> object:
        """Send a command to a live call within ``reach``; return its answer.

        Raises:
            UnknownCall: there is no such call, or it ended before it came to the command.
            CallError: the call refused the command.
        """
        ...
