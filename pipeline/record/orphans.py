"""Records of calls that ended with their node: another one says what is known of their end. Blocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from pipeline.calls.codec import CodecError
from pipeline.calls.events import Ended
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import SettingsError
from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import EndRecord, RecordEntry, RecordState
from pipeline.record.key_store import KeyStore
from pipeline.record.peers import Peers
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores
from pipeline.record.tables import calls

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """A record that nobody has closed.

    Attributes:
        record_id: of it.
        node: that writes it.
        epoch: part of its call; 0 for one that no other node can go on with.
        started_at: s since 1970 UTC.
        audio: samples at 16 kHz whose sound is on disk.
    """

    record_id: str
    node: str
    epoch: int
    started_at: float
    audio: int


class OrphanCloser:
    """The closer.

    Args:
        stores: of all companies.
        keys: of all calls.
        peers: the nodes.
        clock: s since 1970 UTC.
        patience_s: how long a node must have been silent, s, before calls that it alone can go on with are
            closed.
    """

    def __init__(
        self,
        stores: RecordStores,
        keys: KeyStore,
        peers: Peers,
        clock: Callable[[], float] = time.time,
        patience_s: float = 30.0,
    ) -> None:
        self._stores, self._keys, self._peers, self._clock = stores, keys, peers, clock
        self._patience_s = patience_s
        self._silent: dict[str, float] = {}  # nodes, and since when, s, monotonic

    def close_own(self) -> int:
        """Close the records that the process before this one left, of calls that no node can take over."""
        return self._close(lambda record: not record.epoch and record.node == self._peers.node)

    def close(self) -> int:
        """Close the records that no node writes any more; return how many."""
        alive, now = self._peers.alive(), time.monotonic()
        self._silent = {node: since for node, since in self._silent.items() if node not in alive}

        def alone(record: _Live) -> bool:
            # Silent in every look for a while: a database that was away finds all nodes silent for a moment.
            if record.epoch or record.node in alive:
                return False
            return now - self._silent.setdefault(record.node, now) >= self._patience_s

        return self._close(alone)

    def _close(self, alone: Callable[[_Live], bool]) -> int:
        count = 0
        for tenant in self._stores.tenants():
            store = self._stores.of(tenant)
            records = self._live(store)
            known = self._peers.unfinished([record.record_id for record in records if record.epoch])
            orphans = [
                record
                for record in records
                if alone(record) or (record.epoch and record.record_id not in known)
            ]
            count += sum(self._closed(store, record) for record in orphans)
        return count

    def _closed(self, store: RecordStore, record: _Live) -> bool:
        """Close a record; one that cannot be closed holds up no other."""
        try:
            self._close_one(store, record)
        except (SettingsError, CodecError, sa.exc.SQLAlchemyError) as error:
            _log.error("a record cannot be closed", record=record.record_id, error=type(error).__name__)
            return False
        return True

    def _live(self, store: RecordStore) -> list[_Live]:
        query = sa.select(
            calls.c.record_id, calls.c.node, calls.c.epoch, calls.c.started_at, calls.c.stored_audio
        ).where(calls.c.state == RecordState.LIVE.value)
        with store.engine.connect() as connection:
            return [
                _Live(
                    record_id=row.record_id,
                    node=row.node,
                    epoch=row.epoch,
                    started_at=row.started_at,
                    audio=row.stored_audio,
                )
                for row in connection.execute(query)
            ]

    def _close_one(self, store: RecordStore, record: _Live) -> None:
        """Keep what was told of a call and was not kept yet, and say how it ended, if anybody saw it."""
        cipher = self._keys.cipher(record.record_id)
        known = self._peers.told(record.record_id) if record.epoch and cipher is not None else ()
        told = store.missing(record.record_id, record.epoch, known)
        ends = [envelope.event for envelope in known if isinstance(envelope.event, Ended)]
        audio = max([record.audio, *(event.audio for event in ends)])
        end = EndRecord(
            record_id=record.record_id,
            at=min(self._clock(), record.started_at + audio / SAMPLE_RATE),
            reason=ends[-1].reason if ends else None,
            lost=0,
            epoch=record.epoch,
        )
        entries: list[RecordEntry] = [*told, end]
        ciphers: dict[str, CallCipher] = {} if cipher is None else {record.record_id: cipher}
        store.write(entries, ciphers)
