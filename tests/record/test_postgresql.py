"""The record in PostgreSQL: the same, a schema for each company."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.calls.events import RedactionEvent
from pipeline.calls.overview import CallFilter
from pipeline.errors import SettingsError
from pipeline.record.archive import Archive
from pipeline.record.erasing import Eraser
from pipeline.record.indexing import Indexer
from pipeline.record.key_store import KeyStore
from pipeline.record.ownership import RecordLock
from pipeline.record.reading import read_events, transcript, verified
from pipeline.record.search import SearchWanted
from pipeline.record.stores import RecordStores, schema_of, tenant_of
from tests.integration.helpers import chunks, demo_bytes, end, finals, running, settings, start, talk
from tests.record.helpers import event, final, masters, profile, section, whole_call


def database_in(server: str) -> str:
    """Make a database of our own; return its URL."""
    name = f"t{uuid.uuid4().hex}"
    address = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def url(postgresql: str) -> str:
    """A database of our own."""
    return database_in(postgresql)


async def test_calls_of_a_server_are_kept_there(url: str, tmp_path: Path) -> None:
    chosen = settings(record=section(tmp_path, store=url), profiles=profile())
    async with running(chosen) as run:
        messages = await talk(run, [start(), *chunks(demo_bytes(12)), end()])
    stores, opener = (
        RecordStores(tmp_path / "record", url),
        KeyStore(tmp_path / "keys" / "keys.db", masters()),
    )
    assert stores.tenants() == [None]
    (row,) = stores.of(None).rows()
    cipher = opener.cipher(row.record_id)
    assert cipher is not None
    found = transcript(read_events(stores.of(None), cipher, row.record_id))
    assert [item.text for item in found] == [item.text for item in finals(messages)]
    assert verified(stores.of(None), cipher, row).problems == ()
    assert not list((tmp_path / "record").rglob("record.db"))
    stores.close()
    opener.close()


def test_everything_works_as_in_a_file(url: str, tmp_path: Path) -> None:
    stores, opener = RecordStores(tmp_path / "record", url), KeyStore(database_in(url), masters())
    records = stores.of("bank")
    whole_call(records, opener, "r1", "我要投訴", "多謝")
    whole_call(records, opener, "r2", "我要投訴")
    whole_call(stores.of("telecom"), opener, "r3", "我要投訴")
    assert stores.tenants() == ["bank", "telecom"]
    hidden = RedactionEvent(revision=1, final=final(1, "〔姓名〕"))
    records.write([event("r1", 3, hidden)], opener.ciphers(["r1"]))
    indexer = Indexer(records, opener, "bank")
    assert indexer.step() > 0
    archive = Archive("bank", records, opener)
    found = archive.search(indexer.index, SearchWanted(text="投訴"), 10)
    assert {hit.row.record_id for hit in found} == {"r1", "r2"}
    assert [row.record_id for row in archive.rows(CallFilter(), limit=1)] == ["r2"]
    eraser = Eraser("bank", records, opener, indexer.forget, lambda: 1.7e9 + 1_000)
    held = eraser.hold(["r2"], "case", "officer")
    assert eraser.request(["r1", "r2"], "officer").held == ("r2",)
    eraser.remove(eraser.lock_out())
    assert {row.record_id for row in records.rows()} == {"r2"}
    assert opener.cipher("r1") is None
    eraser.release(held)
    assert eraser.mark_restored() == 0
    assert stores.of("telecom").row("r3") is not None
    stores.close()
    opener.close()


def test_one_server_writes_a_database(url: str, tmp_path: Path) -> None:
    first = RecordLock(tmp_path / "a", url)
    with pytest.raises(SettingsError, match="another server"):
        RecordLock(tmp_path / "b", url)
    first.release()
    RecordLock(tmp_path / "b", url).release()


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    stores = RecordStores(tmp_path, "postgresql://nobody:secret@127.0.0.1:1/nothing")
    with pytest.raises(SettingsError, match=r"record\.store") as error:
        stores.of(None)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("tenant", [None, "bank", "Bank-1", "a_b", "銀行", "..", "record"])
def test_every_company_has_a_schema_of_its_own(tenant: str | None) -> None:
    name = schema_of(tenant)
    assert tenant_of(name) == tenant
    assert name == "record" or name.startswith("record_")
    with pytest.raises(SettingsError, match="too long"):
        schema_of("銀" * 20)
