"""Holds, retention, erasure, and backups that bring calls back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import InvalidRequest, UnknownErasure, UnknownHold
from pipeline.quality.reviews import Reviews, Stratum
from pipeline.record.entries import CutSoundEntry, Resolution
from pipeline.record.erasing import Eraser, Why
from pipeline.record.key_store import KeyStore, original_key
from pipeline.record.originals import OriginalRequests
from pipeline.record.store import RecordStore
from pipeline.record.tables import erasures, holds, metadata
from pipeline.record.wrapping import WrapUp, save, save_wording
from tests.record.helpers import begin, keys, store, whole_call

NOW = 1.7e9 + 1_000


class Erasing:
    """An eraser, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: RecordStore = store(folder)
        self.opener: KeyStore = keys(folder)
        self.now = NOW
        self.unindexed: list[str] = []
        self.eraser = Eraser(None, self.records, self.opener, self.unindexed.extend, lambda: self.now)

    def call(self, record_id: str, *said: str, keep_s: float = 1e6, **more: float) -> None:
        whole_call(self.records, self.opener, record_id, *said, keep_s=keep_s, **more)

    def finish(self) -> int:
        done = 0
        while rows := self.eraser.lock_out():
            self.eraser.remove(rows)
            done += len(rows)
        return done

    @property
    def there(self) -> list[str]:
        return sorted(row.record_id for row in self.records.rows())

    def close(self) -> None:
        self.records.close()
        self.opener.close()


@pytest.fixture
def erasing(tmp_path: Path) -> Erasing:
    return Erasing(tmp_path)


def test_no_table_has_a_row_of_an_erased_call(erasing: Erasing) -> None:
    """Also of tables that will come: whatever has a record id is emptied, but for the tombstones."""
    erasing.call("r1", "你好")
    cipher = erasing.opener.cipher("r1")
    assert cipher is not None
    save(erasing.records, cipher, "r1", WrapUp(resolution=Resolution.RESOLVED, note="好"), "mary")
    save_wording(erasing.records, cipher, "r1", [("客戶問好。", ["0-0"])])
    erasing.eraser.hold(["r1"], "case 1", "officer")
    OriginalRequests(erasing.records).ask("r1", "case 1", "amy")
    Reviews(erasing.records, 1.0).draw(["r1"], "service", Stratum.RANDOM, "amy")
    cut = CutSoundEntry(record_id="r1", channel=0, number=0, start=0, data=b"x")
    erasing.records.write([cut], erasing.opener.create([(original_key("r1"), None)]))
    tables = [
        table for table in metadata.sorted_tables if "record_id" in table.c and table.name != "erasures"
    ]

    def left() -> set[str]:
        with erasing.records.engine.connect() as connection:
            return {
                table.name
                for table in tables
                if connection.execute(sa.select(table).where(table.c.record_id == "r1")).first()
            }

    assert left() == {table.name for table in tables}  # or this test would prove nothing of a new one
    with erasing.records.engine.begin() as connection:
        connection.execute(sa.update(holds).values(released_at=1.0))
    erasing.eraser.request(["r1"], "officer")
    assert erasing.finish() == 1
    assert left() == set()


def test_nothing_of_an_erased_call_is_left(erasing: Erasing) -> None:
    erasing.call("r1", "你好")
    erasing.call("r2", "多謝")
    asked = erasing.eraser.request(["r1", "nobody"], "officer")
    assert (asked.waiting, asked.held) == (("r1",), ("nobody",))
    assert erasing.finish() == 1
    assert erasing.there == ["r2"]
    assert erasing.unindexed == ["r1"]
    assert erasing.opener.cipher("r1") is None
    receipt = erasing.eraser.receipt(asked.id)
    assert (receipt.erased, receipt.waiting, receipt.why) == (("r1",), (), Why.REQUEST)
    with pytest.raises(UnknownErasure):
        erasing.eraser.receipt("other")


def test_a_held_call_stays_until_it_is_released(erasing: Erasing) -> None:
    erasing.call("r1", "你好", keep_s=10.0)
    name = erasing.eraser.hold(["r1"], "case 14", "officer")
    other = erasing.eraser.hold(["r1"], "case 15", "officer")
    row = erasing.records.row("r1")
    assert row is not None
    assert row.held
    assert erasing.eraser.request(["r1"], "officer").held == ("r1",)
    assert erasing.eraser.expired() is None
    assert erasing.eraser.release(name) == 1
    assert erasing.eraser.expired() is None
    erasing.eraser.release(other)
    with pytest.raises(UnknownHold):
        erasing.eraser.release(name)
    due = erasing.eraser.expired()
    assert due is not None
    assert due.waiting == ("r1",)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_a_hold_says_why(erasing: Erasing, reason: str) -> None:
    erasing.call("r1", "你好")
    with pytest.raises(InvalidRequest):
        erasing.eraser.hold(["r1"], reason, "officer")


