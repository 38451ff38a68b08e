"""What is written of a call, and what is read of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.calls.events import RedactionEvent
from pipeline.record.entries import RecordState
from pipeline.record.reading import read_events, transcript, verified
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores
from pipeline.record.tables import calls, events, segments
from suggest.store.database import writing
from tests.record.helpers import begin, event, final, keys, sound, store, whole_call


def test_a_call_that_nobody_ended_is_closed_as_interrupted(tmp_path: Path) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    ciphers = opener.create([("r1", None)])
    records.write(
        [begin("r1"), event("r1", 1, final(0, "你好")), *(sound("r1", c, 0) for c in (0, 1))], ciphers
    )
    whole_call(records, opener, "r2", "多謝")
    records.close()
    again = store(tmp_path)
    assert again.interrupt() == ["r1"]
    assert again.interrupt() == []
    row = again.row("r1")
    assert row is not None
    assert row.state is RecordState.INTERRUPTED
    assert row.ended_at == 1.7e9 + 1.0
    assert row.expires_at == 1.7e9 + 101.0
    assert row.reason is None
    assert verified(again, opener.cipher("r1"), row).problems == ()


def test_stored_audio_is_what_all_channels_have(tmp_path: Path) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    ciphers = opener.create([("r1", None)])
    heard = []
    for entries in (
        [begin("r1")],
        [sound("r1", 0, 0), sound("r1", 1, 0)],
        [sound("r1", 0, 1)],
        [sound("r1", 1, 1), sound("r1", 1, 2)],
    ):
        records.write(entries, ciphers)
        row = records.row("r1")
        assert row is not None
        heard.append(row.audio)
    assert heard == [0, 16_000, 16_000, 32_000]


def test_what_is_hidden_late_does_not_stay_readable(tmp_path: Path) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    ciphers = opener.create([("r1", None)])
    records.write([begin("r1"), event("r1", 1, final(0, "九一二")), event("r1", 2, final(1, "係"))], ciphers)
    hidden = RedactionEvent(revision=1, final=final(0, "〔電話〕"))
    records.write([event("r1", 3, hidden)], ciphers)
    again = RedactionEvent(revision=2, final=final(0, "〔號碼〕"))
    records.write([event("r1", 4, again)], ciphers)
    found = list(read_events(records, ciphers["r1"], "r1"))
    assert [item.server_seq for item in found] == [2, 4]
    assert [item.text for item in transcript(found)] == ["〔號碼〕", "係"]
    row = records.row("r1")
    assert row is not None
    assert verified(records, ciphers["r1"], row).problems == ()


def _flip(connection: sa.Connection) -> None:
    body = connection.scalar(sa.select(segments.c.body).where(segments.c.channel == 1))
    assert body is not None
    changed = body[:-1] + bytes([body[-1] ^ 1])
    connection.execute(sa.update(segments).where(segments.c.channel == 1).values(body=changed))


def _swap(connection: sa.Connection) -> None:
    bodies: list[bytes] = list(connection.scalars(sa.select(segments.c.body).order_by(segments.c.channel)))
    first, second = bodies
    connection.execute(sa.update(segments).where(segments.c.channel == 0).values(body=second))
    connection.execute(sa.update(segments).where(segments.c.channel == 1).values(body=first))


def _cut(connection: sa.Connection) -> None:
    body = connection.scalar(sa.select(events.c.body).where(events.c.seq == 1))
    assert body is not None
    connection.execute(sa.update(events).where(events.c.seq == 1).values(body=body[:-5]))


def _drop_event(connection: sa.Connection) -> None:
    connection.execute(sa.delete(events).where(events.c.seq == 2))


def _drop_sound(connection: sa.Connection) -> None:
    connection.execute(sa.delete(segments).where(segments.c.channel == 0))


def _renumber(connection: sa.Connection) -> None:
    connection.execute(sa.update(events).where(events.c.seq == 2).values(seq=9))


def _rename(connection: sa.Connection) -> None:
    connection.execute(sa.update(events).where(events.c.seq == 2).values(kind="Ended"))


def _shorten(connection: sa.Connection) -> None:
    connection.execute(sa.update(segments).where(segments.c.channel == 0).values(length=7_999))


@pytest.mark.parametrize(
    "damage", [_flip, _swap, _cut, _drop_event, _drop_sound, _renumber, _rename, _shorten]
)
def test_damage_is_found(tmp_path: Path, damage: Callable[[sa.Connection], None]) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    whole_call(records, opener, "r1", "你好", "多謝")
    row = records.row("r1")
    assert row is not None
    assert verified(records, opener.cipher("r1"), row).problems == ()
    with writing(records.engine) as connection:
        damage(connection)
    assert verified(records, opener.cipher("r1"), row).problems


def test_a_call_of_another_cannot_take_its_place(tmp_path: Path) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    whole_call(records, opener, "r1", "你好")
    whole_call(records, opener, "r2", "再見")
    with writing(records.engine) as connection:
        other = connection.scalar(sa.select(events.c.body).where(events.c.record_id == "r2"))
        connection.execute(sa.update(events).where(events.c.record_id == "r1").values(body=other))
    row = records.row("r1")
    assert row is not None
    assert verified(records, opener.cipher("r1"), row).problems == ("event 1 is damaged",)


def test_a_row_without_a_key_is_told(tmp_path: Path) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    whole_call(records, opener, "r1", "你好")
    opener.destroy(["r1"])
    row = records.row("r1")
    assert row is not None
    assert verified(records, opener.cipher("r1"), row).problems == ("its key is gone",)


def test_one_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    ciphers = opener.create([("r1", None)])
    records.write([begin("r1"), event("r1", 1, final(0, "你好"))], ciphers)
    with pytest.raises(sa.exc.IntegrityError):
        records.write([event("r1", 2, final(1, "多謝")), begin("r1")], ciphers)
    with records.engine.connect() as connection:
        assert list(connection.scalars(sa.select(events.c.seq))) == [1]
        assert list(connection.scalars(sa.select(calls.c.events))) == [1]


def test_what_is_hidden_late_goes_also_where_the_disk_failed_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, opener = store(tmp_path), keys(tmp_path)
    ciphers = opener.create([("r1", None)])
    records.write([begin("r1"), event("r1", 1, final(0, "九一二三四五六七"))], ciphers)
    hidden = event("r1", 2, RedactionEvent(revision=1, final=final(0, "〔電話〕")))
    with monkeypatch.context() as patched:
        patched.setattr(RecordStore, "_add_up", _fails)
        with pytest.raises(OSError, match="disk"):
            records.write([hidden], ciphers)
    records.write([hidden], ciphers)
    assert [item.server_seq for item in read_events(records, ciphers["r1"], "r1")] == [2]


def _fails(*_arguments: object) -> None:
    raise OSError("disk")


@pytest.mark.parametrize("seed", range(12))
def test_a_log_that_was_torn_off_or_garbled_gives_a_beginning_of_the_call(tmp_path: Path, seed: int) -> None:
    rng, its = random.Random(seed), keys(tmp_path)
    live, ciphers = store(tmp_path), its.create([("one", None)])
    live.write([begin("one")], ciphers)
    live.empty_log()
    for number in range(30):
        live.write([event("one", number + 1, final(number, "句子" * 20)), sound("one", 0, number)], ciphers)
    after = tmp_path / "after" / "record"
    shutil.copytree(tmp_path / "record", after)  # as the disk has it, while the log is not in the file yet
    (log,) = after.rglob("record.db-wal")
    data = bytearray(log.read_bytes())
    assert len(data) > 100_000
    at = rng.randrange(40, len(data))
    if seed % 2:
        del data[at:]
    else:
        data[at : at + 512] = rng.randbytes(512)
    log.write_bytes(data)
    for shared in after.rglob("record.db-shm"):
        shared.unlink()
    found = RecordStores(after).of(None)
    row = found.row("one")
    assert row is not None
    assert verified(found, its.cipher("one"), row).problems == ()
    there = [kept.seq for kept in found.events("one")]
    assert there == list(range(1, len(there) + 1))
    assert len(there) < 30
    live.close()
