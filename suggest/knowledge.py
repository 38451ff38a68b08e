"""A knowledge base in use: the store, an index that follows it, and the search."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from suggest.base import Article, Encoder, KnowledgeError, SearchResult
from suggest.checking import Finding, check
from suggest.company_index import CompanyIndex
from suggest.retrieval.index import FORMAT
from suggest.retrieval.ranker import BUNDLED as BUNDLED_WEIGHTS
from suggest.retrieval.ranker import read_ranker
from suggest.retrieval.searcher import Search, Searcher
from suggest.store.database import sqlite_file
from suggest.store.knowledge import KnowledgeStore
from suggest.store.record import Record
from suggest.text.lexicon import BUNDLED as BUNDLED_TABLES
from suggest.text.lexicon import SearchLexicon, read_lexicon


@dataclass(frozen=True, slots=True)
class _Company:
    """What one company searches with."""

    follower: CompanyIndex
    searcher: Searcher


class KnowledgeBase:
    """A store with its index. Any thread may search; one at a time may call :meth:`sync`.

    Args:
        store: path of a SQLite file, or a URL of SQLAlchemy.
        tables: the company's own files of words.
        weights: of the reranker; None for the bundled ones.
        threshold: confidence from which a hit counts as an answer; None for the learned one.
        index: folder of the index; None puts it beside a SQLite file, else into the user's cache.
        encoder: of meanings; None without one.

    Raises:
        KnowledgeError: a part cannot be used; the message names the fix.
    """

    def __init__(
        self,
        store: str,
        *,
        tables: Sequence[Path] = (),
        weights: Path | None = None,
        threshold: float | None = None,
        index: Path | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.lexicon: SearchLexicon = read_lexicon(tables)
        ranker = read_ranker(weights or BUNDLED_WEIGHTS)
        self.store = KnowledgeStore(store)
        self.record = Record(self.store.engine)
        self._lock = threading.Lock()
        self._stopped = False
        self._folder = self._place(index, tables)
        self._ranker, self._threshold, self._encoder = ranker, threshold, encoder
        self._mark: tuple[int, int] | None = None
        self._priors: dict[tuple[str, str, str], float] = {}
        self._tenant = ""
        self._companies = {"": self._company("")}

    def stop(self) -> None:
        """Let a :meth:`sync` that is under way in another thread give up; the index stays as it was."""
        self._stopped = True

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @property
    def threshold(self) -> float:
        """Confidence from which a hit counts as an answer."""
        return self._companies[""].searcher.threshold

    @property
    def in_memory(self) -> bool:
        """Whether the store goes when it is closed."""
        return sqlite_file(self.store.url) is None and self.store.url.get_backend_name() == "sqlite"

    def __len__(self) -> int:
        shared = len(self._companies[""].follower.index)
        return shared + sum(
            len(company.follower.index) - shared for company in list(self._companies.values())
        )

    def _company(self, tenant: str) -> _Company:
        named = hashlib.sha256(tenant.encode()).hexdigest()[:16]
        beside = self._folder.with_name(f"{self._folder.name}-{named}") if self._folder else None
        folder = beside if tenant else self._folder
        follower = CompanyIndex(self.store, tenant, folder, self.lexicon, self._lock)
        return _Company(
            follower,
            Searcher(
                follower.index,
                self.lexicon,
                self._ranker,
                threshold=self._threshold,
                encoder=self._encoder,
                prior=self._prior,
            ),
        )

    def _searcher(self, tenant: str) -> Searcher:
        """Return what searches for a company; one without articles of its own has everybody's."""
        return self._companies.get(tenant, self._companies[""]).searcher

    # ---------------------------------------------------------------- searching

    def search(self, wanted: Search) -> SearchResult:
        """Return the hits for a query, best first: articles of the company that asks, and everybody's."""
        with self._lock:
            self._tenant = wanted.tenant
            return self._searcher(wanted.tenant).search(wanted)

    def _prior(self, key: tuple[str, str]) -> float:
        return self._priors.get((self._tenant, *key), 0.0)

    def check(
        self, articles: Iterable[Article], today: date, told: Callable[[], None] = lambda: None
    ) -> Iterator[Finding]:
        """Yield what is wrong with articles; see :mod:`suggest.checking`. Nobody may search meanwhile."""
        for tenant, own in groupby(articles, key=lambda article: article.tenant):
            yield from check(own, self.lexicon, self._searcher(tenant), today, told)

    def learn_from_feedback(self) -> None:
        """Take up what agents did meanwhile."""
        priors = self.record.priors()
        with self._lock:
            self._priors = priors

    # ---------------------------------------------------------------- following the store

    def sync(
        self, told: Callable[[int], None] = lambda _count: None, *, wait: bool = True, rest: float = 0.0
    ) -> bool:
        """Bring the index up to the store; return whether anything changed.

        Args:
            told: called with how many articles have been taken, now and then.
            wait: for another process that writes; else that is left for the next time.
            rest: s to rest for each s of work, so that searches of other threads find their turn: one
                without it waits for Python's lock at each of its steps.

        Raises:
            KnowledgeError: the store cannot be read, or another process writes for too long.
        """
        mark = self.store.mark()
        if mark == self._mark:
            return False
        tenants = {"", *self.store.tenants()}
        counted, done = functools.partial(self._counted, told, rest), True
        for tenant in sorted(tenants):
            company = self._companies.get(tenant) or self._company(tenant)
            if company.follower.sync(counted, wait=wait):
                self._companies[tenant] = company  # not before: an empty index would answer nothing
            else:
                done = False
        for gone in self._companies.keys() - tenants:
            self._companies.pop(gone).follower.remove()
        if done:
            self._mark = mark
        return done

    def _place(self, index: Path | None, tables: Sequence[Path]) -> Path | None:
        """Return the folder of the index; one for every set of tables, so that they do not meet."""
        file = sqlite_file(self.store.url)
        if index is None:
            if file is None and self.store.url.get_backend_name() == "sqlite":
                return None
            named = hashlib.sha256(self.store.name.encode()).hexdigest()[:16]
            cache = Path("~/.cache/yuetone/index").expanduser() / named
            index = file.with_name(file.name + ".index") if file else cache
        digest = hashlib.sha256(f"{FORMAT} {version('pycantonese')}".encode())
        for table in (*BUNDLED_TABLES, *tables):
            digest.update(table.read_bytes())
        return index.expanduser() / digest.hexdigest()[:12]

    def _counted(
        self, told: Callable[[int], None], rest: float, articles: Iterable[Article]
    ) -> Iterator[Article]:
        count = 0
        for count, article in enumerate(articles, 1):
            if self._stopped:
                raise KnowledgeError("the knowledge base is being closed")
            began = time.monotonic()
            yield article
            if rest:
                time.sleep(rest * (time.monotonic() - began))
            if count % 200 == 0:
                told(count)
        told(count)
