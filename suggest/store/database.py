"""Opening the database: address, folder, migrations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql, sqlite

from suggest.base import KnowledgeError

BUSY_S = 10.0
"""How long a writer waits for another one."""


def address(store: str) -> sa.URL:
    """Return the address that a setting means: a URL of SQLAlchemy, or the path of a SQLite file.

    Raises:
        KnowledgeError: it is neither.
    """
    if not store.strip():
        raise KnowledgeError("the store is empty; give a path or a URL")
    try:
        url = sa.make_url(store) if "://" in store else sa.URL.create("sqlite", database=store)
    except sa.exc.ArgumentError:
        raise KnowledgeError("the store is neither a path nor a URL such as postgresql://host/name") from None
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        url = url.set(database=str(Path(url.database).expanduser()))
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def sqlite_file(url: sa.URL) -> Path | None:
    """Return the file of a SQLite database; None where there is no file."""
    local = url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:"
    return Path(url.database) if local and url.database else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A set of tables that is brought up to date when its database is opened.

    Attributes:
        migrations: folder of alembic's scripts.
        version_table: where alembic notes how far they are; one for each schema: two may share a database.
        purpose: what the database is, for people: ``a knowledge base``.
        durable: whether each transaction must survive a power cut (SQLite's synchronous=FULL).
        error: the exception that is raised.
        forgets: whether what is deleted must be overwritten (SQLite's secure_delete).
    """

    migrations: Path
    version_table: str
    purpose: str
    error: Callable[[str], Exception]
    durable: bool = False
    forgets: bool = False


KNOWLEDGE = Schema(
    migrations=Path(__file__).with_name("migrations"),
    version_table="kb_migrations",
    purpose="a knowledge base",
    error=KnowledgeError,
    forgets=True,
)


def open_database(url: sa.URL, schema: Schema = KNOWLEDGE) -> sa.Engine:
    """Connect, and bring the tables up to date.

    Raises:
        KnowledgeError: or ``schema.error``: the database cannot be reached or is of a newer release; the
            message names the fix.
    """
    shown = url.render_as_string(hide_password=True)
    try:
        engine = _engine(url, schema)
    except ModuleNotFoundError as error:
        raise schema.error(
            f"{shown} needs the package {error.name}; for PostgreSQL: pip install 'yuetone[postgresql]'"
        ) from error
    except (OSError, sa.exc.ArgumentError) as error:
        raise schema.error(f"{shown} cannot be opened: {error}") from error
    try:
        _migrate(engine, schema)
    except CommandError as error:
        engine.dispose()
        raise schema.error(f"{shown} is of a newer release of Yuetone; update this one") from error
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise schema.error(f"{shown} cannot be used as {schema.purpose}: {reason}") from error
    return engine


def _engine(url: sa.URL, schema: Schema) -> sa.Engine:
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            file.touch(mode=0o600)
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    in_memory: dict[str, Any] = {"poolclass": sa.StaticPool} if file is None else {}
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False}, **in_memory)
    sa.event.listen(engine, "connect", functools.partial(_sqlite_pragmas, schema))
    sa.event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_pragmas(schema: Schema, connection: Any, _record: object) -> None:
    """Readers and a writer at once; and transactions that really begin, also for CREATE TABLE."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if schema.durable else 'NORMAL'}")
    connection.execute(f"PRAGMA secure_delete = {'ON' if schema.forgets else 'OFF'}")


def _sqlite_begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def writing(engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
    """Return a transaction that writes; on SQLite it takes its turn at once, not at the first write."""
    return engine.execution_options(writes=True).begin()


def insert_of(dialect: sa.Dialect, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into a table that may say what happens where its row is there already."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def overwrite_deleted(engine: sa.Engine, tables: Sequence[sa.Table]) -> None:
    """Let nothing of deleted rows stay: SQLite's log is cut off, PostgreSQL's dead rows are cleared away.

    PostgreSQL's own write-ahead log keeps them until it is recycled or archived.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM {table.name}")
        return
    raw = engine.raw_connection()
    try:
        raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    finally:
        raw.close()


def _migrate(engine: sa.Engine, schema: Schema) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["version_table"] = schema.version_table
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        if _applied(connection, schema) == head:
            return
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # two servers that start at once
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(2107714413)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _applied(connection: sa.Connection, schema: Schema) -> str | None:
    if not sa.inspect(connection).has_table(schema.version_table):
        return None
    query: sa.Select[Any] = sa.select(sa.column("version_num")).select_from(sa.table(schema.version_table))
    found = connection.execute(query).scalar()
    return None if found is None else str(found)
