"""What writing costs, and how much one writer carries."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.facts import spread
from benchmarks.record.archive_of import call_of, record_id, sentences, spoken
from pipeline.record.entries import EventEntry, RecordEntry
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed
from pipeline.record.stores import RecordStores
from pipeline.record.writer import RecordWriter


def writing(calls: int, per_second: int, seconds: float, store: str | None = None) -> dict[str, Any]:
    """Write events of many strict calls at a steady pace; return what was reached.

    Args:
        calls: at once.
        per_second: events of all of them, a second.
        seconds: how long.
        store: URL of a PostgreSQL database; None for a file.
    """
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        found = asyncio.run(_written(Path(name), store, calls, per_second, seconds))
    return {"store": "SQLite" if store is None else "PostgreSQL", **found}


async def _written(
    folder: Path, store: str | None, calls: int, per_second: int, seconds: float
) -> dict[str, Any]:
    keys = KeyStore(folder / "keys.db", parsed(new_line("benchmark"), "record.key"))
    stores = RecordStores(folder / "record", store)
    writer = RecordWriter(stores, keys, 500_000_000)
    rng, texts = random.Random(22), sentences()
    begun, told = _entries(rng, texts, calls, int(per_second * seconds))
    waits: list[float] = []
    tenant = f"of-{calls}"  # runs in one database do not meet
    for entry in begun:
        writer.put(tenant, entry, lambda: None)
    await _drained(writer)
    cpu, began = time.process_time(), time.monotonic()
    for number, event in enumerate(told):
        due = began + number / per_second
        if number % 30 == 0 and (late := due - time.monotonic()) > 0:
            await asyncio.sleep(late)
        at = time.monotonic()
        writer.put(
            tenant,
            event,
            lambda at=at: waits.append(time.monotonic() - at),  # type: ignore[misc]
            urgent=True,
        )
    await _drained(writer)
    took, used = time.monotonic() - began, time.process_time() - cpu
    await asyncio.to_thread(writer.close)
    stores.close()
    keys.close()
    return {
        "calls": calls,
        "events": len(told),
        "events_a_second": round(len(told) / took),
        "cpu_us_an_event": round(used / len(told) * 1e6, 1),
        "on_disk_after": spread(waits),
        "lost": writer.state.lost,
    }


def _entries(
    rng: random.Random, texts: list[str], calls: int, count: int
) -> tuple[list[RecordEntry], list[EventEntry]]:
    """Return the beginnings of calls, and their events in an order in which calls take turns."""
    begun: list[RecordEntry] = []
    by_call: list[list[EventEntry]] = []
    for number in range(calls):
        entries = list(call_of(number, spoken(rng, texts, count // calls + 1), started_at=1.7e9))
        begun.append(entries[0])
        by_call.append([entry for entry in entries if isinstance(entry, EventEntry)])
        assert entries[0].record_id == record_id(number)  # noqa: S101
    return begun, [event for turn in zip(*by_call, strict=True) for event in turn][:count]


async def _drained(writer: RecordWriter) -> None:
    while writer.waiting_bytes:  # noqa: ASYNC110 (the writer's own thread knows no event loop)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
