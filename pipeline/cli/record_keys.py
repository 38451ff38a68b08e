"""``yuetone record``, on the server's machine: keys, checks. Adds itself to :mod:`pipeline.cli.record`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import Progress, track

from pipeline.cli.record import app
from pipeline.cli.serve import ConfigOption
from pipeline.config import load_settings
from pipeline.errors import SettingsError
from pipeline.record.backup import back_up
from pipeline.record.backup import restore as put_back
from pipeline.record.entries import RecordRow
from pipeline.record.key_store import KeyStore, original_key
from pipeline.record.master_keys import NAME, new_line, read_master_keys
from pipeline.record.ownership import RecordLock
from pipeline.record.reading import verified
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores
from pipeline.sections.record import RecordSettings


def _settings(config: Path | None) -> RecordSettings:
    """Return the settings of the record; raises SettingsError where it is not enabled."""
    record = load_settings(config).record
    if not record.enabled:
        raise SettingsError("record.enabled is off in these settings; name them with --config")
    return record


def _files(config: Path | None) -> Path:
    """Return the folder of the record; raises SettingsError where it is in PostgreSQL."""
    settings = _settings(config)
    if settings.store is not None:
        raise SettingsError(
            "record.store is PostgreSQL: copy it with pg_dump, and put it back with pg_restore"
        )
    return settings.folder.expanduser()


def _keys(settings: RecordSettings) -> KeyStore:
    return KeyStore(settings.keys, read_master_keys(settings))


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="File of master keys; made where there is none.")],
    name: Annotated[str | None, typer.Option(help="Name of the key; the day by default.")] = None,
) -> None:
    """Make a master key, or add one: what is recorded from the next start on is under the newest.

    Keep the file away from the record and from its backups: who has both can read every call, and who has
    lost it can read none.

    Examples:
        yuetone record new-key /etc/yuetone/record.key

        yuetone record new-key /etc/yuetone/record.key --name 2027
    """
    if name is not None and not NAME.fullmatch(name):
        raise SettingsError("--name: 1 to 64 letters, digits, or the marks . _ -")
    line = new_line(name or time.strftime("%Y-%m-%d"))
    label = line.partition(":")[0]
    try:
        there = file.read_text("ascii") if file.exists() else ""
        if any(known.startswith(f"{label}:") for known in there.splitlines()):
            raise SettingsError(f"{file} has a key {label!r} already; give another --name")
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(("" if not there or there.endswith("\n") else "\n") + line + "\n")
            out.flush()
            os.fsync(out.fileno())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be written ({type(error).__name__})") from error
    typer.echo(f"key {label} in {file}")


@app.command()
def rotate(config: ConfigOption = None) -> None:
    """Wrap the keys of all calls with the newest master key; who is interrupted runs it again.

    Sound and text stay as they are. Keep the old master key until the last backup under it is gone.

    Examples:
        yuetone record rotate --config yuetone.toml
    """
    keys, shown = _keys(_settings(config)), Console(stderr=True)
    total = sum(keys.count_by_master().values())
    with Progress(console=shown, transient=True, disable=not shown.is_terminal) as progress:
        task = progress.add_task("keys", total=total)
        done = 0
        for done in keys.rotate():
            progress.update(task, completed=done)
    for master, count in sorted(keys.count_by_master().items()):
        typer.echo(f"{master}: {count} keys")
    typer.echo(f"{done} keys wrapped anew")
    keys.close()


@app.command()
def verify(
    record: Annotated[str | None, typer.Argument(help="Record id; all calls when left out.")] = None,
    config: ConfigOption = None,
) -> None:
    """Read everything that is kept, and tell what is damaged or missing; nothing is changed.

    Examples:
        yuetone record verify --config yuetone.toml
    """
    settings = _settings(config)
    keys, stores = _keys(settings), RecordStores(settings.folder.expanduser(), settings.store)
    shown, bad, count, events = Console(stderr=True), 0, 0, 0
    seen: set[str] = set()
    for tenant in stores.tenants():
        try:
            store = stores.of(tenant)
            seen |= store.names()
            rows = [row for row in store.rows() if record in (None, row.record_id)]
        except (sa.exc.SQLAlchemyError, SettingsError) as error:
            typer.echo(f"the record of {tenant or 'the company'} cannot be read: {_reason(error)}")
            bad += 1
            continue
        for row in track(
            rows, description="calls", console=shown, transient=True, disable=not shown.is_terminal
        ):
            problems, told = _checked(store, keys, row)
            count, events = count + 1, events + told
            for problem in problems:
                typer.echo(f"{row.record_id}: {problem}")
            bad += bool(problems)
    if record is None and (without := keys.known() - seen):
        typer.echo(f"{len(without)} keys are of calls that are not there: restored, or rows are gone")
        bad += 1
    if record is not None and not count:
        raise SettingsError("no recorded call has this id")
    typer.echo(f"{count} calls, {events} events: " + (f"{bad} problems" if bad else "all right"))
    stores.close()
    keys.close()
    if bad:
        raise typer.Exit(1)


def _checked(store: RecordStore, keys: KeyStore, row: RecordRow) -> tuple[tuple[str, ...], int]:
    """Return what is wrong with a call, and how many events it has."""
    try:
        found = verified(store, keys.cipher(row.record_id), row, keys.cipher(original_key(row.record_id)))
    except (sa.exc.SQLAlchemyError, SettingsError) as error:
        return (f"cannot be read: {_reason(error)}",), 0
    return found.problems, found.events


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="Folder to write into; new.")], config: ConfigOption = None
) -> None:
    """Copy the record while the server runs. The keys are not in it: copy them elsewhere, for a short time.

    Examples:
        yuetone record backup /mnt/backup/record-2026-11-26 --config yuetone.toml
    """
    folder = _files(config)
    copied = sum(1 for _name in back_up(folder, out))
    typer.echo(f"{copied} companies copied to {out}")


@app.command()
def restore(
    copy: Annotated[Path, typer.Argument(help="Folder that 'backup' has written.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Put a copy in the place of the record; stop the server before. What was erased since stays erased.

    Examples:
        yuetone record restore /mnt/backup/record-2026-11-26 --config yuetone.toml
    """
    folder = _files(config)
    if not yes:
        typer.confirm(f"Replace the record in {folder}?", abort=True, err=True)
    lock = RecordLock(folder)
    done = dict(put_back(copy, folder))
    lock.release()
    typer.echo(
        f"{len(done)} companies restored; {sum(done.values())} erased calls are erased again at the start"
    )
