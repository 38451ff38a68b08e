"""The sound of finished calls as Opus: as long as it was, as it sounded, and where it belongs."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import sqlalchemy as sa

from pipeline.audio.codecs import decoded, mulaw_encoded
from pipeline.calls.info import Codec
from pipeline.record import opus
from pipeline.record.archive import Archive
from pipeline.record.entries import SoundEntry
from pipeline.record.key_store import KeyStore
from pipeline.record.mixing import interleaved
from pipeline.record.packing import Packer
from pipeline.record.reading import opened_sound, verified
from pipeline.record.store import RecordStore
from pipeline.record.tables import segments
from tests.audio import CALL
from tests.record.helpers import begin, ended, keys, store

RATE = 8_000
AGO = 1.7e9 + 100


def _spoken(seconds: float) -> np.ndarray:
    read, _rate = sf.read(CALL, dtype="float32")
    return np.resize(read[:, 0], int(seconds * RATE)).astype(np.float32)


def _written(to: RecordStore, with_keys: KeyStore, name: str, seconds: int) -> dict[int, bytes]:
    """Write a call of two channels in pieces of two seconds; return what is on each channel."""
    ciphers = with_keys.create([(name, None)])
    whole = {0: mulaw_encoded(_spoken(seconds)), 1: mulaw_encoded(np.zeros(seconds * RATE, np.float32))}
    size = 2 * RATE
    pieces = [
        SoundEntry(
            record_id=name, channel=channel, number=number, start=number * size,
            data=data[number * size : (number + 1) * size], settled=(number + 1) * size * 2,
        )
        for number in range(-(-seconds // 2)) for channel, data in whole.items()
    ]  # fmt: skip
    to.write([begin(name), *pieces, ended(name)], ciphers)
    return whole


def _heard(of: RecordStore, with_keys: KeyStore, name: str, channel: int) -> bytes:
    cipher = with_keys.cipher(name)
    assert cipher is not None
    return b"".join(opened_sound(cipher, piece).data for piece in of.sound(name, channel))


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("samples", [1, 160, 7_777, 480_000])
def test_as_many_samples_come_back(rate: int, samples: int) -> None:
    mulaw = mulaw_encoded(_spoken(samples / RATE))
    assert len(opus.unpacked(opus.packed(mulaw, rate))) == samples


def test_what_is_no_opus_is_told() -> None:
    with pytest.raises(ValueError, match="Opus"):
        opus.unpacked(b"nothing of the kind")


def test_a_finished_call_is_packed_and_sounds_the_same(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    before = _written(where, its, "one", 131)
    packer = Packer(where, its, threading.Event())
    assert packer.step(AGO) == 1
    assert packer.step(AGO) == 0
    row = where.row("one")
    assert row is not None
    found = verified(where, its.cipher("one"), row)
    assert found.problems == ()
    assert found.pieces == 2 * 3  # minutes
    for channel, mulaw in before.items():
        heard = _heard(where, its, "one", channel)
        assert len(heard) == len(mulaw)
        was, now = (decoded(data, Codec.MULAW) for data in (mulaw, heard))
        if channel == 0:
            assert np.corrcoef(was, now)[0, 1] > 0.98
        else:
            assert not now.any()  # silence stays silence, to the last bit
    assert sum(len(piece.body) for piece in where.sound("one", 0)) < len(before[0]) / 2


def test_live_and_new_calls_are_left_alone(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    where.write([begin("live")], its.create([("live", None)]))
    _written(where, its, "new", 4)
    assert Packer(where, its, threading.Event()).step(1.7e9) == 0
    assert {piece.codec for piece in where.sound("new", 0)} == {"mulaw"}


def test_a_damaged_call_stays_as_it_is_and_holds_up_no_other(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    for name in ("bad", "good"):
        _written(where, its, name, 4)
    with where.engine.begin() as connection:
        connection.execute(sa.update(segments).where(segments.c.record_id == "bad").values(body=b"x" * 40))
    packer = Packer(where, its, threading.Event())
    assert packer.step(AGO) == 2
    assert packer.step(AGO) == 0
    assert {piece.codec for piece in where.sound("bad", 0)} == {"mulaw"}
    assert {piece.codec for piece in where.sound("good", 0)} == {"opus"}


def test_a_packer_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    before = _written(where, its, "one", 10)
    stopping = threading.Event()
    stopping.set()
    assert Packer(where, its, stopping).step(AGO) == 0
    assert _heard(where, its, "one", 0) == before[0]
    stopping.clear()
    assert Packer(where, its, stopping).step(AGO) == 1
    assert {piece.codec for piece in where.sound("one", 1)} == {"opus"}


def test_a_call_whose_key_is_gone_is_not_touched(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    _written(where, its, "one", 4)
    its.destroy(["one"])
    assert Packer(where, its, threading.Event()).step(AGO) == 1
    assert {piece.codec for piece in where.sound("one", 0)} == {"mulaw"}


def test_packed_sound_cannot_be_moved_or_read_as_something_else(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    _written(where, its, "one", 4)
    Packer(where, its, threading.Event()).step(AGO)
    with where.engine.begin() as connection:
        connection.execute(sa.update(segments).where(segments.c.channel == 0).values(codec="mulaw"))
    row = where.row("one")
    assert row is not None
    assert verified(where, its.cipher("one"), row).problems == ("piece 0 of channel 0 is damaged",)


@pytest.mark.parametrize("first", [0, 1, 15_999, 16_000, 60 * RATE - 1, 60 * RATE, 100 * RATE + 7])
def test_sound_is_read_from_any_sample_on(tmp_path: Path, first: int) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    before = _written(where, its, "one", 131)
    archive, row = Archive(None, where, its), where.row("one")
    assert row is not None
    for packed in (False, True):
        if packed:
            Packer(where, its, threading.Event()).step(AGO)
        begun = [archive.sound(row, channel, first) for channel in (0, 1)]
        pieces = list(interleaved(begun, first))
        assert pieces[0][0] == first
        assert sum(len(data) for _at, data in pieces) == 2 * (len(before[0]) - first)
        if not packed:
            assert b"".join(data[::2] for _at, data in pieces) == before[0][first:]


def test_sound_behind_the_end_is_nothing(tmp_path: Path) -> None:
    where, its = store(tmp_path), keys(tmp_path)
    before = _written(where, its, "one", 4)
    row = where.row("one")
    assert row is not None
    assert list(Archive(None, where, its).sound(row, 0, len(before[0]))) == []
