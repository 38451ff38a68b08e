"""What is kept beside calls: agents' wrap-ups, and summaries in a language model's words. Blocks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.record.ciphers import CallCipher
from pipeline.record.entries import Resolution
from pipeline.record.store import RecordStore
from pipeline.record.tables import wordings, wrap_ups
from suggest.store.database import writing

WRAP_UP, WORDING = "wrap-up", "wording"
Wording = list[tuple[str, list[str]]]
"""Sentences of a language model, each with the utterances that it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapUp:
    """What an agent keeps of a call.

    Attributes:
        resolution: how it ended for the customer.
        topics: categories.
        note: free text, masked.
        disposition: code of another system.
        follow_up_at: when somebody will do something, s since 1970 UTC.
        closed: after-call work is over.
    """

    resolution: Resolution
    topics: tuple[str, ...] = ()
    note: str = ""
    disposition: str | None = None
    follow_up_at: float | None = None
    closed: bool = False


def save(
    store: RecordStore,
    cipher: CallCipher,
    record_id: str,
    wrap_up: WrapUp,
    by: str,
    clock: Callable[[], float] = time.time,
) -> None:
    """Keep a wrap-up in the place of an earlier one.

    Args:
        store: of the company.
        cipher: of the call.
        record_id: of the call.
        wrap_up: what is kept.
        by: id of whoever keeps it.
        clock: s since 1970 UTC.
    """
    sealed = {
        "note": wrap_up.note,
        "disposition": wrap_up.disposition,
    }
    row = {
        "record_id": record_id,
        "resolution": wrap_up.resolution.value,
        "topics": json.dumps(wrap_up.topics, ensure_ascii=False),
        "closed": wrap_up.closed,
        "saved_at": clock(),
        "follow_up_at": wrap_up.follow_up_at,
        "saved_by": by,
        "body": cipher.seal_note(WRAP_UP, json.dumps(sealed, ensure_ascii=False).encode()),
    }
    with writing(store.engine) as connection:
        connection.execute(sa.delete(wrap_ups).where(wrap_ups.c.record_id == record_id))
        connection.execute(sa.insert(wrap_ups), row)


def read(store: RecordStore, cipher: CallCipher, record_id: str) -> WrapUp | None:
    """Return what is kept of a call; None where nothing is.

    Raises:
        Damaged: it is not what was written.
    """
    with store.engine.connect() as connection:
        row = connection.execute(sa.select(wrap_ups).where(wrap_ups.c.record_id == record_id)).first()
    if row is None:
        return None
    sealed = json.loads(cipher.open_note(WRAP_UP, row.body))
    return WrapUp(
        resolution=Resolution(row.resolution),
        topics=tuple(json.loads(row.topics)),
        closed=bool(row.closed),
        follow_up_at=row.follow_up_at,
        **sealed,
    )


def save_wording(store: RecordStore, cipher: CallCipher, record_id: str, wording: Wording) -> None:
    """Keep a summary in a language model's words, in the place of an earlier one."""
    body = cipher.seal_note(WORDING, json.dumps(wording, ensure_ascii=False).encode())
    with writing(store.engine) as connection:
        connection.execute(sa.delete(wordings).where(wordings.c.record_id == record_id))
        connection.execute(sa.insert(wordings), {"record_id": record_id, "body": body})


def read_wording(store: RecordStore, cipher: CallCipher, record_id: str) -> Wording | None:
    """Return a summary in a language model's words; None where none is kept.

    Raises:
        Damaged: it is not what was written.
    """
    with store.engine.connect() as connection:
        body = connection.scalar(sa.select(wordings.c.body).where(wordings.c.record_id == record_id))
    if body is None:
        return None
    return [(text, list(names)) for text, names in json.loads(cipher.open_note(WORDING, body))]
