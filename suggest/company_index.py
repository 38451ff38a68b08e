"""The index of one company: its own articles and everybody's, following the store.

Each company has an index of its own: how rare a word is, and so how sure a hit is, must not tell one company
what the others have written.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from models.files import replace_file
from suggest.base import Article, IndexBusyError
from suggest.retrieval.index import ArticleIndex, Changes
from suggest.store.knowledge import KnowledgeStore
from suggest.text.lexicon import SearchLexicon

STATE = "yuetone.json"
WAIT_S = 120.0
"""How long another process may take to write the index."""
Counted = Callable[[Iterable[Article]], Iterator[Article]]


class CompanyIndex:
    """An index that follows a store. Any thread may search; one at a time may call :meth:`sync`.

    Args:
        store: of articles.
        tenant: the company; '' for an index of everybody's articles alone.
        folder: where it lies; None keeps it in memory.
        lexicon: tables of words.
        lock: held while it is exchanged under those who search.

    Attributes:
        index: to search in.
    """

    def __init__(
        self,
        store: KnowledgeStore,
        tenant: str,
        folder: Path | None,
        lexicon: SearchLexicon,
        lock: AbstractContextManager[object],
    ) -> None:
        self._store = store
        self._owners = ("", tenant) if tenant else ("",)
        self._folder = folder
        self._lock = lock
        self.index = ArticleIndex(folder, lexicon)
        self._mark: tuple[int, int] | None = None

    def sync(self, counted: Counted, *, wait: bool) -> bool:
        """Bring the index up to the store; return whether it is.

        Args:
            counted: goes through articles that are taken.
            wait: for another process that writes; else that is left for the next time.

        Raises:
            KnowledgeError: the store cannot be read, or another process writes for too long.
        """
        limit = time.monotonic() + WAIT_S
        while True:
            mark = self._store.mark()
            if mark == self._mark:
                return True
            if self._written() == mark:  # by another process
                self._see(mark)
                return True
            try:
                self._write(counted)
            except IndexBusyError:
                if not wait:
                    return False
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)
                continue
            return True

    def remove(self) -> None:
        """Delete the index: its company has no articles any more, and what they said must not stay."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _see(self, mark: tuple[int, int]) -> None:
        with self._lock:
            self.index.reload()
        self._mark = mark

    def _write(self, counted: Counted) -> None:
        """Write what the index lacks; what that is, is seen when no other process can write."""
        reached = (-1, -1)

        def load() -> Changes:
            nonlocal reached
            written, (revision, identity) = self._written(), self._store.mark()
            if written is None or written[1] != identity or written[0] > revision:
                reached = (revision, identity)
                return Changes(articles=counted(self._store.all(self._owners)), empty=True)
            articles, removed, revision = self._store.changes(written[0])
            reached = (revision, identity)
            mine = [article for article in articles if article.tenant in self._owners]
            return Changes(articles=counted(mine), removed=[key for key in removed if key[0] in self._owners])

        self.index.write(load, lambda: self._remember(reached))
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
