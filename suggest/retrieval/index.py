"""The full-text index over articles (tantivy): candidates for the reranker, and how rare tokens are.

It is a copy of the store that can always be made again. On disk it lies beside the store; several processes
may read it, and the one that first sees a change of the store writes it.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from suggest.base import Article, IndexBusyError, KnowledgeError, from_plain, to_plain
from suggest.text.analysis import analyse
from suggest.text.lexicon import SearchLexicon
from suggest.text.tokens import Analysis, Tokens

FORMAT = 3
"""Version of tokens and fields; an index of another format is made anew."""
WRITER_BYTES = 64_000_000
FEW, MOST_SEGMENTS = 1_000, 12
COMMON = 0.3
"""Share of articles that have a token, above which it is not looked for in a large index."""
LARGE = 5_000
RARITIES_KEPT = 400_000
_ANALYZER = "tokens"
_FIELD_BOOST = {"asked": 1.0, "answered": 0.35}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An article as the reranker sees it.

    Attributes:
        article: as stored.
        asked: tokens of its questions, keywords and synonyms, with how much each tells.
        answered: tokens of its answers.
        bm25: of the full-text engine for the query.
    """

    article: Article
    asked: Tokens
    answered: frozenset[str]
    bm25: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be written.

    Attributes:
        articles: whole.
        removed: tenant and id.
        empty: forget everything before.
    """

    articles: Iterable[Article]
    removed: Iterable[tuple[str, str]] = ()
    empty: bool = False


def entry_of(article: Article, lexicon: SearchLexicon) -> Entry:
    """Return an article with its tokens."""
    asked: Tokens = {}
    wordings = (article.question_zh, article.question_en, *article.synonyms, " ".join(article.keywords))
    for text in wordings:
        for token, weight in analyse(text, lexicon).tokens.items():
            asked[token] = max(weight, asked.get(token, 0.0))
    answers = (article.answer_zh, article.answer_en, article.category)
    answered = (analyse(text, lexicon, phonetic=False).tokens for text in answers)
    return Entry(article=article, asked=asked, answered=frozenset().union(*answered))


class ArticleIndex:
    """An index; not thread-safe, but for :meth:`write`.

    Args:
        folder: where it lies; None keeps it in memory.
        lexicon: tables of words; a folder made with other tables must be emptied.

    Raises:
        KnowledgeError: the folder cannot be used.
    """

    def __init__(self, folder: Path | None, lexicon: SearchLexicon) -> None:
        self._lexicon = lexicon
        self._folder = folder
        self._schema = _schema()
        self._rarity: dict[str, float] = {}
        self._index = self._opened()
        self._searcher = self._index.searcher()

    def _opened(self) -> tantivy.Index:
        analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        try:
            if self._folder is None:
                index = tantivy.Index(self._schema)
            else:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                index = self._on_disk(self._folder)
        except (OSError, ValueError) as error:
            raise KnowledgeError(f"the index at {self._folder} cannot be used: {error}") from error
        index.register_tokenizer(_ANALYZER, analyzer)
        return index

    def _on_disk(self, folder: Path) -> tantivy.Index:
        """Open the index of a folder; one that is damaged or of another form is made anew."""
        try:
            return tantivy.Index(self._schema, str(folder), reuse=True)
        except (OSError, ValueError):
            shutil.rmtree(folder)
            folder.mkdir(parents=True, mode=0o700)
            return tantivy.Index(self._schema, str(folder), reuse=True)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    # ---------------------------------------------------------------- in

    def apply(self, articles: Iterable[Article], *, empty: bool = False) -> None:
        """Write and reload; see :meth:`write`."""
        self.write(lambda: Changes(articles=articles, removed=(), empty=empty))
        self.reload()

    def write(self, load: Callable[[], Changes], done: Callable[[], None] = lambda: None) -> None:
        """Take new and changed articles, and forget removed ones; seen at the next :meth:`reload`.

        Searches may go on meanwhile, in other threads.

        Args:
            load: called when no other process can write, says what is to be written.
            done: called behind that, before another process can write.

        Raises:
            IndexBusyError: another process is writing.
            KnowledgeError: the folder cannot be written.
        """
        try:
            writer = self._index.writer(WRITER_BYTES, 1)
        except ValueError as error:
            if "lock" in str(error).lower():
                raise IndexBusyError("the index is being written by another process") from error
            raise KnowledgeError(f"the index at {self._folder} cannot be written: {error}") from error
        try:
            changes = load()
            count = self._put(writer, changes)
            writer.commit()
            done()
            if count > FEW or self._searcher.num_segments > MOST_SEGMENTS:
                writer.wait_merging_threads()  # else a new article would wait for old ones to be moved
        except (ValueError, OSError) as error:
            raise KnowledgeError(f"the index at {self._folder} cannot be written: {error}") from error
        finally:
            del writer

    def _put(self, writer: tantivy.IndexWriter, changes: Changes) -> int:
        """Hand changes to the writer; return how many articles."""
        if changes.empty:
            writer.delete_all_documents()
        for key in changes.removed:
            writer.delete_documents_by_term("key", _key(key))
        count = 0
        for article in changes.articles:
            count += 1
            if not changes.empty:
                writer.delete_documents_by_term("key", _key(article.key))
            writer.add_document(_document(entry_of(article, self._lexicon)))
        return count

    def reload(self) -> None:
        """See what was written."""
        self._index.reload()
        self._searcher = self._index.searcher()
        self._rarity.clear()

    # ---------------------------------------------------------------- out

    def rarity(self, token: str) -> float:
        """Return the inverse document frequency of a token in questions (BM25's, Robertson 1994)."""
        known = self._rarity.get(token)
        if known is not None:
            return known
        count, having = len(self), self._searcher.doc_freq("asked", token)
        value = math.log(1 + (count - min(having, count) + 0.5) / (having + 0.5))
        if len(self._rarity) > RARITIES_KEPT:
            self._rarity.clear()
        self._rarity[token] = value
        return value

    def candidates(self, query: Analysis, limit: int) -> list[Entry]:
        """Return the articles that share most with a query, best first.

        Args:
            query: analysed.
            limit: how many.
        """
        large = len(self) > LARGE
        parts: list[tuple[tantivy.Occur, tantivy.Query]] = []
        for token, weight in query.tokens.items():
            if token[0] == "u" or (large and (token[0] in "gt" or self._is_common(token))):
                continue
            for name, boost in _FIELD_BOOST.items():
                if name == "answered" and token[0] in "jtg":
                    continue
                term = tantivy.Query.term_query(self._schema, name, token, index_option="freq")
                parts.append((tantivy.Occur.Should, tantivy.Query.boost_query(term, boost * weight)))
        if not parts or not len(self):
            return []
        found = self._searcher.search(tantivy.Query.boolean_query(parts), limit=limit, count=False)
        return [_entry(self._searcher.doc(address), float(score)) for score, address in found.hits]

    def _is_common(self, token: str) -> bool:
        return self._searcher.doc_freq("asked", token) > COMMON * len(self)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=False, tokenizer_name="raw", index_option="basic")
    for name in _FIELD_BOOST:
        builder.add_text_field(name, stored=False, tokenizer_name=_ANALYZER, index_option="freq")
    builder.add_bytes_field("body", stored=True, indexed=False, fast=False)
    return builder.build()


def _key(key: tuple[str, str]) -> str:
    return json.dumps(key)


def _document(entry: Entry) -> Any:
    body = to_plain(entry.article)
    document = tantivy.Document()
    document.add_text("key", _key(entry.article.key))
    document.add_text("asked", " ".join(entry.asked))
    document.add_text("answered", " ".join(entry.answered))
    document.add_bytes("body", json.dumps([body, entry.asked, " ".join(sorted(entry.answered))]).encode())
    return document


def _entry(document: Any, bm25: float) -> Entry:
    body, asked, answered = json.loads(document["body"][0])
    return Entry(article=from_plain(body), asked=asked, answered=frozenset(answered.split(" ")), bm25=bm25)
