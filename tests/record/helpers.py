"""A record in a temporary folder."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from diarization import Role
from pipeline.calls.events import CallEvent, Envelope, TranscriptEvent
from pipeline.calls.info import CallInfo
from pipeline.record.entries import BeginRecord, EndRecord, EventEntry, SoundEntry
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import MasterKeys, parsed
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores

MASTER = "test:" + base64.b64encode(bytes(range(32))).decode()


def section(folder: Path, **more: Any) -> dict[str, Any]:
    """Return the settings of a record in a folder."""
    return {
        "enabled": True,
        "folder": str(folder / "record"),
        "keys": str(folder / "keys" / "keys.db"),
        "key": MASTER,
        "classes": {"service": {"keep_days": 180}, "orders": {"keep_days": 400, "least_days": 183}},
        **more,
    }


def profile(**more: Any) -> dict[str, Any]:
    """Return a profile whose calls are of the class service."""
    return {"default": {"record": {"retention": "service", **more}}}


def masters() -> MasterKeys:
    return parsed(MASTER, "record.key")


def keys(folder: Path) -> KeyStore:
    return KeyStore(folder / "keys" / "keys.db", masters())


def store(folder: Path, tenant: str | None = None) -> RecordStore:
    return RecordStores(folder / "record").of(tenant)


def begin(record_id: str, call_id: str = "call-1", at: float = 1.7e9, **more: Any) -> BeginRecord:
    """Return the beginning of a call of two channels."""
    values: dict[str, Any] = {"keep_s": 100.0, "least_s": 0.0, **more}
    return BeginRecord(
        record_id=record_id,
        info=CallInfo(call_id=call_id, started_at=at),
        roles=(Role.CUSTOMER, Role.AGENT),
        rate=8_000,
        retention="service",
        notice_given=True,
        with_sound=True,
        **values,
    )


def final(number: int, text: str, channel: int = 0) -> TranscriptEvent:
    """Return a final of one second."""
    return TranscriptEvent(
        utterance_id=f"{channel}-{number}",
        revision=0,
        channel=channel,
        role=(Role.CUSTOMER, Role.AGENT)[channel],
        final=True,
        start=number * 16_000,
        end=(number + 1) * 16_000,
        stability=1.0,
        text=text,
        raw_text=text,
    )


def event(record_id: str, seq: int, told: CallEvent) -> EventEntry:
    """Return an event of a call as it is kept."""
    return EventEntry(
        record_id=record_id,
        envelope=Envelope(call_id="call-1", server_seq=seq, acked=0, event=told),
        size=100,
    )


def sound(record_id: str, channel: int, number: int, seconds: int = 1) -> SoundEntry:
    """Return a piece of a channel's sound."""
    return SoundEntry(
        record_id=record_id,
        channel=channel,
        number=number,
        start=number * seconds * 8_000,
        data=bytes([number % 256]) * seconds * 8_000,
        settled=(number + 1) * seconds * 16_000,
    )


def ended(record_id: str, at: float = 1.7e9 + 60) -> EndRecord:
    """Return the end of a call."""
    return EndRecord(record_id=record_id, at=at, reason="client", lost=0)


def whole_call(store: RecordStore, keys: KeyStore, record_id: str, *said: str, **more: Any) -> None:
    """Write a call with some finals and one second of sound a channel."""
    ciphers = keys.create([(record_id, None)])
    finals = [event(record_id, number + 1, final(number, text)) for number, text in enumerate(said)]
    pieces = [sound(record_id, channel, 0) for channel in (0, 1)]
    store.write([begin(record_id, **more), *finals, *pieces, ended(record_id)], ciphers)
