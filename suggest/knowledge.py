"""A knowledge base in use: the store, an index that follows it, and the search."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

from models.files import replace_file
from suggest.base import Article, Encoder, IndexBusyError, KnowledgeError, SearchResult
from suggest.checking import Finding, check
from suggest.retrieval.index import FORMAT, ArticleIndex, Changes
from suggest.retrieval.ranker import BUNDLED as BUNDLED_WEIGHTS
from suggest.retrieval.ranker import read_ranker
from suggest.retrieval.searcher import Search, Searcher
from suggest.store.database import sqlite_file
from suggest.store.knowledge import KnowledgeStore
from suggest.store.record import Record
from suggest.text.lexicon import BUNDLED as BUNDLED_TABLES
from suggest.text.lexicon import SearchLexicon, read_lexicon

STATE = "yuetone.json"
WAIT_S = 120.0
"""How long another process may take to write the index."""


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
        self._index = ArticleIndex(self._folder, self.lexicon)
        self._mark: tuple[int, int] | None = None
        self._searcher = Searcher(
            self._index, self.lexicon, ranker, threshold=threshold, encoder=encoder, prior=self._prior
        )
        self._priors: dict[tuple[str, str, str], float] = {}
        self._tenant = ""

    def stop(self) -> None:
        """Let a :meth:`sync` that is under way in another thread give up; the index stays as it was."""
        self._stopped = True

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    @property
    def threshold(self) -> float:
        """Confidence from which a hit counts as an answer."""
        return self._searcher.threshold

    @property
    def in_memory(self) -> bool:
        """Whether the store goes when it is closed."""
        return sqlite_file(self.store.url) is None and self.store.url.get_backend_name() == "sqlite"

    def __len__(self) -> int:
        return len(self._index)

    # ---------------------------------------------------------------- searching

    def search(self, wanted: Search, tenant: str = "") -> SearchResult:
        """Return the hits for a query, best first.

        Args:
            wanted: query.
            tenant: whose feedback counts.
        """
        with self._lock:
            self._tenant = tenant
            return self._searcher.search(wanted)

    def check(
        self, articles: Iterable[Article], today: date, told: Callable[[], None] = lambda: None
    ) -> Iterator[Finding]:
        """Yield what is wrong with articles; see :mod:`suggest.checking`. Nobody may search meanwhile."""
        return check(articles, self.lexicon, self._searcher, today, told)

    def _prior(self, key: tuple[str, str]) -> float:
        return self._priors.get((self._tenant, *key), 0.0)

    def learn_from_feedback(self) -> None:
        """Take up what agents did meanwhile."""
        priors = self.record.priors()
        with self._lock:
            self._priors = priors

    # ---------------------------------------------------------------- following the store

    def sync(self, told: Callable[[int], None] = lambda _count: None, *, wait: bool = True) -> bool:
        """Bring the index up to the store; return whether anything changed.

        Args:
            told: called with how many articles have been taken, now and then.
            wait: for another process that writes; else that is left for the next time.

        Raises:
            KnowledgeError: the store cannot be read, or another process writes for too long.
        """
        limit = time.monotonic() + WAIT_S
        while True:
            mark = self.store.mark()
            if mark == self._mark:
                return False
            if self._taken_up(mark):
                return True
            try:
                self._write(told)
            except IndexBusyError:
                if not wait:
                    return False
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)
                continue
            return True

    def _taken_up(self, mark: tuple[int, int]) -> bool:
        """See what another process has written, if that is all there is."""
        if self._written() != mark:
            return False
        self._see(mark)
        return True

    def _see(self, mark: tuple[int, int]) -> None:
        with self._lock:
            self._index.reload()
        self._mark = mark

    def _write(self, told: Callable[[int], None]) -> None:
        """Write what the index lacks; what that is, is seen when no other process can write."""
        reached = (-1, -1)

        def load() -> Changes:
            nonlocal reached
            written, (revision, identity) = self._written(), self.store.mark()
            if written is None or written[1] != identity or written[0] > revision:
                reached = (revision, identity)
                return Changes(articles=self._counted(self.store.all(), told), empty=True)
            articles, removed, revision = self.store.changes(written[0])
            reached = (revision, identity)
            return Changes(articles=self._counted(articles, told), removed=removed)

        self._index.write(load, lambda: self._remember(reached))
        self._see(reached)

    def _written(self) -> tuple[int, int] | None:
        """Return the mark of the index as it lies there; None if it must be made anew."""
        if self._folder is None:
            return self._mark
        try:
            state = json.loads((self._folder / STATE).read_text("utf-8"))
            return int(state["revision"]), int(state["store"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _remember(self, mark: tuple[int, int]) -> None:
        if self._folder is not None:
            replace_file(self._folder / STATE, json.dumps({"revision": mark[0], "store": mark[1]}))

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

    def _counted(self, articles: Iterable[Article], told: Callable[[int], None]) -> Iterator[Article]:
        count = 0
        for count, article in enumerate(articles, 1):
            if self._stopped:
                raise KnowledgeError("the knowledge base is being closed")
            yield article
            if count % 200 == 0:
                told(count)
        told(count)
