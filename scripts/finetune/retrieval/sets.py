"""Sets of queries with the articles that answer them: JSON lines beside a ``kb.csv``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suggest.base import Article
from suggest.reading.tables import read_table
from suggest.retrieval.features import FEATURES, Query, features, left_out
from suggest.retrieval.index import ArticleIndex
from suggest.retrieval.searcher import CANDIDATES
from suggest.text.analysis import analyse
from suggest.text.lexicon import SearchLexicon


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A query, and every article that is a right answer to it; none where nothing answers it."""

    text: str
    kind: str
    expect: frozenset[str]

    @property
    def tuning(self) -> bool:
        """Whether it belongs to the half that is tuned on, by a hash of its characters."""
        return hashlib.sha256(self.text.encode()).digest()[0] % 2 == 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """A labelled query with the features of its candidates, shape (candidates, features)."""

    query: Labelled
    mass: float
    ids: tuple[str, ...]
    values: NDArray[np.float64]


def name_of(file: Path) -> str:
    """Return how a set is called."""
    return f"{file.resolve().parent.name}/{file.stem}"


def read_set(file: Path) -> tuple[list[Article], list[Labelled]]:
    """Return articles and queries of a file of queries."""
    lines = file.read_text("utf-8").splitlines()
    queries = [
        Labelled(text=row["query"], kind=row["kind"], expect=frozenset(row["expect"]))
        for row in map(json.loads, lines)
    ]
    return read_table(file.with_name("kb.csv")).articles, queries


def examples(
    articles: Iterable[Article],
    queries: Iterable[Labelled],
    lexicon: SearchLexicon,
    without: frozenset[str] = frozenset(),
) -> list[Example]:
    """Return the features of all candidates of all queries."""
    index = ArticleIndex(None, lexicon)
    index.apply(articles, empty=True)
    out = []
    for query in queries:
        analysis = left_out(analyse(query.text, lexicon, spots=True), without)
        entries = index.candidates(analysis, CANDIDATES)
        asked = Query(analysis, index.rarity, without)
        best = max((entry.bm25 for entry in entries), default=0.0)
        rows = [[*features(asked, entry, best).values()] for entry in entries]
        out.append(
            Example(
                query=query,
                mass=analysis.mass,
                ids=tuple(entry.article.id for entry in entries),
                values=np.array(rows, np.float64).reshape(len(rows), len(FEATURES)),
            )
        )
    return out
