"""Keeps a company's search index up to the record. Blocks; for one thread."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlalchemy as sa

from pipeline.calls.events import AttributionEvent, Envelope, RedactionEvent, TranscriptEvent
from pipeline.errors import SettingsError
from pipeline.record.ciphers import CallCipher, Damaged
from pipeline.record.entries import RecordRow
from pipeline.record.key_store import KeyStore
from pipeline.record.reading import numbered_finals, opened, read_events
from pipeline.record.search import Utterance, UtteranceIndex
from pipeline.record.store import RecordStore
from pipeline.record.tables import calls, indexed
from suggest.store.database import writing

FOLDER = "index"
AT_ONCE = 20_000
"""Events that are looked at in one step."""


def index_folder(store: RecordStore) -> Path:
    """Return where a company's index lies; nodes of one machine have one each."""
    return store.folder / (FOLDER if store.node is None else f"{FOLDER}-{store.node}")


def drop_indexes(store: RecordStore, *, of_others: bool) -> None:
    """Delete a company's index, or those that other nodes of this machine have left."""
    own = index_folder(store)
    for folder in [*store.folder.glob(f"{FOLDER}-*"), store.folder / FOLDER]:
        if (folder == own) is not of_others:
            shutil.rmtree(folder, ignore_errors=True)


class Indexer:
    """The indexer.

    Args:
        store: of the company.
        keys: of its calls.
        tenant: the company.
    """

    def __init__(self, store: RecordStore, keys: KeyStore, tenant: str | None) -> None:
        self._store, self._keys = store, keys
        self.index = UtteranceIndex(index_folder(store), keys.index_key(tenant))
        self._upto = 0 if self.index.fresh else self._read()

    def step(self) -> int:
        """Take what was written since the last step; return how many events were looked at.

        A process that dies in between takes them again, which changes nothing.
        """
        fresh = self._store.events_behind(self._upto, AT_ONCE)
        if not fresh:
            return 0
        wanted = [event for event in fresh if event.kind in _KINDS]
        names = sorted({event.record_id for event in wanted})
        rows, ciphers = self._rows(names), self._ciphers(names)
        told: _Finals = {}
        again: set[str] = set()
        for event in wanted:
            name = event.record_id
            if name not in ciphers or name not in rows:
                continue  # erased meanwhile
            try:
                envelope = opened(ciphers[name], event)
            except Damaged:
                continue  # verify tells of it
            if isinstance(envelope.event, AttributionEvent):
                again.add(name)
            elif (final := _final(envelope)) is not None:
                told[name, final.utterance_id] = envelope.server_seq, final
        for name in again:
            told |= self._reread(name, ciphers[name])
        self.index.write(
            utterance_of(row, seq, final)
            for (name, _), (seq, final) in told.items()
            if (row := rows.get(name)) is not None and final.text
        )
        self._upto = fresh[-1].n
        self._remember()
        return len(fresh)

    def _rows(self, names: list[str]) -> dict[str, RecordRow]:
        return {row.record_id: row for row in self._store.rows(calls.c.record_id.in_(names))} if names else {}

    def _ciphers(self, names: list[str]) -> dict[str, CallCipher]:
        try:
            return self._keys.ciphers(names)
        except SettingsError:  # one call that cannot be opened hides no other
            return {name: cipher for name in names if (cipher := self._cipher(name)) is not None}

    def _cipher(self, name: str) -> CallCipher | None:
        try:
            return self._keys.cipher(name)
        except SettingsError:
            return None

    def _reread(self, name: str, cipher: CallCipher) -> _Finals:
        """Return all finals of a call as they stand: somebody else is seen to have said one."""
        try:
            finals = numbered_finals(read_events(self._store, cipher, name))
        except Damaged:
            return {}
        return {(name, utterance_id): found for utterance_id, found in finals.items()}

    def forget(self, record_ids: list[str]) -> None:
        """Let nothing of some calls be found again."""
        self.index.write((), record_ids)

    def _read(self) -> int:
        with self._store.engine.connect() as connection:
            return int(connection.scalar(sa.select(indexed.c.upto)) or 0)

    def _remember(self) -> None:
        with writing(self._store.engine) as connection:
            if connection.execute(sa.update(indexed).values(upto=self._upto)).rowcount == 0:
                connection.execute(sa.insert(indexed).values(id=1, upto=self._upto))


_Finals = dict[tuple[str, str], tuple[int, TranscriptEvent]]
"""Number of its event, and the final, by record and utterance."""
_KINDS = frozenset({TranscriptEvent.__name__, RedactionEvent.__name__, AttributionEvent.__name__})


def _final(envelope: Envelope) -> TranscriptEvent | None:
    event = envelope.event
    if isinstance(event, RedactionEvent):
        return event.final
    return event if isinstance(event, TranscriptEvent) and event.final else None


def utterance_of(row: RecordRow, seq: int, final: TranscriptEvent) -> Utterance:
    """Return what is indexed of a final that event ``seq`` holds."""
    return Utterance(
        record_id=row.record_id,
        utterance_id=final.utterance_id,
        seq=seq,
        text=final.text,
        role=final.role,
        started_at=row.info.started_at,
        queue=row.info.queue,
        team=row.info.team,
        agent_id=row.info.agent_id,
    )
