"""Who writes a record: one server, or the nodes of one cluster, and nobody else while they run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import SettingsError
from suggest.store.database import address

LOCK = ".lock"
"""No company's folder begins with a dot."""
_NUMBER = 7_305_911_834_022_117
"""Number of the advisory lock in PostgreSQL; drawn once."""


class RecordLock:
    """Held by the server that writes a record, or by a command that replaces it; their end frees it.

    Args:
        folder: of the record; made for its owner alone.
        store: URL of the PostgreSQL database that holds the calls; None where they are in the folder.
        node: name of a node that shares it with others; None holds it alone.

    Raises:
        SettingsError: somebody else holds it, or the folder cannot be written to.
    """

    def __init__(self, folder: Path, store: str | None = None, *, node: str | None = None) -> None:
        self._shared = node is not None
        self._files: list[int] = []
        self._connection: sa.Connection | None = None
        self._hold(folder, LOCK, fcntl.LOCK_EX if node is None else fcntl.LOCK_SH)
        if node is not None:
            self._hold(folder, f"{LOCK}-{node}", fcntl.LOCK_EX)  # of two with one name, one is too many
        if store is not None:
            self._hold_database(store)

    def _hold(self, folder: Path, name: str, how: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._files.append(os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            self.release()
            raise SettingsError(f"record.folder: {folder} cannot be written ({error.strerror})") from error
        try:
            fcntl.flock(self._files[-1], how | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise SettingsError(
                f"record.folder: another server writes the record in {folder}; stop it, or choose another"
            ) from error

    def _hold_database(self, store: str) -> None:
        engine = sa.create_engine(address(store), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        try:
            connection = engine.connect()
            take = sa.func.pg_try_advisory_lock_shared if self._shared else sa.func.pg_try_advisory_lock
            held = connection.scalar(sa.select(take(_NUMBER)))
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError):
            return  # whoever opens the store says what is wrong with it
        if not held:
            connection.close()
            self.release()
            raise SettingsError("record.store: another server writes the record in this database; stop it")
        self._connection = connection

    def release(self) -> None:
        """Let somebody else have it; safe to call twice."""
        while self._files:
            os.close(self._files.pop())
        if self._connection is not None:
            self._connection.close()
            self._connection = None
