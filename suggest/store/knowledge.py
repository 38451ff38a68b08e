"""The store of articles: what is in it, what changed, and changing it all at once or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from suggest.base import Article, KnowledgeError, from_plain, to_plain
from suggest.store.database import address, open_database, sqlite_file, writing
from suggest.store.tables import articles, state, versions

BATCH = 500
_FIELDS = tuple(field.name for field in fields(Article))
_LISTS = ("keywords", "synonyms", "tags")
_CONTENT = tuple(name for name in _FIELDS if name not in ("version", "place"))
"""What makes another version; that a row has moved does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a write would do, or has done: keys of articles."""

    added: tuple[tuple[str, str], ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A state that an article had."""

    version: int
    action: str
    changed_at: datetime
    article: Article


class KnowledgeStore:
    """The store; methods block, any thread may call them.

    Args:
        store: path of a SQLite file, or a URL of SQLAlchemy.

    Raises:
        KnowledgeError: it cannot be opened.
    """

    def __init__(self, store: str) -> None:
        self.url = address(store)
        self.engine = open_database(self.url)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @property
    def name(self) -> str:
        """The address without a password, for people."""
        file = sqlite_file(self.url)
        return str(file) if file else self.url.render_as_string(hide_password=True)

    # ---------------------------------------------------------------- reading

    def mark(self) -> tuple[int, int]:
        """Return the number of the last change, and what tells this store from another at its address."""
        with self.engine.connect() as connection:
            return _state(connection, "revision"), _state(connection, "id")

    def revision(self) -> int:
        """Return the number of the last change."""
        return self.mark()[0]

    def count(self) -> int:
        """Return how many articles there are."""
        query = sa.select(sa.func.count()).select_from(articles).where(~articles.c.removed)
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def tenants(self) -> list[str]:
        """Return the companies that have articles; '' for everybody's."""
        query = sa.select(articles.c.tenant).where(~articles.c.removed).distinct().order_by(articles.c.tenant)
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def get(self, tenant: str, article_id: str) -> Article | None:
        """Return an article; None if there is none."""
        query = sa.select(articles).where(
            articles.c.tenant == tenant, articles.c.id == article_id, ~articles.c.removed
        )
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return _article(row) if row else None

    def all(self, tenants: Sequence[str] | None = None, category: str | None = None) -> Iterator[Article]:
        """Yield all articles by tenant and id.

        Args:
            tenants: only theirs; None for everybody's.
            category: only of this one.
        """
        query = sa.select(articles).where(~articles.c.removed).order_by(articles.c.tenant, articles.c.id)
        if tenants is not None:
            query = query.where(articles.c.tenant.in_(tenants))
        if category is not None:
            query = query.where(articles.c.category == category)
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=BATCH).execute(query).mappings()
            yield from map(_article, rows)

    def changes(self, since: int) -> tuple[list[Article], list[tuple[str, str]], int]:
        """Return articles that were written, keys that were removed, and the revision, behind ``since``."""
        query = sa.select(articles).where(articles.c.revision > since)
        with self.engine.connect() as connection:
            revision = _state(connection, "revision")
            rows = list(connection.execute(query).mappings())
        written = [_article(row) for row in rows if not row["removed"]]
        gone = [(str(row["tenant"]), str(row["id"])) for row in rows if row["removed"]]
        return written, gone, revision

    def history(self, tenant: str, article_id: str) -> list[Version]:
        """Return every state of an article, oldest first."""
        query = (
            sa.select(versions)
            .where(versions.c.tenant == tenant, versions.c.id == article_id)
            .order_by(versions.c.version)
        )
        with self.engine.connect() as connection:
            rows = list(connection.execute(query).mappings())
        return [
            Version(
                version=row["version"],
                action=row["action"],
                changed_at=row["changed_at"],
                article=from_plain(row["body"]),
            )
            for row in rows
        ]

    def no_longer_in(self, wanted: Sequence[Article]) -> list[tuple[str, str]]:
        """Return articles of the same companies and documents that are not among ``wanted``."""
        places = {(article.tenant, article.source) for article in wanted}
        kept = {article.key for article in wanted}
        known = self.all(tuple({tenant for tenant, _source in places}))
        return [item.key for item in known if (item.tenant, item.source) in places and item.key not in kept]

    # ---------------------------------------------------------------- writing

    def compare(self, wanted: Iterable[Article], removed: Iterable[tuple[str, str]] = ()) -> Change:
        """Return what :meth:`write` would do."""
        with self.engine.connect() as connection:
            return self._plan(connection, list(wanted), list(removed))[0]

    def write(self, wanted: Sequence[Article], removed: Sequence[tuple[str, str]] = ()) -> Change:
        """Add or change articles and remove others, in one transaction.

        Args:
            wanted: whole articles; what is the same already stays as it is.
            removed: tenant and id; unknown ones are left out.

        Raises:
            KnowledgeError: an id is there twice, or the store cannot be written; nothing was changed.
        """
        if len({article.key for article in wanted}) < len(wanted):
            raise KnowledgeError("two articles have the same id; nothing was changed")
        try:
            with writing(self.engine) as connection:
                lock = sa.select(state.c.value).where(state.c.key == "revision").with_for_update()
                connection.execute(lock)  # writers take turns, so that none plans on what another changes
                change, rows = self._plan(connection, list(wanted), list(removed))
                if rows:
                    self._write(connection, rows)
        except sa.exc.SQLAlchemyError as error:
            raise KnowledgeError(f"{self.name} cannot be written: {type(error).__name__}") from error
        return change

    def _plan(
        self, connection: sa.Connection, wanted: list[Article], removed: list[tuple[str, str]]
    ) -> tuple[Change, list[tuple[str, Article]]]:
        """Return the change and the new states of articles with what was done to them."""
        known = _known(connection, [article.key for article in wanted] + removed)
        added: list[tuple[str, str]] = []
        changed: list[tuple[str, str]] = []
        rows: list[tuple[str, Article]] = []
        same = 0
        for article in wanted:
            before = known.get(article.key)
            if before and not before[1] and _content(before[0]) == _content(article):
                same += 1
                continue
            version = before[0].version + 1 if before else 1
            (changed if before and not before[1] else added).append(article.key)
            action = "changed" if before and not before[1] else "added"
            rows.append((action, replace(article, version=version)))
        gone = [key for key in dict.fromkeys(removed) if key in known and not known[key][1]]
        rows += [("removed", replace(known[key][0], version=known[key][0].version + 1)) for key in gone]
        change = Change(added=tuple(added), changed=tuple(changed), removed=tuple(gone), unchanged=same)
        return change, rows

    @staticmethod
    def _write(connection: sa.Connection, rows: list[tuple[str, Article]]) -> None:
        counted = sa.update(state).where(state.c.key == "revision").values(value=state.c.value + 1)
        connection.execute(counted)
        revision = _state(connection, "revision")
        now = datetime.now(UTC)
        values = [
            {**_row(article), "removed": action == "removed", "revision": revision, "changed_at": now}
            for action, article in rows
        ]
        history = [
            {
                "tenant": article.tenant,
                "id": article.id,
                "version": article.version,
                "action": action,
                "body": to_plain(article),
                "changed_at": now,
            }
            for action, article in rows
        ]
        for at in range(0, len(rows), BATCH):
            _put(connection, values[at : at + BATCH])
            connection.execute(sa.insert(versions), history[at : at + BATCH])


