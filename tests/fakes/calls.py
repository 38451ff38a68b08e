"""A directory of calls that remembers what was sent to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pipeline.calls.commands import Command
from pipeline.calls.directory import CallStream, LiveCall, WatchedCall
from pipeline.calls.info import CallSpec
from pipeline.calls.overview import CallFilter, CallRow
from pipeline.calls.reach import CallReach
from pipeline.errors import UnknownCall


class FakeCalls:
    """A :class:`pipeline.calls.directory.CallDirectory` without calls."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Command]] = []

    async def open(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        raise UnknownCall("none here")

    async def resume(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        raise UnknownCall("none here")

    def detach(self, call: LiveCall, stream: CallStream) -> None:
        return

    async def find(self, call_id: str, reach: CallReach) -> WatchedCall:
        raise UnknownCall("none here")

    async def list(self, wanted: CallFilter) -> tuple[CallRow, ...]:
        return ()

    async def follow(
        self, wanted: CallFilter, interval_s: float
    ) -> AsyncGenerator[tuple[CallRow, ...], None]:
        yield ()

    async def send(self, call_id: str, command: Command, reach: CallReach) -> object:
        self.sent.append((call_id, command))
        raise UnknownCall("it has ended")
