"""Packs the sound of finished calls: pieces of two seconds of G.711 become a minute of Opus."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import sqlalchemy as sa
import structlog

from pipeline.record import opus
from pipeline.record.ciphers import CallCipher, Damaged
from pipeline.record.entries import RecordRow
from pipeline.record.key_store import KeyStore
from pipeline.record.reading import opened_sound
from pipeline.record.rows import MULAW
from pipeline.record.sealed import SealedSound
from pipeline.record.store import RecordStore
from pipeline.record.tables import calls, segments
from suggest.store.database import writing

CHUNK_S = 60
"""Seconds of a channel that are packed at once."""
CALLS = 20
"""Calls that are looked up at once."""
_MOST_VERSION = (1 << 16) - 1

_log = structlog.get_logger(__name__)


class Packer:
    """Packs calls of one company. Blocks, and takes much processor time.

    Args:
        store: of it.
        keys: of all calls.
        stopping: is set when the server stops.
    """

    def __init__(self, store: RecordStore, keys: KeyStore, stopping: threading.Event) -> None:
        self._store, self._keys, self._stopping = store, keys, stopping

    def step(self, before: float) -> int:
        """Pack some calls that ended before a time, s since 1970 UTC; return how many; 0 when none is left.

        A call that is damaged stays as it is.
        """
        rows = self._store.rows(
            calls.c.packed.is_(False),
            calls.c.ended_at < before,
            calls.c.with_sound.is_(True),
            limit=CALLS,
        )
        for row in rows:
            try:
                self._pack(row)
            except Damaged:
                _log.error("the sound of a call is damaged and stays unpacked", record=row.record_id)
            if self._stopping.is_set():
                return 0
            self._mark(row)
        return len(rows)

    def _pack(self, row: RecordRow) -> None:
        cipher = self._keys.cipher(row.record_id)
        if cipher is None:  # it is being erased
            return
        for channel in range(len(row.roles)):
            for chunk in _chunks(self._places(row, channel), CHUNK_S * row.rate):
                if self._stopping.is_set():
                    return
                self._pack_chunk(cipher, row, channel, chunk)

    def _pack_chunk(self, cipher: CallCipher, row: RecordRow, channel: int, numbers: range) -> None:
        between = segments.c.number.between(numbers.start, numbers.stop - 1)
        pieces = list(self._store.sound(row.record_id, channel, between))
        if not pieces:  # it was erased meanwhile
            return
        data = b"".join(opened_sound(cipher, piece).data for piece in pieces)
        first = pieces[0]
        # A version that was never used: an attempt that a crash undid has left its bytes on the disk.
        version = 1 + secrets.randbelow(_MOST_VERSION)
        body = cipher.seal_sound(channel, first.number, version, opus.packed(data, row.rate))
        packed = SealedSound(
            channel=channel,
            number=first.number,
            version=version,
            start=first.start,
            length=len(data),
            codec=opus.CODEC,
            body=body,
        )
        self._replace(row, pieces, packed)

    def _places(self, row: RecordRow, channel: int) -> list[tuple[int, int, str]]:
        """Return number, length in samples and codec of each piece of a channel's sound, in their order."""
        query = (
            sa.select(segments.c.number, segments.c.length, segments.c.codec)
            .where(segments.c.record_id == row.record_id, segments.c.channel == channel)
            .order_by(segments.c.number)
        )
        with self._store.engine.connect() as connection:
            return [(place.number, place.length, place.codec) for place in connection.execute(query)]

    def _replace(self, row: RecordRow, pieces: Sequence[SealedSound], packed: SealedSound) -> None:
        """Put one piece of a channel's sound in the place of others, unless the call was erased meanwhile."""
        its = (segments.c.record_id == row.record_id, segments.c.channel == packed.channel)
        between = segments.c.number.between(pieces[0].number, pieces[-1].number)
        with writing(self._store.engine) as connection:
            gone = connection.execute(sa.delete(segments).where(*its, between)).rowcount
            if not gone:
                return
            connection.execute(sa.insert(segments), {"record_id": row.record_id, **asdict(packed)})
            connection.execute(
                sa.update(calls)
                .where(calls.c.record_id == row.record_id)
                .values(segments=calls.c.segments + 1 - gone)
            )

    def _mark(self, row: RecordRow) -> None:
        """Say that nothing is left to pack of a call; what is damaged is not tried again."""
        with writing(self._store.engine) as connection:
            connection.execute(sa.update(calls).where(calls.c.record_id == row.record_id).values(packed=True))


def _chunks(places: Iterable[tuple[int, int, str]], length: int) -> Iterator[range]:
    """Yield the numbers of the pieces that are packed together.

    Args:
        places: number, length in samples and codec of each piece, in their order.
        length: samples in a chunk, at most, unless one piece is longer.
    """
    first: int | None = None
    last, samples = 0, 0
    for number, size, codec in places:
        if first is not None and (codec != MULAW or samples + size > length):
            yield range(first, last + 1)
            first = None
        if codec == MULAW:
            if first is None:
                first, samples = number, 0
            last, samples = number, samples + size
    if first is not None:
        yield range(first, last + 1)
