"""What was hidden of calls: kept apart, read by two people together, forgotten first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from cantonese.personal import Category, PersonalSpan, Style
from pipeline.calls.events import Envelope, RedactionEvent
from pipeline.errors import InvalidRequest, PermissionDenied, UnknownOriginalRequest
from pipeline.record.ciphers import Damaged
from pipeline.record.entries import CutSoundEntry, RecordEntry
from pipeline.record.erasing import Eraser
from pipeline.record.key_store import KeyStore, original_key
from pipeline.record.originals import ANSWERED_S, OriginalRequests, restored
from pipeline.record.reading import SoundPiece, cut_sound, original_events, verified
from pipeline.record.store import RecordStore
from pipeline.record.tables import originals
from pipeline.redaction.holding import cut_out
from pipeline.redaction.masking import redacted_text
from pipeline.redaction.views import original
from tests.record.helpers import begin, ended, event, final, keys, masters, sound, store

CUT = b"\x11" * 800


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordStore]:
    opened = store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[KeyStore]:
    opened = keys(tmp_path)
    yield opened
    opened.close()


def _written(records: RecordStore, opener: KeyStore, record_id: str = "r1", original_s: float = 50.0) -> None:
    """Write a call of one final, of which something was hidden, and with sound that was cut."""
    told, hidden = (
        event(record_id, 1, final(0, "我電話係[電話]")),
        event(record_id, 1, final(0, "我電話係98765432")),
    )
    entries: list[RecordEntry] = [
        begin(record_id, original_s=original_s),
        type(told)(record_id=record_id, envelope=told.envelope, size=1, original=hidden.envelope),
        sound(record_id, 0, 0),
        CutSoundEntry(record_id=record_id, channel=0, number=0, start=4_000, data=CUT),
        ended(record_id, at=1_000.0),
    ]
    records.write(entries, opener.create([(record_id, None), (original_key(record_id), None)]))


def test_what_was_hidden_lies_under_a_key_of_its_own(
    records: RecordStore, opener: KeyStore, tmp_path: Path
) -> None:
    _written(records, opener)
    everybody, other = opener.cipher("r1"), opener.cipher(original_key("r1"))
    assert everybody is not None
    assert other is not None
    (read,) = original_events(records, other, "r1").values()
    assert read.event.text == "我電話係98765432"  # type: ignore[union-attr]
    assert [(piece.start, piece.data) for piece in cut_sound(records, other, "r1", 0)] == [(4_000, CUT)]
    assert list(cut_sound(records, other, "r1", 1)) == []
    with pytest.raises(Damaged):
        original_events(records, everybody, "r1")
    assert b"98765432" not in b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_damage_is_told(records: RecordStore, opener: KeyStore) -> None:
    _written(records, opener)
    row, cipher, other = records.row("r1"), opener.cipher("r1"), opener.cipher(original_key("r1"))
    assert row is not None
    assert verified(records, cipher, row, other).problems == ()
    with records.engine.begin() as connection:
        connection.execute(sa.update(originals).values(body=b"\x00" * 40))
    assert verified(records, cipher, row, other).problems == ("what was hidden of it is damaged",)


def test_what_is_hidden_anew_takes_the_place_of_what_was_kept(records: RecordStore, opener: KeyStore) -> None:
    """A code that is known late must not stay readable, not even for two people."""
    _written(records, opener)
    ciphers = {name: cipher for name in ("r1", original_key("r1")) if (cipher := opener.cipher(name))}
    records._finals["r1"] = {"0-0": 1}  # the call of this test has ended already
    records.write([event("r1", 2, final(0, "我電話係[密碼]"))], ciphers)
    assert original_events(records, ciphers[original_key("r1")], "r1") == {}


def test_it_is_forgotten_before_the_call_and_the_key_goes_first(
    records: RecordStore, opener: KeyStore
) -> None:
    _written(records, opener)
    now = 1_049.0
    eraser = Eraser(None, records, opener, lambda _names: None, lambda: now)
    assert eraser.forget_originals() == 0
    now = 1_050.0
    hold = eraser.hold(["r1"], "case 1", "officer")
    assert eraser.forget_originals() == 0
    eraser.release(hold)
    assert eraser.forget_originals() == 1
    assert opener.cipher(original_key("r1")) is None
    assert opener.cipher("r1") is not None
    with records.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(originals)) == 0
    row = records.row("r1")
    assert row is not None
    assert row.original_until is None
    assert eraser.forget_originals() == 0


def test_erasing_a_call_destroys_both_keys(records: RecordStore, opener: KeyStore) -> None:
    _written(records, opener)
    eraser = Eraser(None, records, opener, lambda _names: None)
    eraser.request(["r1"], "officer")
    eraser.remove(eraser.lock_out())
    assert opener.cipher(original_key("r1")) is None
    assert opener.destroyed() == {"r1"}
    assert opener.known() == set()


def test_keys_that_a_backup_brings_back_are_destroyed_again(
    records: RecordStore, opener: KeyStore, tmp_path: Path
) -> None:
    for name in ("erased", "past", "kept"):
        _written(records, opener, name, original_s=50.0 if name != "kept" else 1e9)
    copy = tmp_path / "old.db"
    with sqlite3.connect(tmp_path / "keys" / "keys.db") as live, sqlite3.connect(copy) as backup:
        live.backup(backup)
    eraser = Eraser(None, records, opener, lambda _names: None, lambda: 5_000.0)
    assert eraser.forget_originals() == 2
    eraser.request(["erased"], "officer")
    eraser.remove(eraser.lock_out())
    restored_keys = KeyStore(copy, masters())
    again = Eraser(None, records, restored_keys, lambda _names: None)
    assert again.forget_keys_of_erased() == 3
    assert restored_keys.known() == {"past", "kept"}
    assert restored_keys.with_original() == {"kept"}
    restored_keys.close()


def test_nobody_reads_alone(records: RecordStore, opener: KeyStore) -> None:
    _written(records, opener)
    now = 2_000.0
    requests = OriginalRequests(records, lambda: now)
    asked = requests.ask("r1", " case 7 ", "amy")
    assert [(one.id, one.reason) for one in requests.waiting()] == [(asked.id, "case 7")]
    for reader in ("amy", "officer"):
        with pytest.raises(PermissionDenied):
            requests.check("r1", reader)
    with pytest.raises(PermissionDenied):
        requests.decide(asked.id, "amy", 3_000.0)
    requests.decide(asked.id, "officer", 3_000.0)
    assert requests.check("r1", "amy").decided_by == "officer"
    assert requests.waiting() == []
    for record_id, reader in (("r1", "officer"), ("r1", "bob"), ("r2", "amy")):
        with pytest.raises(PermissionDenied):
            requests.check(record_id, reader)
    with pytest.raises(UnknownOriginalRequest):
        requests.decide(asked.id, "bob", None)
    now = 3_000.0
    with pytest.raises(PermissionDenied):
        requests.check("r1", "amy")


def test_a_refused_or_an_old_request_lets_nobody_read(records: RecordStore, opener: KeyStore) -> None:
    _written(records, opener)
    now = 2_000.0
    requests = OriginalRequests(records, lambda: now)
    refused = requests.ask("r1", "case 7", "amy")
    requests.decide(refused.id, "officer", None)
    with pytest.raises(PermissionDenied):
        requests.check("r1", "amy")
    requests.ask("r1", "case 8", "amy")
    now += ANSWERED_S
    assert requests.waiting() == []
    with pytest.raises(InvalidRequest):
        requests.ask("r1", "", "amy")


def _guarded(*spans: PersonalSpan) -> Envelope:
    """Return a final of which spans are hidden, as the guard makes it."""
    said = replace(final(0, ""), verbatim="打98765432搵我")
    redacted = redacted_text(said, spans, Style.CATEGORY)
    return Envelope(
        call_id="c", server_seq=1, acked=0, event=replace(said, personal=spans, redacted=redacted)
    )


def _kept(*spans: PersonalSpan) -> str | None:
    found = original(_guarded(*spans))
    return None if found is None else found.event.text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "category",
    [
        Category.CARD, Category.SECURITY_CODE, Category.ONE_TIME_CODE, Category.PASSWORD, Category.SENSITIVE,
        Category.NUMBER,
    ],
)  # fmt: skip
def test_cards_codes_and_what_may_be_one_are_never_kept(category: Category) -> None:
    assert _kept(PersonalSpan(1, 9, category)) is None
    beside = _kept(PersonalSpan(1, 9, category), PersonalSpan(9, 11, Category.NAME))
    assert beside is not None
    assert "98765432" not in beside
    assert beside.endswith("搵我")


def test_what_is_certain_is_kept_and_what_may_become_a_card_is_not() -> None:
    assert _kept(PersonalSpan(1, 9, Category.PHONE)) == "打98765432搵我"
    assert _kept(PersonalSpan(1, 9, Category.PHONE, provisional=True)) is None
    assert original(_guarded()) is None
    told = RedactionEvent(revision=1, final=_guarded(PersonalSpan(1, 9, Category.PHONE)).event)  # type: ignore[arg-type]
    found = original(Envelope(call_id="c", server_seq=2, acked=0, event=told))
    assert found is not None
    assert found.event.final.text == "打98765432搵我"  # type: ignore[union-attr]


def test_cut_sound_is_put_back_where_it_was() -> None:
    pieces = [SoundPiece(channel=0, start=start, data=b"\xff" * 10) for start in (0, 10, 20)]
    cuts = [SoundPiece(channel=0, start=8, data=b"abcd"), SoundPiece(channel=0, start=29, data=b"z")]
    whole = b"".join(piece.data for piece in restored(iter(pieces), cuts))
    assert whole == b"\xff" * 8 + b"abcd" + b"\xff" * 17 + b"z"


def test_only_sound_in_the_stretches_is_kept_once() -> None:
    pcm = np.arange(1, 101, dtype=np.float32)
    pcm[40:50] = 0.0
    cuts = cut_out(pcm, 1_000, [(1_005, 1_010), (1_008, 1_012), (1_040, 1_050), (990, 1_001), (1_099, 2_000)])
    assert [(start, len(part), float(part[0])) for start, part in cuts] == [
        (1_000, 1, 1.0), (1_005, 5, 6.0), (1_010, 2, 11.0), (1_099, 1, 100.0),
    ]  # fmt: skip
