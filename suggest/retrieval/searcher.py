"""Searching: a query and what was said before in, hits with confidence out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from suggest.base import Article, ArticleHit, Encoder, SearchResult
from suggest.retrieval.features import Query, features
from suggest.retrieval.index import ArticleIndex, Entry
from suggest.retrieval.ranker import DENSE_WEIGHT, PRIOR_WEIGHT, Ranker
from suggest.text.analysis import analyse
from suggest.text.lexicon import SearchLexicon
from suggest.text.tokens import Analysis, Spot

CANDIDATES = 50
CARRIED = 0.6
"""Weight of what was said before, in a query that does not stand by itself."""
ENOUGH_MASS = 0.25
"""A query with less to be covered (唔該, 好呀) is no question."""

Prior = Callable[[tuple[str, str]], float]
"""Gives what agents did with an article before: -1 always wrong, 0 not known, 1 always used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked.

    Attributes:
        text: the question.
        before: what it goes on from; '' if it stands by itself.
        tenant: the company that asks; its feedback counts, and its index is searched (KnowledgeBase).
        day: on which they must be valid; None for all.
        limit: most hits.
    """

    text: str
    before: str = ""
    tenant: str = ""
    day: date | None = None
    limit: int = 3


class Searcher:
    """Searches one index; not thread-safe.

    Args:
        index: of articles.
        lexicon: tables of words, those that the index was made with.
        ranker: learned weights.
        threshold: confidence from which a hit counts as an answer; None takes the learned one.
        encoder: of meanings; None without one.
        prior: what agents did before; None if that does not count.
    """

    def __init__(
        self,
        index: ArticleIndex,
        lexicon: SearchLexicon,
        ranker: Ranker,
        *,
        threshold: float | None = None,
        encoder: Encoder | None = None,
        prior: Prior | None = None,
    ) -> None:
        self.index = index
        self._lexicon = lexicon
        self._ranker = ranker
        self.threshold = ranker.threshold if threshold is None else threshold
        self._encoder = encoder
        self._prior = prior
        self._vectors: dict[tuple[str, str, int], np.ndarray] = {}

    def analyse(self, text: str) -> Analysis:
        """Return a query's analysis."""
        return analyse(text, self._lexicon, spots=True)

    def search(self, wanted: Search) -> SearchResult:
        """Return the hits for a query, best first."""
        analysis = self.analyse(wanted.text)
        mass = analysis.mass
        if wanted.before:
            analysis = combined(analysis, self.analyse(wanted.before))
        if analysis.mass < ENOUGH_MASS:
            return SearchResult(answered=False, hits=())
        found = self.index.candidates(analysis, CANDIDATES)
        valid = [e for e in found if wanted.day is None or e.article.valid_on(wanted.day)]
        hits = self._ranked(wanted, analysis, valid)
        answered = mass > 0 and bool(hits) and hits[0].confidence >= self.threshold
        return SearchResult(answered=answered, hits=tuple(hits[: wanted.limit]))

    def _ranked(self, wanted: Search, analysis: Analysis, entries: Sequence[Entry]) -> list[ArticleHit]:
        query = Query(analysis, self.index.rarity)
        best = max((entry.bm25 for entry in entries), default=0.0)
        similar = self._similar(wanted.text, entries)
        scored: list[tuple[float, dict[str, float], Article]] = []
        for entry, dense in zip(entries, similar, strict=True):
            values = features(query, entry, best)
            values["dense"] = dense
            values["prior"] = self._prior(entry.article.key) if self._prior else 0.0
            extra = DENSE_WEIGHT * dense + PRIOR_WEIGHT * values["prior"]
            scored.append((self._ranker.score(values) + extra, values, entry.article))
        scored.sort(key=lambda item: (-item[0], item[2].key))
        sure = self._ranker.confidences([(score, values) for score, values, _ in scored], analysis.mass)
        return [
            ArticleHit(article=article, score=score, confidence=confidence, features=values)
            for (score, values, article), confidence in zip(scored, sure, strict=True)
        ]

    def _similar(self, text: str, entries: Sequence[Entry]) -> list[float]:
        """Return the cosine of a query with each article's question; zeros without an encoder."""
        if self._encoder is None or not entries:
            return [0.0] * len(entries)
        keys = [(*entry.article.key, entry.article.version) for entry in entries]
        fresh = [place for place, key in enumerate(keys) if key not in self._vectors]
        if fresh:
            if len(self._vectors) > 20_000:
                self._vectors.clear()
            texts = [_question(entries[place].article) for place in fresh]
            for place, vector in zip(fresh, self._encoder.encode(texts), strict=True):
                self._vectors[keys[place]] = vector
        own = self._encoder.encode([text])[0]
        return [max(0.0, float(own @ self._vectors[key])) for key in keys]


def _question(article: Article) -> str:
    return " ".join(filter(None, (article.question_zh, article.question_en)))


def combined(now: Analysis, before: Analysis) -> Analysis:
    """Return a query that goes on from an earlier one, which counts less."""
    tokens = {token: weight * CARRIED for token, weight in before.tokens.items()}
    for token, weight in now.tokens.items():
        tokens[token] = max(weight, tokens.get(token, 0.0))
    return Analysis(
        tokens=tokens,
        spots=(*now.spots, *_lighter(before.spots)),
        terms=(*now.terms, *_lighter(before.terms)),
    )


def _lighter(spots: Iterable[Spot]) -> list[Spot]:
    return [replace(spot, weight=spot.weight * CARRIED) for spot in spots]
