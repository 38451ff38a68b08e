"""What readers get of the record, within what they may see. Blocks; any thread may call it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import sqlalchemy as sa
import structlog

from pipeline.calls.events import Envelope, RedactionEvent, TranscriptEvent
from pipeline.calls.overview import CallFilter
from pipeline.errors import RecordUnavailable, SettingsError, UnknownRecord
from pipeline.record import wrapping
from pipeline.record.ciphers import CallCipher, Damaged
from pipeline.record.entries import RecordRow, Resolution
from pipeline.record.key_store import KeyStore, customer_hash, original_key
from pipeline.record.originals import OriginalRequests, restored
from pipeline.record.reading import (
    SoundPiece,
    cut_sound,
    from_sample,
    opened,
    opened_sound,
    original_events,
    read_events,
)
from pipeline.record.sealed import SealedEvent
from pipeline.record.search import SearchHit, SearchWanted, UtteranceIndex, is_phrase_in
from pipeline.record.store import RecordStore
from pipeline.record.tables import calls, erasures, segments, wrap_ups
from pipeline.record.wrapping import Wording, WrapUp

_log = structlog.get_logger(__name__)
MOST_ROWS = 1_000
DAMAGED = "a part of the record of this call is damaged; see 'yuetone record verify'"
_SOME, _LOOKED_UP, _MOST_LOOKED_UP = 200, 40, 5_000
"""Rows, and hits, that are looked at in one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """What recorded calls are like; every part narrows.

    Attributes:
        alerts: with, or without alerts.
        agitation_above: whose highest agitation is above this.
        topics: whose wrap-up has one of these.
        resolutions: whose wrap-up says one of these.
    """

    alerts: bool | None = None
    agitation_above: float | None = None
    topics: frozenset[str] = frozenset()
    resolutions: frozenset[Resolution] = frozenset()

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return the same as conditions of the store's tables."""
        found: list[sa.ColumnElement[bool]] = []
        if self.alerts is not None:
            found.append(calls.c.alerts > 0 if self.alerts else calls.c.alerts == 0)
        if self.agitation_above is not None:
            found.append(calls.c.agitation > self.agitation_above)
        if self.resolutions:
            found.append(wrap_ups.c.resolution.in_(sorted(self.resolutions)))
        if self.topics:
            quoted = (json.dumps(topic, ensure_ascii=False) for topic in sorted(self.topics))
            found.append(sa.or_(*(wrap_ups.c.topics.contains(one, autoescape=True) for one in quoted)))
        return found


EVERY_ROW = RowFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUtterance:
    """An utterance that was found, as it is kept now.

    Attributes:
        row: of its call.
        final: what was said.
    """

    row: RecordRow
    final: TranscriptEvent


