"""What customers asked and nothing answered, and what agents made of the articles. Blocks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from suggest.gaps.clusters import Gap, grouped, words_of
from suggest.knowledge import KnowledgeBase
from suggest.store.record import SAID, Feedback

REFUSALS = ("dismissed", "wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleUse:
    """What agents made of an article; counts are of suggestions.

    Attributes:
        article_id: of it.
        title: of it; empty where it is there no more.
        shown: on a screen.
        used: copied or edited.
        said: heard.
        refused: not needed, or wrong.
        wrong: of these.
    """

    article_id: str
    title: str
    shown: int
    used: int
    said: int
    refused: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeReport:
    """What is missing, and what is used.

    Attributes:
        questions: without a good answer.
        gaps: groups of them, those of most calls first.
        words: telling ones of all, and how many questions have each.
        uses: of articles, those that were refused most first.
    """

    questions: int
    gaps: tuple[Gap, ...]
    words: tuple[tuple[str, int], ...]
    uses: tuple[ArticleUse, ...]


def report_of(base: KnowledgeBase, tenant: str | None, since: datetime, until: datetime) -> KnowledgeReport:
    """Return the report of a time.

    Args:
        base: the knowledge base.
        tenant: whose calls; None for those of all.
        since: from then on.
        until: before then.
    """
    asked = list(base.record.questions(since, tenant, until))
    return KnowledgeReport(
        questions=len(asked),
        gaps=tuple(grouped(asked, base.lexicon)),
        words=tuple(words_of(asked, base.lexicon)),
        uses=tuple(_uses(base, base.record.feedback(since, tenant, until))),
    )


def _uses(base: KnowledgeBase, told: Iterable[Feedback]) -> list[ArticleUse]:
    by_article: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in told:
        by_article[row.article_tenant, row.article_id][row.action] += 1
    uses = [
        ArticleUse(
            article_id=key[1],
            title=_title(base, key),
            shown=counts["shown"],
            used=counts["copied"] + counts["edited"],
            said=counts[SAID],
            refused=sum(counts[action] for action in REFUSALS),
            wrong=counts["wrong"],
        )
        for key, counts in by_article.items()
    ]
    return sorted(uses, key=lambda use: (-use.wrong, -use.refused, -use.shown, use.article_id))


def _title(base: KnowledgeBase, key: tuple[str, str]) -> str:
    article = base.store.get(*key)
    return "" if article is None else article.question_zh or article.question_en