def test_what_the_law_keeps_cannot_be_erased_before(erasing: Erasing) -> None:
    erasing.call("r1", "買一百股", least_s=5_000.0)
    assert erasing.eraser.request(["r1"], "officer").held == ("r1",)
    erasing.now += 5_000
    assert erasing.eraser.request(["r1"], "officer").waiting == ("r1",)


def test_calls_go_when_their_time_has_come(erasing: Erasing) -> None:
    erasing.call("r1", "你好", keep_s=900.0)
    erasing.call("r2", "你好", keep_s=1_000.0)
    due = erasing.eraser.expired()
    assert due is not None
    assert due.waiting == ("r1",)
    erasing.finish()
    assert erasing.eraser.expired() is None
    erasing.now += 100
    assert erasing.eraser.expired() is not None
    assert erasing.finish() == 1
    assert erasing.there == []


def test_a_live_call_is_never_erased(erasing: Erasing) -> None:
    ciphers = erasing.opener.create([("r1", None)])
    erasing.records.write([begin("r1", keep_s=0.0)], ciphers)
    assert erasing.eraser.expired() is None
    assert erasing.eraser.request(["r1"], "officer").held == ("r1",)


def test_who_is_killed_in_between_goes_on(erasing: Erasing) -> None:
    erasing.call("r1", "你好")
    asked = erasing.eraser.request(["r1"], "officer")
    assert erasing.eraser.lock_out()  # and killed here
    erasing.close()
    again = Erasing(erasing.folder)
    assert again.eraser.receipt(asked.id).waiting == ("r1",)
    assert again.finish() == 1
    assert again.eraser.receipt(asked.id).erased == ("r1",)


def test_a_restored_record_is_erased_again(erasing: Erasing, tmp_path: Path) -> None:
    erasing.call("r1", "你好")
    erasing.call("r2", "多謝")
    erasing.records.empty_log()
    shutil.copytree(tmp_path / "record", tmp_path / "backup")
    erasing.eraser.request(["r1"], "officer")
    erasing.finish()
    erasing.close()
    shutil.rmtree(tmp_path / "record")
    shutil.copytree(tmp_path / "backup", tmp_path / "record")
    again = Erasing(tmp_path)
    assert again.there == ["r1", "r2"]
    assert again.opener.cipher("r1") is None
    assert again.eraser.mark_restored() == 1
    assert again.eraser.mark_restored() == 0
    assert again.finish() == 1
    assert again.there == ["r2"]


def test_a_key_that_is_only_missing_erases_nothing(erasing: Erasing, tmp_path: Path) -> None:
    erasing.call("r1", "你好")
    erasing.close()
    (tmp_path / "keys").rename(tmp_path / "not-mounted")
    again = Erasing(tmp_path)
    assert again.opener.cipher("r1") is None
    assert again.eraser.mark_restored() == 0
    assert again.there == ["r1"]


def test_a_restored_key_is_destroyed_again_by_the_tombstone(erasing: Erasing, tmp_path: Path) -> None:
    erasing.call("r1", "你好")
    erasing.opener.close()
    shutil.copytree(tmp_path / "keys", tmp_path / "old-keys")
    erasing = Erasing(tmp_path)
    erasing.eraser.request(["r1"], "officer")
    erasing.finish()
    erasing.close()
    shutil.rmtree(tmp_path / "keys")
    shutil.copytree(tmp_path / "old-keys", tmp_path / "keys")
    again = Erasing(tmp_path)
    assert again.opener.cipher("r1") is not None
    assert again.eraser.forget_keys_of_erased() == 1
    assert again.opener.cipher("r1") is None


def test_tombstones_hold_no_word(erasing: Erasing) -> None:
    erasing.call("r1", "你好")
    erasing.eraser.request(["r1"], "officer")
    erasing.finish()
    with erasing.records.engine.connect() as connection:
        (row,) = connection.execute(sa.select(erasures)).all()
    assert set(row._mapping) == {
        "n", "id", "record_id", "call_id", "why", "asked_by", "asked_at", "done_at",
    }  # fmt: skip
