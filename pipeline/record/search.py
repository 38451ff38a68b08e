"""Searching what was said: pairs of characters and English words, in an index that knows neither.

What is indexed of each utterance are its terms, each hashed under a key of the company: the index on disk
tells how often terms occur, and no word of a call. It is a copy of the record and can always be made again.
Pairs, because words of two characters are usual: full-text engines that cut Chinese into words or into three
characters do not find 投訴 (docs/decisions).
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from cantonese.keys import key_form
from diarization import Role
from pipeline.calls.overview import CallFilter
from pipeline.errors import InvalidRequest

FORMAT = "2"
"""Version of terms and fields; an index of another version is made anew."""
WRITER_BYTES = 64_000_000
TERM_BYTES = 6
LONGEST_QUERY = 100
EVERY_CALL = CallFilter()
_ANALYZER = "terms"
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")
_WORD = re.compile(r"[a-z][a-z0-9']*")
_MARKS = re.compile(r"[^\w'\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+|_+")
"""What recognisers put between words, or do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What is indexed.

    Attributes:
        record_id: of the call.
        utterance_id: in it.
        seq: number of the event that holds it.
        text: redacted, as people read it.
        role: who said it.
        started_at: of the call, s since 1970 UTC.
        queue: hotline of the call.
        team: of its agent.
        agent_id: who answered.
    """

    record_id: str
    utterance_id: str
    seq: int
    text: str
    role: Role
    started_at: float
    queue: str | None = None
    team: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """An utterance that was found."""

    record_id: str
    seq: int
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchWanted:
    """What is looked for; every part narrows.

    Attributes:
        text: words that were said, in one piece.
        role: by whom.
        calls: in which calls, within what the reader may see.
        since: in calls that began then or later, s since 1970 UTC.
        until: before then.

    Raises:
        InvalidRequest: there is no word in the text, or it is too long.
    """

    text: str
    role: Role | None = None
    calls: CallFilter = EVERY_CALL
    since: float | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be searched for."""
        if not terms(self.text) or len(self.text) > LONGEST_QUERY:
            raise InvalidRequest(
                f"query: give 1 to {LONGEST_QUERY} characters with a word in them; figures alone do not do"
            )


def terms(text: str) -> list[str]:
    """Return the terms of a text in order: 投訴漫遊 has 投訴, 訴漫 and 漫遊; a word of English is one.

    Marks count for nothing, and neither do figures.
    """
    key, found = _without_marks(key_form(text)), list[str]()
    for match in re.finditer(f"{_HAN.pattern}|{_WORD.pattern}", key):
        said = match.group()
        if "a" <= said[0] <= "z":
            found.append(said)
        else:
            found += [said[place : place + 2] for place in range(len(said) - 1)] or [said]
    return found


def single_characters(text: str) -> list[str]:
    """Return every Chinese character of a text once, in key form."""
    return list(dict.fromkeys(char for run in _HAN.findall(key_form(text)) for char in run))


def is_phrase_in(query: str, text: str) -> bool:
    """Tell whether a query stands in a text: in key form, marks left out, figures as they are."""
    return _without_marks(key_form(query)) in _without_marks(key_form(text))


def _without_marks(key: str) -> str:
    """Return a key form without marks; words of English keep one space between them."""
    spaced = _MARKS.sub(" ", key).strip()
    return re.sub(r"(?<![a-z0-9']) | (?![a-z0-9'])", "", spaced)


