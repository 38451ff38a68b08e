"""Opening the service's database."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import SettingsError
from pipeline.storage.patience import impatient
from suggest.store.database import Schema, address, open_database

MEMORY = ":memory:"
"""Store that keeps nothing behind the end of the process."""
SERVICE = Schema(
    migrations=Path(__file__).with_name("migrations"),
    version_table="yuetone_migrations",
    purpose="a store of alerts",
    error=SettingsError,
    durable=True,
    forgets=True,
)


def open_storage(store: str | Path, setting: str) -> sa.Engine:
    """Connect to the service's database and bring its tables up to date.

    A file that an earlier release wrote with SQLite's own module is taken over as it is.

    Args:
        store: path of a SQLite file, :data:`MEMORY`, or a URL of SQLAlchemy.
        setting: that names it, for errors.

    Raises:
        SettingsError: it cannot be opened; the message names the setting and the fix.
    """
    try:
        return open_database(impatient(address(str(store))), SERVICE)
    except Exception as error:  # a driver may raise anything; all of it is about the setting
        raise SettingsError(f"{setting}: {error}") from error
