"""A file system that turns read-only under the record: an ext4 in a file, aborted as by a disk error.

Needs root and mkfs.ext4, e2fsck, mount.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.record.archive_of import call_of, record_id, sentences, spoken
from pipeline.record.entries import EventEntry
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed
from pipeline.record.reading import verified
from pipeline.record.stores import RecordStores
from pipeline.record.writer import RecordWriter

MEGABYTES = 64
EACH_S = 0.01
"""Seconds between two events."""


def read_only(times: int, seed: int) -> dict[str, Any]:
    """Let a disk fail ``times`` times under a writer; return what is missing of what it promised."""
    rng = random.Random(seed)
    total = {"promised": 0, "missing": 0, "damaged": 0, "told": 0}
    for _number in range(times):
        with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
            found = _once(Path(name), rng)
        total = {key: total[key] + found[key] for key in total}
    return {"times": times, **total}


def _once(folder: Path, rng: random.Random) -> dict[str, int]:
    disk = folder / "disk.img"
    disk.write_bytes(bytes(MEGABYTES << 20))
    _run("mkfs.ext4", "-q", "-F", str(disk))
    keys = KeyStore(folder / "keys.db", parsed(new_line("benchmark"), "record.key"))
    with _mounted(disk, folder / "mount") as mount:
        stored, told = asyncio.run(_failing(mount, keys, rng))
    subprocess.run(["e2fsck", "-fy", str(disk)], check=False, capture_output=True)  # noqa: S603, S607
    with _mounted(disk, folder / "again") as mount:
        store = RecordStores(mount / "record").of(None)
        store.interrupt()
        row, cipher = store.row(record_id(0)), keys.cipher(record_id(0))
        assert row is not None  # noqa: S101
        there = {event.seq for event in store.events(record_id(0))}
        problems = verified(store, cipher, row).problems
        store.close()
    keys.close()
    return {
        "promised": len(stored),
        "missing": len(stored - there),
        "damaged": len(problems),
        "told": int(told),
    }


async def _failing(mount: Path, keys: KeyStore, rng: random.Random) -> tuple[set[int], bool]:
    """Write until the disk has failed for a while; return what was promised, and whether that was told."""
    stores = RecordStores(mount / "record")
    writer = RecordWriter(stores, keys, 50_000_000)
    begin, *entries = call_of(0, spoken(rng, sentences(), 200), started_at=1.7e9)
    fails_at, stored = rng.randrange(20, 120), set[int]()
    writer.put(None, begin, lambda: None)
    for number, entry in enumerate(entry for entry in entries if isinstance(entry, EventEntry)):
        if number == fails_at:
            await asyncio.to_thread(_run, "mount", "-o", "remount,abort", str(mount))
        seq = entry.envelope.server_seq
        writer.put(None, entry, lambda seq=seq: stored.add(seq), urgent=True)  # type: ignore[misc]
        await asyncio.sleep(EACH_S)
    told = writer.state.failing
    await asyncio.to_thread(writer.close, 1.0)
    stores.close()
    return stored, told


@contextmanager
def _mounted(disk: Path, mount: Path) -> Iterator[Path]:
    mount.mkdir()
    _run("mount", "-o", "loop", str(disk), str(mount))
    try:
        yield mount
    finally:
        _run("umount", "-l", str(mount))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
