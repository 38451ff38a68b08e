"""``yuetone record import``: an archive of recordings into the record. Adds itself to the group."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import client
from client.spreading import spread
from pipeline.cli.calls import SERVER, ServerOption, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.importing import Importer, ImportOptions, ImportWorker, Outcome, Tally
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.record import NO_RECORD, app
from pipeline.errors import SettingsError

SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".amr", ".raw", ".au", ".aiff", ".gsm")
)
"""Files of a folder that are taken for recordings."""


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
    processes: Annotated[
        int,
        typer.Option(min=1, max=256, help="Processes that read and send, one recording at a time each."),
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(help="Ray cluster that reads and sends: host:port, auto, or local to start one here."),
    ] = None,
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

        yuetone record import /mnt/archive --server calls.example:50051 --ray auto
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
        task, tally = progress.add_task("recordings", total=len(files)), Tally()

        def done(path: Path, outcome: Outcome) -> None:
            tally.add(path, outcome)
            progress.advance(task)

        def end() -> None:
            typer.echo(tally.summary)
            raise typer.Exit(1 if tally.failed else 0)

        if processes > 1 or ray is not None:
            make = ImportWorker(server, identity, options, recorded_at, coded)
            for number, outcome in spread(make, files, processes=processes, ray=ray):
                done(files[number], outcome)
            end()

        async def work(channel: grpc.aio.Channel) -> None:
            await Importer(channel, options, recorded_at, coded).run(files, at_once, done)
            end()

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
