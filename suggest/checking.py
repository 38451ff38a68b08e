"""What is wrong with a knowledge base: gaps between languages, old entries, contradictions, doubles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from suggest.base import Article
from suggest.dialogue.entities import unknown_slots
from suggest.dialogue.quantities import quantities
from suggest.retrieval.index import ArticleIndex, Entry, entry_of
from suggest.retrieval.searcher import Search, Searcher
from suggest.text.lexicon import SearchLexicon

Kind = Literal["missing-language", "expired", "expiring", "contradiction", "duplicate", "slot"]
SOON = timedelta(days=14)
SAME_QUESTION = 0.8
"""Share of the tokens of two questions that are the same, from which they ask the same (own choice)."""
NEIGHBOURS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a person should look at.

    Attributes:
        kind: what.
        articles: ids.
        tenant: whose.
        message: for people.
    """

    kind: Kind
    articles: tuple[str, ...]
    tenant: str
    message: str


def check(
    articles: Iterable[Article],
    lexicon: SearchLexicon,
    searcher: Searcher,
    today: date,
    told: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Yield what is wrong.

    Args:
        articles: to be checked.
        lexicon: tables of words.
        searcher: over an index of at least these articles.
        today: for what has expired.
        told: called behind each article.
    """
    seen: set[frozenset[tuple[str, str]]] = set()
    for article in articles:
        yield from _alone(article, today)
        if not article.valid_until or article.valid_until >= today:
            yield from _beside(article, lexicon, searcher, seen)
        told()


def _alone(article: Article, today: date) -> Iterator[Finding]:
    def finding(kind: Kind, message: str) -> Finding:
        return Finding(kind=kind, articles=(article.id,), tenant=article.tenant, message=message)

    if not article.answer_en:
        yield finding("missing-language", "has no English answer; a caller who turns to English gets Chinese")
    if not article.answer_zh:
        yield finding("missing-language", "has no Chinese answer; callers get English")
    if article.valid_until and article.valid_until < today:
        yield finding("expired", f"was valid until {article.valid_until}; it is not suggested any more")
    elif article.valid_until and article.valid_until <= today + SOON:
        yield finding("expiring", f"is valid until {article.valid_until}")
    if article.answer_zh and article.answer_en:
        only_zh = quantities(article.answer_zh) - quantities(article.answer_en)
        only_en = quantities(article.answer_en) - quantities(article.answer_zh)
        if only_zh and only_en:
            message = f"its answers differ: Chinese has {_list(only_zh)}, English {_list(only_en)}"
            yield finding("contradiction", message)
    for answer in (article.answer_zh, article.answer_en):
        for name in unknown_slots(answer):
            yield finding("slot", f"has {{{name}}}, which is no slot and would be shown as it stands")


def _beside(
    article: Article, lexicon: SearchLexicon, searcher: Searcher, seen: set[frozenset[tuple[str, str]]]
) -> Iterator[Finding]:
    """Yield neighbours that ask the same: with other figures a contradiction, else a double."""
    own = entry_of(article, lexicon)
    for other in neighbours(article, searcher.index, searcher):
        pair = frozenset((article.key, other.article.key))
        if pair in seen or other.article.tenant not in ("", article.tenant) or not _alike(own, other):
            continue
        seen.add(pair)
        ids = tuple(sorted((article.id, other.article.id)))
        here, there = _figures(article), _figures(other.article)
        if here and there and not (here <= there or there <= here):
            message = (
                f"ask the same, but say different figures: {_list(here - there)} and {_list(there - here)}"
            )
            yield Finding(kind="contradiction", articles=ids, tenant=article.tenant, message=message)
        else:
            message = "ask the same; keep one, or say in the question what is different"
            yield Finding(kind="duplicate", articles=ids, tenant=article.tenant, message=message)


def neighbours(article: Article, index: ArticleIndex, searcher: Searcher) -> list[Entry]:
    """Return the articles whose questions are most like an article's, without itself."""
    text = article.question_zh or article.question_en
    analysis = searcher.analyse(Search(text=text).text)
    found = index.candidates(analysis, NEIGHBOURS)
    return [entry for entry in found if entry.article.key != article.key]


def _alike(one: Entry, other: Entry) -> bool:
    """Tell whether two questions have nearly the same tokens (Jaccard over pairs and English words)."""
    for letters in ("c", "e"):
        mine = {token for token in one.asked if token[0] in letters}
        theirs = {token for token in other.asked if token[0] in letters}
        if mine and theirs and len(mine & theirs) / len(mine | theirs) >= SAME_QUESTION:
            return True
    return False


def _figures(article: Article) -> set[str]:
    return quantities(article.answer_zh) | quantities(article.answer_en)


def _list(values: Iterable[str]) -> str:
    return ", ".join(sorted(values, key=lambda value: (len(value), value))) or "none"
