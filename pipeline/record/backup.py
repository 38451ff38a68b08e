"""Copies of the record while it is in use, and the way back. Keys are never part of a copy."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import SettingsError
from pipeline.record.indexing import FOLDER as INDEX
from pipeline.record.store import FILE, SCHEMA, RecordStore
from pipeline.record.tables import erasures
from suggest.store.database import address, open_database, writing

PAGES = 2_000
"""Pages that are copied before others may write again: 8 MB."""


def back_up(folder: Path, out: Path) -> Iterator[str]:
    """Copy every company's record into a folder; yield the name of each. A server may go on writing.

    The search index is left out: it is made again.

    Raises:
        SettingsError: there is no record, or the copy cannot be written.
    """
    databases = sorted(folder.glob(f"*/{FILE}"))
    if not databases:
        raise SettingsError(f"there is no record in {folder}")
    for database in databases:
        target = out / database.parent.name / FILE
        if target.exists():
            raise SettingsError(f"{target} is there already; choose a new folder")
        try:
            target.parent.mkdir(parents=True, mode=0o700)
            target.touch(mode=0o600)
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy, pages=PAGES)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(f"{target} cannot be written: {error}") from error
        yield database.parent.name


def restore(backup: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Put a copy in the place of the record; yield each company and how many erased calls it forgets again.

    What was erased since the copy is marked in it, so that the server erases it again before it serves.
    The server must not run.

    Raises:
        SettingsError: there is no copy, or it cannot be put back.
    """
    copies = sorted(backup.glob(f"*/{FILE}"))
    if not copies:
        raise SettingsError(f"there is no copy of a record in {backup}")
    for copy in copies:
        _check(copy)
    for copy in copies:
        target = folder / copy.parent.name
        tombstones = _tombstones(target)
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            for old in (*target.glob(f"{FILE}*"), target / INDEX, *target.glob(f"{INDEX}-*")):
                shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
            shutil.copyfile(copy, target / FILE)
            (target / FILE).chmod(0o600)
        except OSError as error:
            raise SettingsError(f"{target} cannot be restored: {error.strerror or error}") from error
        yield copy.parent.name, _bury(target, tombstones)


def _check(copy: Path) -> None:
    """Look whether a copy is a record, and whole.

    Raises:
        SettingsError: it is not.
    """
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as source:
            found = source.execute("PRAGMA quick_check").fetchone()[0]
            source.execute("SELECT count(*) FROM calls").fetchone()
    except sqlite3.Error as error:
        raise SettingsError(f"{copy} is no copy of a record ({error}); nothing was changed") from error
    if found != "ok":
        raise SettingsError(f"{copy} is damaged ({found}); nothing was changed")


def _tombstones(folder: Path) -> list[dict[str, object]]:
    """Return what was erased from the record that is there now; nothing where it cannot be read."""
    if not (folder / FILE).is_file():
        return []
    try:
        store = _store(folder)
    except SettingsError:
        return []  # the disk that was lost; keys that are gone still tell what was erased
    try:
        with store.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(erasures)).mappings()]
    except sa.exc.SQLAlchemyError:
        return []
    finally:
        store.close()


def _bury(folder: Path, tombstones: list[dict[str, object]]) -> int:
    """Put tombstones into a record; return how many were not there."""
    store = _store(folder)
    try:
        with writing(store.engine) as connection:
            known = {tuple(row) for row in connection.execute(sa.select(erasures.c.id, erasures.c.record_id))}
            fresh = [
                {name: value for name, value in row.items() if name != "n"} | {"done_at": None}
                for row in tombstones
                if (row["id"], row["record_id"]) not in known
            ]
            if fresh:
                connection.execute(sa.insert(erasures), fresh)
        return len(fresh)
    finally:
        store.close()


def _store(folder: Path) -> RecordStore:
    return RecordStore(folder, open_database(address(str(folder / FILE)), SCHEMA))
