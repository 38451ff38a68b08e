"""What the room of the knowledge base is about: articles in, hits out. Light: loads no library but numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Language = Literal["zh-Hant", "en"]
CHINESE: Language = "zh-Hant"
ENGLISH: Language = "en"


_HONG_KONG = timezone(timedelta(hours=8))
"""No summer time since 1979; no zone database needed."""


def today() -> date:
    """Return the day on which articles must be valid: Hong Kong's."""
    return datetime.now(_HONG_KONG).date()


class SuggestError(Exception):
    """Something about the knowledge base or its drafts that a person can mend."""


class KnowledgeError(SuggestError):
    """The store, the index or a file for import cannot be used; the message names the fix."""


class IndexBusyError(KnowledgeError):
    """Another process is writing the index; try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One entry of the knowledge base. Question and answer are there in at least one language.

    Attributes:
        id: unique within the tenant.
        tenant: whose it is; '' is for everybody.
        category: of the company's own choosing.
        question_zh: what is asked, written Chinese; '' if there is none.
        answer_zh: what to answer; '' if there is none.
        question_en: the same in English.
        answer_en: the same in English.
        keywords: words that a question about it is likely to have.
        synonyms: other wordings of the question.
        tags: for filters and reports; not searched.
        valid_from: first day on which it may be suggested; None from ever.
        valid_until: last such day; None for ever.
        source: document it comes from.
        place: where in it: row, page or headings.
        uri: link for people.
        version: counts changes from 1; the store sets it.
    """

    id: str
    tenant: str = ""
    category: str = ""
    question_zh: str = ""
    answer_zh: str = ""
    question_en: str = ""
    answer_en: str = ""
    keywords: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    source: str = ""
    place: str = ""
    uri: str = ""
    version: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """Tenant and id."""
        return self.tenant, self.id

    def question(self, language: str) -> str:
        """Return the question in a language, else in the other one."""
        first, second = self.question_zh, self.question_en
        return (second or first) if language == ENGLISH else (first or second)

    def answer(self, language: str) -> str:
        """Return the answer in a language; '' if there is none."""
        return self.answer_en if language == ENGLISH else self.answer_zh

    def valid_on(self, day: date) -> bool:
        """Tell whether it may be suggested on ``day``."""
        after = self.valid_from is None or self.valid_from <= day
        return after and (self.valid_until is None or day <= self.valid_until)


_DAYS = ("valid_from", "valid_until")
_LISTS = ("keywords", "synonyms", "tags")


def to_plain(article: Article) -> dict[str, Any]:
    """Return an article as what JSON has: texts, lists, days as 2026-12-31, null."""
    plain = asdict(article)
    plain |= {name: plain[name].isoformat() if plain[name] else None for name in _DAYS}
    return {**plain, **{name: list(plain[name]) for name in _LISTS}}


def from_plain(plain: Mapping[str, Any]) -> Article:
    """Return the article that :func:`to_plain` was given."""
    days = {name: date.fromisoformat(plain[name]) if plain[name] else None for name in _DAYS}
    return Article(**{**plain, **days, **{name: tuple(plain[name]) for name in _LISTS}})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleHit:
    """An article that may answer a query.

    Attributes:
        article: as stored.
        score: of the reranker, for comparison within one query only.
        confidence: probability that it is a right answer, 0 to 1.
        features: what the score is made of, by name.
    """

    article: Article
    score: float
    confidence: float
    features: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        answered: the best hit is good enough to be shown.
        hits: by falling confidence; also given where nothing is good enough.
    """

    answered: bool
    hits: tuple[ArticleHit, ...]


class Encoder(Protocol):
    """Turns texts into vectors whose cosine says how near they are in meaning; thread-safe."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, float32, shape (len(texts), dimension)."""
        ...
