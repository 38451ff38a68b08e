"""``yuetone record import``: an archive of recordings into the record. Adds itself to the group."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import client
from client.decoding import RawFormat
from pipeline.cli.calls import SERVER, ServerOption, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.record import NO_RECORD, app
from pipeline.errors import SettingsError
from yuetone.v1 import call_service_pb2 as pb_call
from yuetone.v1 import overview_service_pb2
from yuetone.v1 import record_service_pb2 as pb

SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".amr", ".raw", ".au", ".aiff", ".gsm")
)
"""Files of a folder that are taken for recordings."""
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


@app.command("import")
@with_identity
def import_recordings(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    server: ServerOption = SERVER,
    roles: Annotated[str, typer.Option(help="Who is on each channel of a stereo file.")] = "customer,agent",
    retention: Annotated[str | None, typer.Option(help="Class of the record; else the profile's.")] = None,
    profile: Annotated[str | None, typer.Option(help="Settings profile of the server.")] = None,
    tenant: Annotated[str | None, typer.Option(help="The company.")] = None,
    queue: Annotated[str | None, typer.Option(help="The hotline.")] = None,
    team: Annotated[str | None, typer.Option(help="The agents' team.")] = None,
    agent: Annotated[str | None, typer.Option(help="Who answered.")] = None,
    notice_given: Annotated[
        bool, typer.Option("--notice-given", help="The callers were told that calls are kept.")
    ] = False,
    recorded_at: Annotated[
        datetime | None, typer.Option(help="When the calls began, local time; else each file's own time.")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Recordings at once.")] = 2,
    raw: RawOption = None,
    *,
    identity: client.Identity,
) -> None:
    """Let a server hear old recordings, as fast as it can, and keep them in the record.

    What is in the record already is passed over: after an interruption, run the same again. The time of a
    call is that of its file, unless --recorded-at says another; how long it is kept counts from there.

    Examples:
        yuetone record import archive/ --retention service --notice-given

        yuetone record import call.wav --recorded-at '2025-03-01 10:15:00' --queue billing
    """
    files = recordings_of(paths)
    options = ImportOptions(
        roles=tuple(roles.split(",")), retention=retention, profile=profile, tenant=tenant, queue=queue,
        team=team, agent=agent, notice_given=notice_given,
    )  # fmt: skip
    coded = raw_of(raw)
    shown = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        task = progress.add_task("recordings", total=len(files))

        async def work(channel: grpc.aio.Channel) -> None:
            importer = Importer(channel, options, recorded_at, coded)
            await importer.run(files, at_once, lambda: progress.advance(task))
            typer.echo(importer.summary)
            if importer.failed:
                raise typer.Exit(1)

        run_connected(server, identity, work, NO_RECORD)


def recordings_of(paths: Iterable[Path]) -> list[Path]:
    """Return the recordings that are named, and those in folders that are.

    Raises:
        SettingsError: there are none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            files += [file for file in inside if file.is_file()]
        else:
            files.append(path)
    if not files:
        raise SettingsError("there are no recordings in these folders")
    return files


class Importer:
    """Sends recordings to a server.

    Args:
        channel: to it.
        options: of all recordings.
        recorded_at: of all of them; None takes the time of each file.
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
        self._began = asyncio.get_running_loop().time()
        self._seen: set[str] = set()
        self.heard_s, self.done, self.passed, self.failed = 0.0, 0, 0, 0

    @property
    def summary(self) -> str:
        """What was done, in one line."""
        took = asyncio.get_running_loop().time() - self._began
        speed = f", {self.heard_s / took:.1f} times as fast as they were spoken" if self.heard_s else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            f"{self.done} imported ({self.heard_s / 3600:.2f} h{speed}), {self.passed} there already{failed}"
        )

    async def run(self, files: Sequence[Path], at_once: int, advanced: Callable[[], None]) -> None:
        """Import files, some at once; one that fails stops no other."""
        waiting = iter(files)

        async def worker() -> None:
            for path in waiting:
                await self._one(path)
                advanced()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(worker())

    async def _one(self, path: Path) -> None:
        try:
            await self._import(path)
        except (client.ClientError, OSError) as error:
            self._fail(path, str(error))
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
                raise
            self._fail(path, error.details() or error.code().name)

    def _fail(self, path: Path, reason: str) -> None:
        self.failed += 1
        typer.secho(f"yuetone: {path}: {reason}", err=True, fg=typer.colors.RED)

    async def _import(self, path: Path) -> None:
        name = await asyncio.to_thread(_name_of, path)
        again = name in self._seen
        self._seen.add(name)
        if again or await self._is_there(name):
            self.passed += 1
            return
        recording = await asyncio.to_thread(client.read_audio, path, self._raw)
        at = self._recorded_at.timestamp() if self._recorded_at else path.stat().st_mtime
        chosen = self._options
        options = client.CallOptions(
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
        for _attempt in range(MOST_ATTEMPTS):
            refused = await self._sent(options, recording)
            if refused is None:
                self.heard_s += recording.seconds
                self.done += 1
                return
            if refused.code not in _LATER:
                self._fail(path, refused.message)
                return
            await asyncio.sleep(max(refused.retry_after_ms / 1000, WAIT_S))
        self._fail(path, "the server has no room")

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