class UtteranceIndex:
    """The index of one company; one process writes it, any of its threads may search.

    Args:
        folder: where it lies.
        key: that terms are hashed under.

    Attributes:
        fresh: it was made now, and holds nothing.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._key = key
        self._schema = _schema()
        mark = folder / "format"
        current = mark.is_file() and mark.read_text("ascii") == FORMAT
        self.fresh = not current
        if not current and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._index = tantivy.Index(self._schema, str(folder), reuse=True)
        except (OSError, ValueError):  # damaged: it is made anew from the record
            shutil.rmtree(folder)
            folder.mkdir(parents=True, mode=0o700)
            self._index = tantivy.Index(self._schema, str(folder), reuse=True)
            self.fresh = True
        analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        self._index.register_tokenizer(_ANALYZER, analyzer)
        mark.write_text(FORMAT, "ascii")
        self._hashed: dict[str, str] = {}

    def write(self, utterances: Iterable[Utterance], erased: Sequence[str] = ()) -> int:
        """Take utterances, each in the place of its older form, and forget calls; return how many were taken.

        Args:
            utterances: new or changed.
            erased: record ids of calls of which nothing may be found again.
        """
        writer, count = self._index.writer(WRITER_BYTES, 1), 0
        try:
            for record_id in erased:
                writer.delete_documents_by_term("record", record_id)
            for utterance in utterances:
                count += 1
                writer.delete_documents_by_term("key", _key(utterance))
                writer.add_document(self._document(utterance))
            writer.commit()
            if erased:
                writer.garbage_collect_files()
                writer.wait_merging_threads()
        finally:
            del writer
        self._index.reload()
        return count

    def search(self, wanted: SearchWanted, limit: int) -> Iterator[SearchHit]:
        """Yield utterances, those of the newest calls first.

        Args:
            wanted: what is looked for.
            limit: how many at most.

        """
        searcher = self._index.searcher()
        found = searcher.search(
            self._query(wanted), limit=limit, count=False, order_by_field="started", order=tantivy.Order.Desc
        )
        for _order, address in found.hits:
            document = searcher.doc(address)
            yield SearchHit(
                record_id=document["record"][0],
                seq=document["seq"][0],
                role=Role(document["said_by"][0]),
            )

    def _query(self, wanted: SearchWanted) -> tantivy.Query:
        said = terms(wanted.text)
        hashed = [self._hash(term) for term in said]
        field = "singles" if len(said) == 1 and len(said[0]) == 1 and not said[0].isascii() else "terms"
        parts = [
            tantivy.Query.phrase_query(self._schema, "terms", list(hashed))
            if len(hashed) > 1
            else tantivy.Query.term_query(self._schema, field, hashed[0])
        ]
        if wanted.role is not None:
            parts.append(self._any_of([("role", wanted.role.value)]))
        parts += [self._any_of(choice) for choice in _choices(wanted.calls)]
        if wanted.since is not None or wanted.until is not None:
            parts.append(
                tantivy.Query.range_query(
                    self._schema,
                    "started",
                    tantivy.FieldType.Integer,
                    int((wanted.since or 0) * 1000),
                    int((wanted.until or 1e12) * 1000),
                    include_upper=False,
                )
            )
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in parts])

    def _any_of(self, choice: Iterable[tuple[str, str]]) -> tantivy.Query:
        """Return what finds utterances of which a field has one of some values; nothing without any."""
        found = [
            tantivy.Query.term_query(self._schema, name, self._hash(f"{name} {value}"))
            for name, value in choice
        ]
        if not found:
            return tantivy.Query.empty_query()
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in found])

    def _document(self, utterance: Utterance) -> Any:
        document = tantivy.Document()
        document.add_text("key", _key(utterance))
        document.add_text("record", utterance.record_id)
        document.add_text("said_by", utterance.role.value)
        document.add_text("terms", " ".join(map(self._hash, terms(utterance.text))))
        document.add_text("singles", " ".join(map(self._hash, single_characters(utterance.text))))
        document.add_text("role", self._hash(f"role {utterance.role.value}"))
        for name, value in (
            ("queue", utterance.queue), ("team", utterance.team), ("agent", utterance.agent_id),
        ):  # fmt: skip
            if value is not None:
                document.add_text(name, self._hash(f"{name} {value}"))
        document.add_integer("started", int(utterance.started_at * 1000))
        document.add_integer("seq", utterance.seq)
        return document

    def _hash(self, term: str) -> str:
        found = self._hashed.get(term)
        if found is None:
            if len(self._hashed) > _MOST_HASHED:
                self._hashed.clear()
            digest = hashlib.blake2b(term.encode(), digest_size=TERM_BYTES, key=self._key)
            found = self._hashed[term] = digest.hexdigest()
        return found


def _choices(calls: CallFilter) -> Iterator[list[tuple[str, str]]]:
    """Yield what calls must be of: for each condition, fields and values of which one must hold."""
    for name, values in (("queue", calls.queues), ("team", calls.teams), ("agent", calls.agent_ids)):
        if values:
            yield [(name, value) for value in sorted(values)]
    reach = calls.reach
    if reach.teams is not None:
        own = [("agent", reach.agent_id)] if reach.agent_id is not None else []
        yield own + [("team", team) for team in sorted(reach.teams)]


_MOST_HASHED = 200_000


def _key(utterance: Utterance) -> str:
    return f"{utterance.record_id} {utterance.utterance_id}"


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for name in ("key", "role", "queue", "team", "agent"):
        builder.add_text_field(name, stored=False, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("record", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("said_by", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("terms", stored=False, tokenizer_name=_ANALYZER, index_option="position")
    builder.add_text_field("singles", stored=False, tokenizer_name=_ANALYZER, index_option="basic")
    builder.add_integer_field("started", stored=False, indexed=True, fast=True)
    builder.add_integer_field("seq", stored=True, indexed=False, fast=False)
    return builder.build()
