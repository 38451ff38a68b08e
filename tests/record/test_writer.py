"""The writer, on disks that stall, fill up and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.record.entries import CloseRecord, RecordEntry
from pipeline.record.reading import verified
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores, folder_of
from pipeline.record.writer import RecordWriter
from tests.record.helpers import begin, ended, event, final, keys, sound


@asynccontextmanager
async def writer_in(folder: Path, most_bytes: int = 10_000_000) -> AsyncIterator[RecordWriter]:
    stores, opener = RecordStores(folder / "record"), keys(folder)
    writer = RecordWriter(stores, opener, most_bytes)
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.close)
        stores.close()
        opener.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.01)


def put(writer: RecordWriter, entry: RecordEntry, done: list[RecordEntry], tenant: str | None = None) -> bool:
    return writer.put(tenant, entry, lambda: done.append(entry))


async def test_what_is_told_to_be_on_disk_is_there(tmp_path: Path) -> None:
    done: list[RecordEntry] = []
    async with writer_in(tmp_path) as writer:
        entries: list[RecordEntry] = [
            begin("r1"),
            *(event("r1", n + 1, final(n, "好")) for n in range(50)),
            ended("r1"),
        ]
        assert all(put(writer, entry, done) for entry in [*entries, CloseRecord(record_id="r1")])
        await until(lambda: len(done) == len(entries) + 1)
        assert writer.waiting_bytes == 0
    records = RecordStores(tmp_path / "record").of(None)
    row = records.row("r1")
    assert row is not None
    assert row.utterances == 50
    assert verified(records, keys(tmp_path).cipher("r1"), row).problems == ()


def _full(store: RecordStore, pages: int | None) -> None:
    """Let the database grow no further: what SQLite then says is what it says of a full disk."""

    def limit(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages or 4_294_967_294}")  # type: ignore[attr-defined]

    sa.event.listen(store.engine, "connect", limit)
    store.engine.dispose()


async def test_a_full_disk_loses_nothing_that_fits_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.record.writer.RETRY_S", (0.02,))
    done: list[RecordEntry] = []
    async with writer_in(tmp_path) as writer:
        put(writer, begin("r1"), done)
        await until(lambda: len(done) == 1)
        store = writer._stores.of(None)
        _full(store, 40)
        for number in range(20):
            put(writer, sound("r1", 0, number), done)
        await until(lambda: writer.state.failing)
        before = len(done)
        put(writer, event("r1", 1, final(0, "電話九一二三四五六七")), done)
        await asyncio.sleep(0.1)
        assert len(done) == before
        _full(store, None)
        await until(lambda: len(done) == 22)
        assert not writer.state.failing
        assert writer.state.lost == 0
    told = capsys.readouterr()
    assert "full" in told.out
    assert "九一二" not in told.out + told.err


async def test_beyond_its_memory_it_takes_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = True
    real = RecordStore.write

    def write(self: RecordStore, *args: object, **how: object) -> None:
        if failing:
            raise sa.exc.OperationalError("insert", {}, Exception("disk I/O error"))
        real(self, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline.record.writer.RETRY_S", (0.02,))
    monkeypatch.setattr(RecordStore, "write", write)
    done: list[RecordEntry] = []
    async with writer_in(tmp_path, most_bytes=30_000) as writer:
        put(writer, begin("r1"), done)
        taken = [put(writer, sound("r1", 0, number), done) for number in range(10)]
        assert 0 < sum(taken) < 10
        assert writer.state.lost == 10 - sum(taken)
        assert put(writer, ended("r1"), done)
        failing = False
        await until(lambda: len(done) == 2 + sum(taken))


async def test_one_entry_that_cannot_be_written_stops_no_other(tmp_path: Path) -> None:
    done: list[RecordEntry] = []
    async with writer_in(tmp_path) as writer:
        bad = event("nobody", 1, final(0, "好"))  # of a call that never began
        failed: list[RecordEntry] = []
        for entry in (begin("r1"), bad, event("r1", 1, final(0, "好"))):
            writer.put(None, entry, partial(done.append, entry), partial(failed.append, entry))
        await until(lambda: len(done) == 2)
        assert failed == [bad]
        assert writer.state.lost == 1


async def test_a_company_whose_disk_fails_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RecordStore.write

    def write(self: RecordStore, *args: object, **how: object) -> None:
        if self.folder.name == "broken":
            raise sa.exc.OperationalError("insert", {}, Exception("disk I/O error"))
        real(self, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordStore, "write", write)
    monkeypatch.setattr("pipeline.record.writer.RETRY_S", (0.02,))
    done: list[RecordEntry] = []
    async with writer_in(tmp_path) as writer:
        put(writer, begin("r1"), done, "broken")
        put(writer, begin("r2"), done, "bank")
        await until(lambda: len(done) == 1)


@pytest.mark.parametrize("tenant", ["bank", "_", "..", "../../etc", "a/b", ".hidden", "銀行", "%5F", " "])
def test_whatever_a_company_is_called_its_folder_is_its_own(tmp_path: Path, tenant: str) -> None:
    folder = folder_of(tmp_path, tenant)
    assert folder.parent == tmp_path
    assert folder != folder_of(tmp_path, None)
    folder.mkdir()
    assert RecordStores(tmp_path).tenants() == [tenant]


async def test_a_disk_that_fails_beside_a_bad_entry_loses_no_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries are then written one by one, and the disk fails in the middle of them."""
    monkeypatch.setattr("pipeline.record.writer.RETRY_S", (0.02,))
    real, attempts = RecordStore.write, 0

    def write(self: RecordStore, *args: object, **how: object) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 4:
            raise sa.exc.OperationalError("insert", {}, Exception("disk I/O error"))
        real(self, *args, **how)  # type: ignore[arg-type]

    done: list[RecordEntry] = []
    async with writer_in(tmp_path) as writer:
        put(writer, begin("r1"), done)
        await until(lambda: len(done) == 1)
        monkeypatch.setattr(RecordStore, "write", write)
        with writer._changed:
            bad = event("nobody", 1, final(0, "好"))
            for entry in (event("r1", 1, final(0, "好")), bad, event("r1", 2, final(1, "好")), ended("r1")):
                put(writer, entry, done)
        await until(lambda: len(done) == 4)
        assert bad not in done
        assert writer.state.lost == 1
    row = RecordStores(tmp_path / "record").of(None).row("r1")
    assert row is not None
    assert row.utterances == 2
