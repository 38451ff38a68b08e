"""Erasing calls, wrapping keys anew, and a week of calls with holds, restarts and a restored backup."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.record.archive_of import DAY_S, call_of, record_id, sentences, spoken
from pipeline.errors import UnknownHold
from pipeline.record.entries import RecordEntry
from pipeline.record.erasing import Eraser
from pipeline.record.indexing import Indexer
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed
from pipeline.record.search import SearchWanted
from pipeline.record.stores import RecordStores
from pipeline.record.tables import call_keys

CANARY = "雪糕火箭"
"""Said in every call that is erased; nobody says it otherwise."""


class _Record:
    """A record with its keys, its index and its eraser, on a clock of its own."""

    def __init__(self, folder: Path, master: str, now: float = 1.7e9) -> None:
        self.folder, self.now = folder, now
        self.keys = KeyStore(folder / "keys" / "keys.db", parsed(master, "record.key"))
        self.store = RecordStores(folder / "record", clock=lambda: self.now).of(None)
        self.indexer = Indexer(self.store, self.keys, None)
        self.eraser = Eraser(None, self.store, self.keys, self.indexer.forget, lambda: self.now)

    def write(self, entries: list[RecordEntry]) -> None:
        begun = dict.fromkeys(entry.record_id for entry in entries)
        self.store.write(entries, self.keys.create([(name, None) for name in begun]))

    def wrapped(self, record_ids: list[str]) -> list[bytes]:
        """Return the keys of calls as they lie on the disk."""
        query = sa.select(call_keys.c.wrapped).where(call_keys.c.record_id.in_(record_ids))
        engine = sa.create_engine(f"sqlite:///{self.folder}/keys/keys.db", poolclass=sa.NullPool)
        with engine.connect() as connection:
            return list(connection.scalars(query))

    def index(self) -> None:
        while self.indexer.step():
            pass

    def erase_marked(self) -> int:
        done = 0
        while rows := self.eraser.lock_out():
            self.eraser.remove(rows)
            done += len(rows)
        return done

    def close(self) -> None:
        self.store.close()
        self.keys.close()


def erasing(calls: int, seed: int) -> dict[str, Any]:
    """Erase calls out of twice as many; return how long it took, and where anything of them is left.

    Args:
        calls: that are erased.
        seed: of what is said.
    """
    rng, texts = random.Random(seed), sentences()
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        record = _Record(Path(name), new_line("benchmark"), now=1.7e9 + DAY_S)
        for first in range(0, 2 * calls, 100):
            entries: list[RecordEntry] = []
            for number in range(first, first + 100):
                said = spoken(rng, texts, 60)
                if number % 2 == 0:
                    said[7] = f"我想要{CANARY}呀"
                entries += call_of(number, said, started_at=1.7e9, sound_s=60)
            record.write(entries)
        record.index()
        before = len(list(record.indexer.index.search(SearchWanted(text=CANARY), 10 * calls)))
        wanted = [record_id(number) for number in range(0, 2 * calls, 2)]
        keys_before = record.wrapped(wanted[:50])
        began = time.monotonic()
        record.eraser.request(wanted, "benchmark")
        erased = record.erase_marked()
        took = time.monotonic() - began
        after = len(list(record.indexer.index.search(SearchWanted(text=CANARY), 10 * calls)))
        left = {row.record_id for row in record.store.rows()} & set(wanted)
        keys = record.keys.known() & set(wanted)
        record.close()
        files = [path for path in Path(name).rglob("*") if path.is_file()]
        in_clear = sum(CANARY.encode() in path.read_bytes() for path in files)
        in_keys = [path.read_bytes() for path in files if "keys" in path.name]
        wrapped = sum(any(key in data for key in keys_before) for data in in_keys)
    return {
        "calls": erased, "seconds": round(took, 1), "found_before": before, "found_after": after,
        "rows_left": len(left), "keys_left": len(keys), "files_with_the_canary": in_clear,
        "key_files_with_a_key": wrapped,
    }  # fmt: skip


def rotating(keys: int) -> dict[str, Any]:
    """Wrap keys anew; return the processor time."""
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        old = new_line("old")
        path = Path(name) / "keys.db"
        store = KeyStore(path, parsed(old, "record.key"))
        for first in range(0, keys, 10_000):
            store.create([(record_id(number), None) for number in range(first, min(first + 10_000, keys))])
        store.close()
        store = KeyStore(path, parsed(f"{old}\n{new_line('new')}", "record.key"))
        cpu, began = time.process_time(), time.monotonic()
        done = max(store.rotate(), default=0)
        used, took = time.process_time() - cpu, time.monotonic() - began
        counts = store.count_by_master()
        store.close()
    return {"keys": done, "cpu_s": round(used, 1), "seconds": round(took, 1), "under": counts}


class _Week:
    """A week of a call centre, and what the rules say of each of its calls.

    Args:
        record: empty.
        rng: decides everything.
        master: key of the record.
    """

    CLASSES = ((2 * DAY_S, 0.0), (5 * DAY_S, 0.0), (30 * DAY_S, 3 * DAY_S))
    """How long calls are kept, and how long they must be, s."""

    def __init__(self, record: _Record, rng: random.Random, master: str) -> None:
        self.record, self._rng, self._master = record, rng, master
        self._texts = sentences()
        self.number = self.restarts = 0
        self._expires: dict[str, float] = {}
        self._least: dict[str, float] = {}
        self._holds: dict[str, list[str]] = {}  # of each call, released ones too
        self.held: set[str] = set()
        self.gone: set[str] = set()
        self._saved = 0

    def hour(self, at: float, calls: int) -> None:
        """Record calls, hold some, release some, and erase some at somebody's request."""
        self.record.now = at
        entries: list[RecordEntry] = []
        for _ in range(calls):
            keep, must = self._rng.choice(self.CLASSES)
            name, ended = record_id(self.number), at - 600 + 18
            said = spoken(self._rng, self._texts, 6)
            entries += call_of(self.number, said, started_at=at - 600, keep_s=keep, least_s=must, sound_s=2)
            self._expires[name], self._least[name] = ended + keep, ended + must
            self.number += 1
        self.record.write(entries)
        alive = [call for call in self._expires if call not in self.gone]
        for call in self._rng.sample(alive, min(3, len(alive))):
            if call not in self.held:
                hold = self.record.eraser.hold([call], "case", "officer")
                self._holds.setdefault(call, []).append(hold)
                self.held.add(call)
        for call in self._rng.sample(sorted(self.held), len(self.held) // 40):
            self._release(call)
        asked = self._rng.sample(alive, min(2, len(alive)))
        self.record.eraser.request(asked, "officer")
        self.record.erase_marked()
        self.gone |= {call for call in asked if call not in self.held and self._least[call] <= at}

    def _release(self, call: str) -> None:
        """Release a call; after a restore, the hold in force may be an older one."""
        for hold in self._holds[call]:
            with contextlib.suppress(UnknownHold):
                self.record.eraser.release(hold)
        self.held.remove(call)

    def sweep(self) -> None:
        """Erase what is due."""
        self.record.index()
        while self.record.eraser.expired():
            pass
        self.record.erase_marked()
        self.gone |= {
            call for call, at in self._expires.items() if at <= self.record.now and call not in self.held
        }

    def back_up(self) -> None:
        """Copy the record, not its keys."""
        self.record.store.empty_log()
        shutil.copytree(self.record.folder / "record", self.record.folder / "backup")
        self._saved = self.number

    def lose_the_disk(self) -> None:
        """Restore the backup: what was recorded since is lost, and so is what was held and released since."""
        self.record.close()
        shutil.rmtree(self.record.folder / "record")
        shutil.copytree(self.record.folder / "backup", self.record.folder / "record")
        self.restart()
        self.gone |= {record_id(number) for number in range(self._saved, self.number)}
        self.held = {row.record_id for row in self.record.store.rows() if row.held}

    def restart(self) -> None:
        """Close everything, and open it as a server does."""
        self.record.close()
        self.record = _Record(self.record.folder, self._master, self.record.now)
        self.record.eraser.forget_keys_of_erased()
        self.record.eraser.mark_restored()
        self.record.erase_marked()
        self.restarts += 1

    def wanted(self) -> set[str]:
        """Return the calls that the rules keep."""
        return set(self._expires) - self.gone


def week(calls: int, seed: int) -> dict[str, Any]:
    """Live through a week: retention, holds, requests, restarts, one restore; compare with the rules.

    Args:
        calls: in it.
        seed: of everything.
    """
    hours = 7 * 24
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        master = new_line("benchmark")
        life = _Week(_Record(Path(name), master), random.Random(seed), master)
        for hour in range(hours):
            life.hour(1.7e9 + hour * 3600.0, calls // hours)
            if hour % 6 == 0:
                life.sweep()
            if hour == hours // 2:
                life.back_up()
            if hour == hours // 2 + 3:
                life.lose_the_disk()
            if hour % 30 == 29:
                life.restart()
        life.record.now = 1.7e9 + 7 * DAY_S
        life.sweep()
        there = {row.record_id for row in life.record.store.rows()}
        keys, wanted = life.record.keys.known(), life.wanted()
        life.record.close()
    return {
        "calls": life.number, "restarts": life.restarts, "restores": 1, "held": len(life.held),
        "left": len(there), "should_be_left": len(wanted), "too_many": len(there - wanted),
        "missing": len(wanted - there), "keys_of_calls_that_the_disk_lost": len(keys - there),
    }  # fmt: skip