def _state(connection: sa.Connection, key: str) -> int:
    return int(connection.execute(sa.select(state.c.value).where(state.c.key == key)).scalar_one())


def _put(connection: sa.Connection, values: list[dict[str, Any]]) -> None:
    """Insert rows or overwrite those of the same key."""
    keys = [{"old_tenant": row["tenant"], "old_id": row["id"]} for row in values if row["version"] > 1]
    if keys:
        same = (articles.c.tenant == sa.bindparam("old_tenant")) & (articles.c.id == sa.bindparam("old_id"))
        connection.execute(sa.delete(articles).where(same), keys)
    connection.execute(sa.insert(articles), values)


def _known(
    connection: sa.Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Article, bool]]:
    """Return the articles of keys, and whether they are removed."""
    found = {}
    by_tenant: dict[str, list[str]] = {}
    for tenant, article_id in dict.fromkeys(keys):
        by_tenant.setdefault(tenant, []).append(article_id)
    for tenant, ids in by_tenant.items():
        for at in range(0, len(ids), BATCH):
            same = (articles.c.tenant == tenant) & articles.c.id.in_(ids[at : at + BATCH])
            for row in connection.execute(sa.select(articles).where(same)).mappings():
                article = _article(row)
                found[article.key] = (article, bool(row["removed"]))
    return found


def _content(article: Article) -> tuple[object, ...]:
    return tuple(getattr(article, name) for name in _CONTENT)


def _row(article: Article) -> dict[str, Any]:
    row = {name: getattr(article, name) for name in _FIELDS}
    return {**row, **{name: list(row[name]) for name in _LISTS}}


def _article(row: Any) -> Article:
    values = {name: row[name] for name in _FIELDS}
    return Article(**{**values, **{name: tuple(values[name]) for name in _LISTS}})
