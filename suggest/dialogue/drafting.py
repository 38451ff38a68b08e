"""From an article to what the agent can say: both wordings, slots filled, sources named. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cantonese.characters import to_traditional
from suggest.base import CHINESE, ENGLISH, Article, ArticleHit, Language
from suggest.dialogue.entities import filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a draft comes from."""

    article_id: str
    tenant: str
    title: str
    uri: str
    place: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A reply that the agent could give.

    Attributes:
        article: tenant and id of what it is made from first.
        language: of ``text``.
        text: ready to be said.
        wordings: the text in each language that there is.
        sources: articles, at least one.
        confidence: probability that it is right, 0 to 1.
        writer: language model that wrote the wording in ``writer_language``; '' for none.
        writer_language: see there.
    """

    article: tuple[str, str]
    language: Language
    text: str
    wordings: dict[str, str]
    sources: tuple[Source, ...]
    confidence: float
    writer: str = ""
    writer_language: Language | None = None

    @property
    def written_by(self) -> str:
        """'article', or the name of a language model."""
        return self.writer if self.writer and self.language == self.writer_language else "article"


def source_of(article: Article, language: str) -> Source:
    """Return an article as a source."""
    place = ", ".join(filter(None, (article.source, article.place)))
    title = article.question(language)
    return Source(
        article_id=article.id,
        tenant=article.tenant,
        title=to_traditional(title),
        uri=article.uri,
        place=place,
        version=article.version,
    )


def in_language(draft: Draft, language: Language) -> Draft:
    """Return a draft in another of its wordings, if it has that."""
    text = draft.wordings.get(language)
    return draft if text is None else replace(draft, language=language, text=text)


def drafted(hit: ArticleHit, language: Language, known: dict[str, str]) -> Draft:
    """Return the draft of a hit: the article's own answer in the wanted language, else in the one it has.

    Args:
        hit: a good one.
        language: wanted.
        known: what was named in the call, for slots.
    """
    article = hit.article
    wordings: dict[str, str] = {
        name: to_traditional(filled(answer, known, name)) if name == CHINESE else filled(answer, known, name)
        for name in (CHINESE, ENGLISH)
        if (answer := article.answer(name))
    }
    chosen: Language = language if language in wordings else (ENGLISH if language == CHINESE else CHINESE)
    return Draft(
        article=article.key,
        language=chosen,
        text=wordings[chosen],
        wordings=wordings,
        sources=(source_of(article, chosen),),
        confidence=hit.confidence,
    )
