"""Recordings on their way into a server's record; used by ``yuetone record import``."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import grpc
import typer

import client
from client.decoding import RawFormat
from yuetone.v1 import call_service_pb2 as pb_call
from yuetone.v1 import overview_service_pb2
from yuetone.v1 import record_service_pb2 as pb

ID_BYTES = 10
MOST_ATTEMPTS, WAIT_S = 200, 3.0
"""Attempts to find room on a server that is busy, and the least time between two, s."""
_LATER = frozenset({"AT_CAPACITY", "SHUTTING_DOWN", "DUPLICATE_CALL", "SLOW_CONSUMER"})
"""Refusals that pass: a live call of the same name is one that was left by an import before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What all recordings have in common; see :class:`client.CallOptions`."""

    roles: tuple[str, ...]
    retention: str | None
    profile: str | None
    tenant: str | None
    queue: str | None
    team: str | None
    agent: str | None
    notice_given: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a recording.

    Attributes:
        heard_s: new sound, s.
        there: it was in the record already.
        reason: why it is not, for people; None where it is.
    """

    heard_s: float = 0.0
    there: bool = False
    reason: str | None = None


class Tally:
    """What became of all recordings.

    Attributes:
        failed: number of recordings that are not in the record.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._heard_s, self._done, self._passed, self.failed = 0.0, 0, 0, 0

    def add(self, path: Path, outcome: Outcome) -> None:
        """Count a recording, and tell why it failed if it did."""
        self._heard_s += outcome.heard_s
        self._passed += outcome.there
        if outcome.reason is not None:
            self.failed += 1
            typer.secho(f"yuetone: {path}: {outcome.reason}", err=True, fg=typer.colors.RED)
        elif not outcome.there:
            self._done += 1

    @property
    def summary(self) -> str:
        """What was done, in one line."""
        took = time.monotonic() - self._began
        speed = f", {self._heard_s / took:.1f} times as fast as they were spoken" if self._heard_s else ""
        failed = f", {self.failed} failed" if self.failed else ""
        heard = f"{self._heard_s / 3600:.2f} h{speed}"
        return f"{self._done} imported ({heard}), {self._passed} there already{failed}"


class Importer:
    """Sends recordings to a server.

    Args:
        channel: channel to the server.
        options: options of all recordings.
        recorded_at: when all of them were made; None takes the time of each file.
        raw: how files without a header are coded.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        options: ImportOptions,
        recorded_at: datetime | None,
        raw: RawFormat | None = None,
    ) -> None:
        self._channel, self._options = channel, options
        self._recorded_at, self._raw = recorded_at, raw
        self._seen: set[str] = set()

    async def run(self, files: Sequence[Path], at_once: int, done: Callable[[Path, Outcome], None]) -> None:
        """Import files, some at once; one that fails stops no other."""
        waiting = iter(files)

        async def worker() -> None:
            for path in waiting:
                done(path, await self.one(path))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(worker())

    async def one(self, path: Path) -> Outcome:
        """Import a file.

        Raises:
            AioRpcError: we may not do that.
        """
        try:
            return await self._import(path)
        except (client.ClientError, OSError) as error:
            return Outcome(reason=str(error))
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
                raise
            return Outcome(reason=error.details() or error.code().name)

    async def _import(self, path: Path) -> Outcome:
        name = await asyncio.to_thread(_name_of, path)
        again = name in self._seen
        self._seen.add(name)
        if again or await self._is_there(name):
            return Outcome(there=True)
        recording = await asyncio.to_thread(client.read_audio, path, self._raw)
        options = self._options_of(name, path, recording)
        for _attempt in range(MOST_ATTEMPTS):
            refused = await self._sent(options, recording)
            if refused is None:
                return Outcome(heard_s=recording.seconds)
            if refused.code not in _LATER:
                return Outcome(reason=refused.message)
            await asyncio.sleep(max(refused.retry_after_ms / 1000, WAIT_S))
        return Outcome(reason="the server has no room")

    def _options_of(self, name: str, path: Path, recording: client.CallAudio) -> client.CallOptions:
        at = self._recorded_at.timestamp() if self._recorded_at else path.stat().st_mtime
        chosen = self._options
        return client.CallOptions(
            call_id=name,
            roles=chosen.roles if recording.format.channels > 1 else ("unknown",),
            profile=chosen.profile,
            tenant=chosen.tenant,
            queue=chosen.queue,
            team=chosen.team,
            agent_id=chosen.agent,
            retention=chosen.retention,
            notice_given=chosen.notice_given,
            recorded_at_ms=int(at * 1000),
        )

    async def _sent(self, options: client.CallOptions, recording: client.CallAudio) -> pb_call.Error | None:
        """Send a recording; return why the server would not have it, None where it has it whole."""
        call = client.CallStream(self._channel, options, recording.format)
        refused: pb_call.Error | None = None
        whole = False
        try:
            async for message in client.stream_recording(call, recording, speed=0):
                if message.HasField("error"):
                    refused = message.error
                whole = whole or (message.HasField("ended") and message.ended.reason == "client")
        except grpc.aio.AioRpcError as error:
            code, _, said = (error.details() or error.code().name).partition(": ")
            refused = refused or pb_call.Error(code=code, message=said or code)
        return None if whole else refused or pb_call.Error(code="INTERNAL", message="the call was cut off")

    async def _is_there(self, name: str) -> bool:
        """Tell whether a recording is in the record to its end: as one call, or as one that went on."""
        scope = overview_service_pb2.CallScope(tenant=self._options.tenant)
        closed = pb.RecordedCall.STATE_CLOSED
        for part in (name, f"{name}.2", f"{name}.3"):
            request = pb.ListRecordedCallsRequest(call_id=part, scope=scope, limit=10)
            answer = await client.record_stub(self._channel).ListCalls(request)
            if any(call.state == closed and call.reason == "client" for call in answer.calls):
                return True
        return False


def _name_of(path: Path) -> str:
    """Return the call id of a recording, by what is in it: the same file has the same wherever it lies."""
    with path.open("rb") as file:
        return f"import-{hashlib.file_digest(file, 'sha256').hexdigest()[: 2 * ID_BYTES]}"


@dataclass(frozen=True, slots=True)
class ImportWorker:
    """Makes what imports one recording after the other, in a process of its own.

    Attributes:
        server: host:port.
        identity: who we are.
        options: options of all recordings.
        recorded_at: when all of them were made; None takes the time of each file.
        raw: how files without a header are coded.
    """

    server: str
    identity: client.Identity
    options: ImportOptions
    recorded_at: datetime | None
    raw: RawFormat | None

    def __call__(self) -> Callable[[Path], Outcome]:
        """Return the function that imports."""
        return self._imported

    def _imported(self, path: Path) -> Outcome:
        return asyncio.run(self._import(path))

    async def _import(self, path: Path) -> Outcome:
        try:
            async with client.connected(self.server, self.identity) as channel:
                return await Importer(channel, self.options, self.recorded_at, self.raw).one(path)
        except grpc.aio.AioRpcError as error:
            return Outcome(reason=error.details() or error.code().name)
