"""The records of all companies: where each lies, and how it is called there."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

import sqlalchemy as sa

from pipeline.errors import SettingsError
from pipeline.record.store import FILE, SCHEMA, RecordStore
from pipeline.storage.patience import impatient
from suggest.store.database import address, open_database

NO_COMPANY = "_"
"""Folder of a server that serves one company."""
LONGEST_SCHEMA = 63
"""Bytes of a name in PostgreSQL."""
SHARED = {"idle_in_transaction_session_timeout": "3000", "lock_timeout": "5000"}
"""A node that is frozen in the middle of a transaction must not hold up the others, ms."""
_PREFIX = "record"
_PLAIN = "abcdefghijklmnopqrstuvwxyz0123456789"


def folder_of(root: Path, tenant: str | None) -> Path:
    """Return where the record of a company lies, whatever its name is."""
    if tenant is None:
        return root / NO_COMPANY
    quoted = quote(tenant, safe="")
    return root / (f"%{ord(quoted[0]):02X}{quoted[1:]}" if quoted[0] in "._" else quoted)


def schema_of(tenant: str | None) -> str:
    """Return the PostgreSQL schema of a company: small letters and digits as they are, all else as _xx.

    Raises:
        SettingsError: the company's name is too long for that.
    """
    if tenant is None:
        return _PREFIX
    plain = "".join(
        char
        if "a" <= char <= "z" or "0" <= char <= "9"
        else "".join(f"_{byte:02x}" for byte in char.encode())
        for char in tenant
    )
    name = f"{_PREFIX}_{plain}"
    if len(name) > LONGEST_SCHEMA:
        raise SettingsError(f"the name of the company {tenant!r} is too long for a record in PostgreSQL")
    return name


def tenant_of(schema: str) -> str | None:
    """Return the company of a schema that :func:`schema_of` named."""
    if schema == _PREFIX:
        return None
    plain = schema.removeprefix(f"{_PREFIX}_").encode("ascii")
    return re.sub(rb"_([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), plain).decode()


class RecordStores:
    """The stores of all companies, opened when they are first needed; safe for any thread.

    Args:
        root: folder of the record: its SQLite files and its search indexes.
        store: URL of a PostgreSQL database that holds calls in place of the files; None for the files.
        clock: s since 1970 UTC.
        node: name of this node, where several write the record.
    """

    def __init__(
        self,
        root: Path,
        store: str | None = None,
        clock: Callable[[], float] = time.time,
        node: str | None = None,
    ) -> None:
        self._root, self._clock, self._node = root, clock, node
        self._url = None if store is None else impatient(address(store))
        self._open: dict[str | None, RecordStore] = {}
        self._known: dict[str | None, None] | None = None  # None: nobody has looked yet
        self._lock = threading.Lock()

    def of(self, tenant: str | None) -> RecordStore:
        """Return the store of a company.

        Raises:
            SettingsError: it cannot be opened.
        """
        with self._lock:
            found = self._open.get(tenant)
            if found is None:
                folder = folder_of(self._root, tenant)
                found = self._open[tenant] = RecordStore(
                    folder, self._engine(tenant, folder), self._clock, self._node
                )
                if self._known is not None:
                    self._known[tenant] = None
            return found

    def _engine(self, tenant: str | None, folder: Path) -> sa.Engine:
        if self._url is None:
            return open_database(address(str(folder / FILE)), SCHEMA)
        schema = schema_of(tenant)
        within = self._url.update_query_dict({"options": f"-csearch_path={schema}"})
        _make_schema(self._url, schema)
        return open_database(impatient(within, **(SHARED if self._node is not None else {})), SCHEMA)

    def tenants(self) -> list[str | None]:
        """Return the companies that have a record; looked for once, where no other node writes it.

        Raises:
            SettingsError: the database cannot be reached.
        """
        with self._lock:
            if self._known is not None:
                return list(self._known)
        self.look()
        return self.tenants()

    def look(self) -> None:
        """Look which companies have a record; other nodes may have begun some. Blocks.

        Raises:
            SettingsError: the database cannot be reached; those that are known stay.
        """
        there = self._there()
        with self._lock:
            self._known = dict.fromkeys([*(self._known or ()), *there, *self._open])

    def _there(self) -> list[str | None]:
        if self._url is not None:
            return [tenant_of(schema) for schema in _schemas(self._url)]
        if not self._root.is_dir():
            return []
        names = sorted(path.name for path in self._root.iterdir() if path.is_dir())
        return [None if name == NO_COMPANY else unquote(name) for name in names]

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for store in self._open.values():
                store.close()
            self._open.clear()


def _make_schema(url: sa.URL, schema: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise SettingsError(_told(url, error)) from error
    finally:
        engine.dispose()


def _schemas(url: sa.URL) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    query = sa.text("SELECT nspname FROM pg_namespace WHERE nspname ~ '^record(_|$)' ORDER BY nspname")
    try:
        with engine.connect() as connection:
            return [str(name) for name in connection.scalars(query)]
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise SettingsError(_told(url, error)) from error
    finally:
        engine.dispose()


def _told(url: sa.URL, error: Exception) -> str:
    shown = url.render_as_string(hide_password=True)
    if isinstance(error, ModuleNotFoundError):
        return f"record.store: {shown} needs the package {error.name}: pip install 'yuetone[postgresql]'"
    reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
    return f"record.store: {shown} cannot be used: {reason}"
