"""``yuetone record``: from the making of a key to the restoring of a backup, as an operator does it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import docx
import pytest
import soundfile as sf

from pipeline.record.erasing import Eraser
from pipeline.record.master_keys import parsed
from pipeline.record.stores import RecordStores
from tests.audio import CALL
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import chunks, demo_bytes, end, kept, running, settings, start, talk
from tests.processes import run_program
from tests.record.helpers import MASTER, keys, profile, section, store, whole_call

SAID = "我要投訴你哋間公司"


def run(*arguments: object) -> str:
    done = run_program("yuetone", "record", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(*arguments: object) -> str:
    done = run_program("yuetone", "record", *arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def config_in(folder: Path) -> Path:
    (folder / "master.key").write_text(MASTER + "\n", "ascii")
    (folder / "master.key").chmod(0o600)
    file = folder / "yuetone.toml"
    file.write_text(
        f"""
[record]
enabled = true
folder = "{folder}/record"
keys = "{folder}/keys/keys.db"
key_file = "{folder}/master.key"
[record.classes.service]
keep_days = 180
""",
        "utf-8",
    )
    return file


async def serving(folder: Path, work: Callable[[str], None]) -> None:
    """Run ``work`` in a thread beside a server with one recorded call; it is given the address."""
    classes = {"service": {"keep_days": 180, "original_days": 30}}
    chosen = settings(record=section(folder, classes=classes), profiles=profile())
    async with running(chosen, SayingEngine(SAID)) as served:
        await talk(served, [start("c1", queue="billing", agent_id="a7"), *chunks(demo_bytes(9)), end()])
        await kept(served)
        await asyncio.to_thread(work, f"127.0.0.1:{served.server.port}")


def test_a_key_is_made_and_another_is_added(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    assert "first" in run("new-key", file, "--name", "first")
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    run("new-key", file, "--name", "second")
    assert list(parsed(file.read_text("ascii"), "x").keys) == ["first", "second"]
    assert "already" in refused("new-key", file, "--name", "second")
    assert "cannot be written" in refused("new-key", tmp_path / "no" / "such" / "folder")


async def test_a_call_is_found_read_heard_and_erased(tmp_path: Path) -> None:
    def work(address: str) -> None:
        server = ("--server", address)
        (call,) = json.loads(run("list", *server, "--json"))["calls"]
        name = call["record_id"]
        listed = run("list", *server, "--queue", "billing")
        assert name in listed
        assert "c1" in listed
        assert "c1" not in run("list", *server, "--queue", "cards")
        assert SAID in run("search", "投訴", *server, "--role", "customer").replace("\n", "")
        assert json.loads(run("search", "投訴", *server, "--json"))["hits"]
        assert SAID in run("show", name, *server)
        summed = json.loads(run("summary", name, *server, "--json"))
        assert summed["code"] == "complaint"
        assert summed["about"][0]["text"] == SAID
        assert "complaint" in run("summary", name, *server)
        srt = run("export", name, *server, "--format", "srt")
        assert "-->" in srt
        rows = list(
            csv.DictReader(io.StringIO(run("export", name, *server, "--format", "csv").lstrip("\ufeff")))
        )
        assert {row["text"] for row in rows} == {SAID}
        vcon = json.loads(run("export", name, *server, "--format", "vcon"))
        assert vcon["analysis"][0]["body"][0]["text"] == SAID
        assert [party["role"] for party in vcon["parties"]] == ["customer", "agent"]
        run("export", name, *server, "--format", "docx", "--out", tmp_path / "call.docx")
        document = docx.Document(str(tmp_path / "call.docx"))
        assert SAID in {cell.text for row in document.tables[0].rows for cell in row.cells}
        assert "cannot be written" in refused("export", name, *server, "--out", tmp_path / "no" / "x.txt")
        run("play", name, *server, "--out", tmp_path / "call.wav")
        info = sf.info(tmp_path / "call.wav")
        assert (info.channels, info.samplerate) == (2, 8_000)
        assert info.duration == pytest.approx(9, abs=0.05)
        assert "cannot be written" in refused("play", name, *server, "--out", tmp_path / "no" / "call.wav")
        held = run("hold", name, *server, "--reason", "case 14").strip()
        assert "1 stay" in refused("erase", name, *server, "--yes")
        assert "1 calls released" in run("release", held, *server)
        assert "1 calls erased" in run("erase", name, *server, "--yes")
        assert json.loads(run("list", *server, "--json"))["calls"] == []
        refused("show", name, *server)

    await serving(tmp_path, work)


async def test_what_was_hidden_is_not_read_by_one_person(tmp_path: Path) -> None:
    def work(address: str) -> None:
        server = ("--server", address)
        (call,) = json.loads(run("list", *server, "--json"))["calls"]
        name = call["record_id"]
        asked = run("original", "ask", name, *server, "--reason", "case 14").split()[1]
        assert asked in run("original", "list", *server)
        assert "second person" in refused("original", "agree", asked, *server)
        assert "second person" in refused("original", "show", name, *server)
        assert "second person" in refused("original", "play", name, *server, "--out", tmp_path / "all.wav")
        assert "refused" in run("original", "refuse", asked, *server)
        assert "no request" in refused("original", "agree", asked, *server)

    await serving(tmp_path, work)


async def test_what_is_kept_of_a_customer_is_written_for_them(tmp_path: Path) -> None:
    async with running(settings(record=section(tmp_path), profiles=profile()), SayingEngine(SAID)) as served:
        for number, customer in enumerate(("C-1", "C-2", "C-1")):
            asked = start(f"c{number}", customer_ref=customer, agent_id="agent-77")
            await talk(served, [asked, *chunks(demo_bytes(6)), end()])
        await kept(served)
        address = f"127.0.0.1:{served.server.port}"
        told = await asyncio.to_thread(
            run, "subject", "C-1", "--out", tmp_path / "dar", "--server", address, "--received", "2026-11-20"
        )
        nobody = await asyncio.to_thread(
            run, "subject", "C-9", "--out", tmp_path / "none", "--server", address
        )
    assert "2 calls" in told
    assert "2026-12-30" in told
    assert "0 calls" in nobody
    index = json.loads((tmp_path / "dar" / "index.json").read_text("utf-8"))
    assert len(index["calls"]) == 2
    files = [path for path in (tmp_path / "dar").iterdir() if path.name != "index.json"]
    assert sorted(path.suffix for path in files) == [".txt", ".txt", ".vcon", ".vcon", ".wav", ".wav"]
    assert all("agent-77" not in path.read_text("utf-8") for path in files if path.suffix != ".wav")
    heard = [sf.info(path) for path in files if path.suffix == ".wav"]
    assert [(info.channels, info.samplerate, round(info.duration)) for info in heard] == [(2, 8_000, 6)] * 2
    for path in (tmp_path / "record").rglob("*"):
        if path.is_file():
            assert b"C-1" not in path.read_bytes(), path.name


async def test_an_archive_is_imported_once_and_goes_on_after_an_interruption(tmp_path: Path) -> None:
    archive = tmp_path / "archive" / "2025"
    archive.mkdir(parents=True)
    shutil.copyfile(CALL, archive / "a.wav")
    data, rate = sf.read(CALL, frames=8_000 * 5)
    sf.write(archive / "b.flac", data, rate)
    (archive / "c.wav").write_bytes(b"no recording")
    (archive / "notes.txt").write_text("not one either", "utf-8")

    def work(address: str) -> None:
        server = ("--server", address)
        day = datetime.now().astimezone() - timedelta(days=30)
        recorded = day.strftime("%Y-%m-%d %H:%M:%S")
        old = refused("import", archive / "b.flac", *server, "--recorded-at", "2019-03-01 10:15:00")
        assert "older than service calls are kept" in old
        told = refused("import", tmp_path / "archive", *server, "--recorded-at", recorded)
        assert "2 imported" in told
        assert "1 failed" in told
        assert "c.wav" in told
        (archive / "c.wav").unlink(missing_ok=True)
        again = run("import", tmp_path / "archive", *server, "--recorded-at", recorded)
        assert "0 imported" in again
        assert "2 there already" in again
        until = (day + timedelta(days=1)).strftime("%Y-%m-%d")
        calls = json.loads(run("list", *server, "--json", "--until", until))["calls"]
        assert len(calls) == 2
        began = {
            datetime.fromtimestamp(call["started_at_unix_ms"] / 1000).astimezone().date() for call in calls
        }
        assert began == {day.date()}
        for call in calls:
            kept = call["expires_at_unix_ms"] - call["started_at_unix_ms"]
            assert kept == pytest.approx(180 * 86_400_000, abs=200_000)

    await serving(tmp_path, work)


@pytest.mark.parametrize("way", [("--processes", "2"), ("--ray", "local")])
async def test_an_archive_is_imported_by_several_workers(way: tuple[str, str], tmp_path: Path) -> None:
    if way[0] == "--ray":
        pytest.importorskip("ray")
    archive = tmp_path / "archive"
    archive.mkdir()
    data, rate = sf.read(CALL, frames=8_000 * 14)
    for number in range(3):
        sf.write(archive / f"{number}.wav", data[number * rate :], rate)
    (archive / "c.wav").write_bytes(b"no recording")

    def work(address: str) -> None:
        told = refused("import", archive, "--server", address, *way)
        assert "3 imported" in told
        assert "1 failed" in told
        assert "c.wav" in told
        (archive / "c.wav").unlink()
        assert "0 imported (0.00 h), 3 there already" in run("import", archive, "--server", address, *way)
        kept = json.loads(run("list", "--server", address, "--json"))["calls"]
        assert sum(call["call_id"].startswith("import-") for call in kept) == 3

    await serving(tmp_path, work)


def test_what_is_damaged_is_told(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    records, opener = store(tmp_path), keys(tmp_path)
    for name in ("r1", "r2"):
        whole_call(records, opener, name, "你好")
    records.close()
    assert "all right" in run("verify", "--config", config)
    opener.destroy(["r2"])
    told = refused("verify", "--config", config)
    assert "r2: its key is gone" in told
    assert "r1" not in told
    assert "all right" in run("verify", "r1", "--config", config)
    assert "no recorded call" in refused("verify", "r9", "--config", config)


def test_keys_are_rotated(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    whole_call(store(tmp_path), keys(tmp_path), "r1", "你好")
    run("new-key", tmp_path / "master.key", "--name", "newer")
    assert "newer: 1 keys" in run("rotate", "--config", config)
    assert "all right" in run("verify", "--config", config)


def test_a_backup_is_restored_without_what_was_erased_since(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    records, opener = store(tmp_path), keys(tmp_path)
    whole_call(records, opener, "r1", "你好")
    whole_call(records, opener, "r2", "你好")
    assert "1 companies copied" in run("backup", tmp_path / "copy", "--config", config)
    assert "there already" in refused("backup", tmp_path / "copy", "--config", config)
    eraser = Eraser(None, records, opener, lambda _names: None, time.time)
    asked = eraser.request(["r1"], "officer")
    eraser.remove(eraser.lock_out())
    records.close()
    assert "1 erased calls are erased again" in run("restore", tmp_path / "copy", "--config", config, "--yes")
    again = RecordStores(tmp_path / "record").of(None)
    assert {row.record_id for row in again.rows()} == {"r1", "r2"}
    eraser = Eraser(None, again, opener, lambda _names: None, time.time)
    assert eraser.receipt(asked.id).waiting == ("r1",)
    eraser.remove(eraser.lock_out())
    assert {row.record_id for row in again.rows()} == {"r2"}
    assert "no copy" in refused("restore", tmp_path / "keys", "--config", config, "--yes")


def test_commands_need_a_record(tmp_path: Path) -> None:
    file = tmp_path / "yuetone.toml"
    file.write_text("", "utf-8")
    for command in ("verify", "rotate"):
        assert "record.enabled" in refused(command, "--config", file)
