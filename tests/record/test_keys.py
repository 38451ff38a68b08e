"""Master keys, and the keys of calls under them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import SettingsError
from pipeline.record.ciphers import CallCipher, Damaged
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed, read_master_keys
from pipeline.record.tables import call_keys
from pipeline.sections.record import RecordSettings
from tests.record.helpers import MASTER, keys, masters, section


def test_a_call_is_opened_with_its_own_key_alone(tmp_path: Path) -> None:
    store = keys(tmp_path)
    made = store.create([("r1", None), ("r2", "bank")])
    sealed = made["r1"].seal_event(1, "Mark", b"words")
    found = store.cipher("r1")
    assert found is not None
    assert found.open_event(1, "Mark", sealed) == b"words"
    with pytest.raises(Damaged):
        made["r2"].open_event(1, "Mark", sealed)
    for seq, kind in ((2, "Mark"), (1, "Ended")):
        with pytest.raises(Damaged):
            found.open_event(seq, kind, sealed)


@pytest.mark.parametrize("place", [(0, 1, 0), (1, 0, 0), (0, 0, 1)])
def test_a_piece_of_sound_cannot_be_moved(place: tuple[int, int, int]) -> None:
    cipher = CallCipher("r1", bytes(32))
    sealed = cipher.seal_sound(0, 0, 0, b"sound")
    with pytest.raises(Damaged):
        cipher.open_sound(*place, sealed)


def test_every_bit_of_what_is_sealed_counts() -> None:
    cipher = CallCipher("r1", bytes(32))
    sealed = cipher.seal_sound(0, 0, 0, b"sound")
    for place in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(Damaged):
            cipher.open_sound(0, 0, 0, bytes(changed))
    for length in range(len(sealed)):
        with pytest.raises(Damaged):
            cipher.open_sound(0, 0, 0, sealed[:length])


def test_a_destroyed_key_is_gone_from_the_disk(tmp_path: Path) -> None:
    store = keys(tmp_path)
    store.create([(f"r{number}", None) for number in range(5)])
    with store._engine.connect() as connection:
        wrapped = connection.scalar(sa.select(call_keys.c.wrapped).where(call_keys.c.record_id == "r3"))
    assert wrapped is not None
    assert any(wrapped in path.read_bytes() for path in (tmp_path / "keys").iterdir())
    assert store.destroy(["r3", "r9"]) == 1
    assert store.cipher("r3") is None
    assert store.cipher("r2") is not None
    assert store.known() == {"r0", "r1", "r2", "r4"}
    for path in (tmp_path / "keys").iterdir():
        assert wrapped not in path.read_bytes(), path.name
    assert store.destroyed() == {"r3", "r9"}


def test_keys_are_wrapped_anew_and_an_interrupted_rotation_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.record.key_store.ROTATED_AT_ONCE", 3)
    store = keys(tmp_path)
    made = store.create([(f"r{number}", None) for number in range(8)])
    sealed = made["r5"].seal_event(1, "Mark", b"words")
    store.close()
    both = parsed(f"{MASTER}\n{new_line('newer')}", "record.key")
    store = KeyStore(tmp_path / "keys" / "keys.db", both)
    assert next(iter(store.rotate())) == 3  # killed here
    assert store.count_by_master() == {"test": 5, "newer": 3}
    assert list(store.rotate()) == [3, 5]
    assert store.count_by_master() == {"newer": 8}
    found = store.cipher("r5")
    assert found is not None
    assert found.open_event(1, "Mark", sealed) == b"words"


def test_a_master_key_that_is_missing_or_another_is_told(tmp_path: Path) -> None:
    keys(tmp_path).create([("r1", None)])
    with pytest.raises(SettingsError, match="'test', which was not given"):
        KeyStore(tmp_path / "keys" / "keys.db", parsed(new_line("other"), "record.key"))
    with pytest.raises(SettingsError, match="another key of that name"):
        KeyStore(tmp_path / "keys" / "keys.db", parsed(new_line("test"), "record.key"))


def test_companies_have_keys_of_their_own() -> None:
    found = masters()
    assert len({found.tenant_key("test", tenant) for tenant in (None, "bank", "telecom")}) == 3
    assert "test" in repr(found.newest)
    assert MASTER.partition(":")[2] not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "# nothing", "name", "name:AAAA", f"{MASTER}\n{MASTER}", MASTER.replace(":", ": ")]
)
def test_lines_that_are_no_keys_are_told_without_showing_them(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        parsed(text, "record.key")
    assert MASTER.partition(":")[2] not in str(error.value)


def test_keys_come_from_a_file_or_a_command(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text(f"# ours\n{MASTER}\n", "ascii")
    file.chmod(0o644)
    own = {key: value for key, value in section(tmp_path).items() if key != "key"}
    with pytest.raises(SettingsError, match="chmod 600"):
        read_master_keys(RecordSettings(**own, key_file=file))
    file.chmod(0o600)
    from_file = read_master_keys(RecordSettings(**own, key_file=file))
    from_command = read_master_keys(RecordSettings(**own, key_command=("cat", str(file))))
    assert from_file == from_command == masters()
    for command in (("false",), ("/no/such/program",)):
        with pytest.raises(SettingsError, match="key_command"):
            read_master_keys(RecordSettings(**own, key_command=command))
    with pytest.raises(SettingsError, match="key_file"):
        read_master_keys(RecordSettings(**own, key_file=tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": None}, "new-key"),
        ({"classes": {}}, "record.classes"),
        ({"key_command": ("cat",)}, "one of"),
    ],
)
def test_a_record_without_keys_or_classes_is_refused(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        RecordSettings(**{**section(tmp_path), **changed})