class Archive:
    """The record of one company, for those who read it.

    Args:
        tenant: the company.
        store: of it.
        keys: of all calls.
    """

    def __init__(self, tenant: str | None, store: RecordStore, keys: KeyStore) -> None:
        self._tenant, self._store, self._keys = tenant, store, keys

    def rows(
        self,
        wanted: CallFilter,
        *,
        since: float | None = None,
        until: float | None = None,
        call_id: str | None = None,
        customer: str | None = None,
        like: RowFilter = EVERY_ROW,
        limit: int = 100,
    ) -> list[RecordRow]:
        """Return recorded calls, the newest first.

        Args:
            wanted: which, within what the reader may see.
            since: that began then or later, s since 1970 UTC.
            until: before then.
            call_id: with this id.
            customer: of this customer.
            like: what they are like.
            limit: how many at most.
        """
        parts = [self._there(), *like.conditions()]
        if since is not None:
            parts.append(calls.c.started_at >= since)
        if call_id is not None:
            parts.append(calls.c.call_id == call_id)
        for column, values in (
            (calls.c.queue, wanted.queues),
            (calls.c.team, wanted.teams),
            (calls.c.agent_id, wanted.agent_ids),
            (calls.c.profile, wanted.profiles),
        ):
            if values:
                parts.append(column.in_(sorted(values)))
        if customer is not None:
            key = self._keys.index_key(self._tenant)
            parts.append(calls.c.customer == customer_hash(key, customer))
        if until is not None:
            parts.append(calls.c.started_at < until)
        found: list[RecordRow] = []
        behind: list[sa.ColumnElement[bool]] = []
        while len(found) < limit:
            page = self._store.rows(*parts, *behind, limit=_SOME)
            owned = (self._owned(row) for row in page)
            found += [row for row in owned if wanted.takes(row.info)]
            if len(page) < _SOME:
                break
            at, n = page[-1].info.started_at, page[-1].n
            behind = [sa.tuple_(calls.c.started_at, calls.c.n) < sa.tuple_(sa.literal(at), sa.literal(n))]
        return found[:limit]

    def row(self, record_id: str, wanted: CallFilter) -> RecordRow:
        """Return one call.

        Raises:
            UnknownRecord: there is none of that id that the reader may see.
        """
        row = self.rows_of([record_id], wanted).get(record_id)
        if row is None:
            raise UnknownRecord("no recorded call has this id")
        return row

    def rows_of(
        self, record_ids: Sequence[str], wanted: CallFilter, like: RowFilter = EVERY_ROW
    ) -> dict[str, RecordRow]:
        """Return those of some calls that the reader may see, and that are like that, by record id."""
        its = (calls.c.record_id.in_(record_ids), self._there(), *like.conditions())
        rows = map(self._owned, self._store.rows(*its))
        return {row.record_id: row for row in rows if wanted.takes(row.info)}

    def events(self, row: RecordRow) -> list[Envelope]:
        """Return the events of a call as they were told; see :func:`numbered_finals` for its corrections.

        Raises:
            RecordUnavailable: something of it is damaged.
            UnknownRecord: it was erased meanwhile.
        """
        cipher = self.cipher(row)
        try:
            return list(read_events(self._store, cipher, row.record_id))
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error

    def sound(self, row: RecordRow, channel: int, first: int = 0) -> Iterator[SoundPiece]:
        """Yield the sound of a channel from a sample on, at its rate; errors as of :meth:`events`."""
        cipher, behind = self.cipher(row), segments.c.start + segments.c.length > first
        try:
            for piece in self._store.sound(row.record_id, channel, behind):
                yield from_sample(opened_sound(cipher, piece), first)
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error

    def original_requests(self) -> OriginalRequests:
        """Return who asked to read what was hidden of this company's calls."""
        return OriginalRequests(self._store)

    def original_events(self, row: RecordRow, by: str) -> list[Envelope]:
        """Return the events of a call with what was hidden of them, but for secrets.

        Args:
            row: of the call.
            by: id of whoever reads, whose request a second person has agreed to.

        Raises:
            PermissionDenied: nobody has.
            RecordUnavailable: something of it is damaged.
            UnknownRecord: it was erased meanwhile.
        """
        self.original_requests().check(row.record_id, by)
        cipher = self._original_cipher(row)
        try:
            hidden = original_events(self._store, cipher, row.record_id)
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error
        return [hidden.get(told.server_seq, told) for told in self.events(row)]

    def original_sound(self, row: RecordRow, channel: int, by: str, first: int = 0) -> Iterator[SoundPiece]:
        """Return the sound of a channel with what was silenced, as of :meth:`sound`.

        Args and errors are as of :meth:`original_events`; they are raised before the first piece.
        """
        self.original_requests().check(row.record_id, by)
        try:
            cuts = list(cut_sound(self._store, self._original_cipher(row), row.record_id, channel))
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error
        return restored(self.sound(row, channel, first), cuts)

    def _original_cipher(self, row: RecordRow) -> CallCipher:
        cipher = self._keys.cipher(original_key(row.record_id))
        if cipher is None or row.original_until is None or row.original_until <= time.time():
            raise UnknownRecord("what was hidden of this call is not kept, or no longer")
        return cipher

    def wrap_up(self, row: RecordRow) -> WrapUp | None:
        """Return what its agent keeps of a call; errors as of :meth:`events`."""
        try:
            return wrapping.read(self._store, self.cipher(row), row.record_id)
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error

    def save_wrap_up(self, row: RecordRow, wrap_up: WrapUp, by: str) -> None:
        """Keep a wrap-up of a call, in the place of an earlier one.

        Raises:
            UnknownRecord: it was erased meanwhile.
        """
        wrapping.save(self._store, self.cipher(row), row.record_id, wrap_up, by)

    def wording(self, row: RecordRow) -> Wording | None:
        """Return a call in a language model's words, where that is kept; errors as of :meth:`events`."""
        try:
            return wrapping.read_wording(self._store, self.cipher(row), row.record_id)
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error

    def save_wording(self, row: RecordRow, wording: Wording) -> None:
        """Keep a call in a language model's words; errors as of :meth:`save_wrap_up`."""
        wrapping.save_wording(self._store, self.cipher(row), row.record_id, wording)

    def frames(self, row: RecordRow) -> int:
        """Return how many samples, at its rate, the longest channel of a call has."""
        return self._store.frames(row.record_id)

    def search(
        self, index: UtteranceIndex, wanted: SearchWanted, limit: int, like: RowFilter = EVERY_ROW
    ) -> list[FoundUtterance]:
        """Return utterances in which something was said, those of the newest calls first.

        Every hit of the index is looked up in the record: what was redacted or erased meanwhile is not found.
        Where only calls of a kind are wanted, the newest 5,000 utterances with those words are looked at.

        Raises:
            InvalidRequest: there is no word in the query.
        """
        found: list[FoundUtterance] = []
        hits = list(index.search(wanted, limit=_MOST_LOOKED_UP if like != EVERY_ROW else limit * 2 + _SOME))
        for first in range(0, len(hits), _LOOKED_UP):
            found += self._looked_up(hits[first : first + _LOOKED_UP], wanted, like)
            if len(found) >= limit:
                break
        return found[:limit]

    def _looked_up(
        self, hits: list[SearchHit], wanted: SearchWanted, like: RowFilter
    ) -> Iterator[FoundUtterance]:
        """Yield those of some hits that are so in the record, and within reach."""
        names = list(dict.fromkeys(hit.record_id for hit in hits))
        rows = self.rows_of(names, wanted.calls, like)
        hits = [hit for hit in hits if hit.record_id in rows]
        ciphers = self._keys.ciphers(list(rows))
        sealed = self._store.events_at([(hit.record_id, hit.seq) for hit in hits])
        for hit in hits:
            cipher, event = ciphers.get(hit.record_id), sealed.get((hit.record_id, hit.seq))
            final = _said(hit, cipher, event) if cipher is not None and event is not None else None
            if final is not None and is_phrase_in(wanted.text, final.text):
                yield FoundUtterance(row=rows[hit.record_id], final=final)

    def cipher(self, row: RecordRow) -> CallCipher:
        """Return what opens and seals what is kept of a call.

        Raises:
            UnknownRecord: it was erased meanwhile.
        """
        cipher = self._keys.cipher(row.record_id)
        if cipher is None:
            raise UnknownRecord("no recorded call has this id")
        return cipher

    def _owned(self, row: RecordRow) -> RecordRow:
        return replace(row, info=replace(row.info, tenant=self._tenant))

    @staticmethod
    def _there() -> sa.ColumnElement[bool]:
        """Return the condition that nobody has asked to erase a call."""
        return calls.c.record_id.not_in(sa.select(erasures.c.record_id))


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn what a store says of itself into an error for whoever asked.

    Raises:
        RecordUnavailable: the store, or a key, cannot be read.
    """
    try:
        yield
    except (sa.exc.SQLAlchemyError, SettingsError, OSError) as error:
        _log.error("the record cannot be read", error=type(error).__name__)
        raise RecordUnavailable("the record cannot be read now; the server's log has the reason") from error


def _said(hit: SearchHit, cipher: CallCipher, event: SealedEvent) -> TranscriptEvent | None:
    """Return what was said, as it is kept now; None where it is damaged."""
    try:
        told = opened(cipher, event).event
    except Damaged:
        return None
    final = told.final if isinstance(told, RedactionEvent) else told
    return replace(final, role=hit.role) if isinstance(final, TranscriptEvent) else None
