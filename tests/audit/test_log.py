"""The audit log: whatever is changed in it is found."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.audit.checkpoint import BadCheckpoint, Signer, Verifier, proof_text
from pipeline.audit.entry import AuditEntry, line_of
from pipeline.audit.log import CHECKPOINTS, AuditLog, lines_of, segments
from pipeline.audit.merkle import (
    inclusion_proof,
    leaf_hash,
    proves_inclusion,
)
from pipeline.audit.ocsf import ocsf_of
from pipeline.audit.service import AuditService
from pipeline.audit.verify import notes_in, verify
from pipeline.errors import AuditUnavailable, SettingsError
from pipeline.metrics import Metrics

ORIGIN = "centre.example/audit"
NOVEMBER, DECEMBER = (datetime(2026, month, 28, tzinfo=UTC).timestamp() for month in (11, 12))


def entry(number: int = 0) -> AuditEntry:
    return AuditEntry(
        action="call.watch", actor=f"oidc:staff:{number % 7}", actor_type="oidc", roles=("supervisor",),
        tenant="bank", target_kind="call", target=f"call-{number}", scope="tenant", peer="ipv4:10.0.0.1",
    )  # fmt: skip


def filled(folder: Path, records: int = 60, clock: Callable[[], float] = lambda: NOVEMBER) -> AuditLog:
    log = AuditLog(folder, ORIGIN, clock)
    for first in range(0, records, 20):
        log.append([entry(number) for number in range(first, min(records, first + 20))])
        log.checkpoint()
    return log


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_opens_with_its_key_and_no_other(tmp_path: Path) -> None:
    signer = Signer.at(tmp_path / "key", ORIGIN)
    note = signer.sign(5, b"r" * 32)
    verifier = Verifier.of(signer.verifier.vkey)
    opened = verifier.open(note)
    assert (opened.origin, opened.size, opened.root) == (ORIGIN, 5, b"r" * 32)
    assert Signer.at(tmp_path / "key", ORIGIN).verifier.vkey == signer.verifier.vkey, "the key is kept"
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    other = Signer.at(tmp_path / "other", ORIGIN).verifier
    for changed in (note.replace("\n5\n", "\n6\n"), note[:-10], note.replace(ORIGIN, "x"), "", "\n\n"):
        with pytest.raises(BadCheckpoint):
            verifier.open(changed)
    with pytest.raises(BadCheckpoint):
        other.open(note)
    for wrong in ("", "a+b+c", signer.verifier.vkey[:-4], other.vkey.replace("+", "+0", 1)):
        with pytest.raises(BadCheckpoint):
            Verifier.of(wrong)


def test_a_proof_is_a_tlog_proof(tmp_path: Path) -> None:
    log = filled(tmp_path / "audit", 45)
    lines = [line for segment in segments(log.folder) for line in lines_of(segment)]
    leaves = [leaf_hash(line) for line in lines]
    text = proof_text(7, inclusion_proof(leaves, 7), log.signed_now())
    head, index, *hashes = text.partition("\n\n")[0].splitlines()
    assert (head, index) == ("c2sp.org/tlog-proof@v1", "index 7")
    opened = log.signer.verifier.open(text.partition("\n\n")[2])
    import base64  # noqa: PLC0415

    assert proves_inclusion(leaves[7], 7, opened.size, [base64.b64decode(h) for h in hashes], opened.root)


# ------------------------------------------------------------------ files


def test_a_log_goes_on_over_restarts_months_and_other_writers(tmp_path: Path) -> None:
    now = [NOVEMBER]
    first = filled(tmp_path, 25, lambda: now[0])
    beside = AuditLog(tmp_path, ORIGIN, lambda: now[0])
    beside.append([entry(25)])
    first.append([entry(26)])
    now[0] = DECEMBER
    first.append([entry(27)])
    beside.append([entry(28)])
    now[0] = NOVEMBER  # a clock that is set back
    beside.append([entry(29)])
    again = AuditLog(tmp_path, ORIGIN, lambda: now[0])
    assert again.size == 30
    assert [segment.name for segment in segments(tmp_path)] == ["audit-2026-11.jsonl", "audit-2026-12.jsonl"]
    verdict = verify(tmp_path, again.signer.verifier)
    assert (verdict.problem, verdict.records, verdict.first) == (None, 30, 0)
    (tmp_path / "audit-2026-11.jsonl").unlink()
    (tmp_path / "audit-2026-11.start").unlink()
    later = verify(tmp_path, again.signer.verifier)
    assert (later.problem, later.records, later.first) == (None, 3, 27), "an old segment may be dropped"


def test_what_was_not_finished_is_cut_off(tmp_path: Path) -> None:
    log = filled(tmp_path, 20)
    (segment,) = segments(tmp_path)
    with segment.open("ab") as file:
        file.write(b'{"half": ')
    assert "not finished" in str(verify(tmp_path, log.signer.verifier).problem)
    AuditLog(tmp_path, ORIGIN, lambda: NOVEMBER).append([entry(20)])
    verdict = verify(tmp_path, log.signer.verifier)
    assert (verdict.problem, verdict.records) == (None, 21)


def test_a_disk_that_is_full_writes_nothing_and_later_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = filled(tmp_path, 20)

    def torn(file: int, data: memoryview) -> int:
        if len(data) > 10:
            return real(file, data[:10])
        raise OSError(28, "No space left on device")

    import os  # noqa: PLC0415

    real = os.write
    monkeypatch.setattr("pipeline.audit.log.os.write", torn)
    with pytest.raises(OSError, match="No space"):
        log.append([entry(20)])
    monkeypatch.undo()
    log.append([entry(21)])
    verdict = verify(tmp_path, log.signer.verifier)
    assert (verdict.problem, verdict.records) == (None, 21)


def test_a_folder_that_is_no_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match=r"audit\.folder"):
        AuditLog(tmp_path / "file", ORIGIN)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "key").write_text("no key")
    with pytest.raises(SettingsError, match="signing key"):
        AuditLog(tmp_path / "log", ORIGIN)


# ------------------------------------------------------------------ changes


def mutations(rng: random.Random) -> list[Callable[[list[bytes]], list[bytes]]]:
    """Return ways to change the lines of a log; each changes something."""

    def flip(lines: list[bytes]) -> list[bytes]:
        number = rng.randrange(len(lines))
        line = bytearray(lines[number])
        line[rng.randrange(len(line))] ^= 1 << rng.randrange(7)
        return [*lines[:number], bytes(line), *lines[number + 1 :]]

    def edit(lines: list[bytes]) -> list[bytes]:
        number = rng.randrange(len(lines))
        record = json.loads(lines[number])
        record["actor"]["id"] = "somebody else"
        changed = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
        return [*lines[:number], changed, *lines[number + 1 :]]

    def delete(lines: list[bytes]) -> list[bytes]:
        number = rng.randrange(len(lines))
        return lines[:number] + lines[number + 1 + rng.randrange(3) :]

    def swap(lines: list[bytes]) -> list[bytes]:
        one, two = rng.sample(range(len(lines)), 2)
        out = list(lines)
        out[one], out[two] = out[two], out[one]
        return out

    def truncate(lines: list[bytes]) -> list[bytes]:
        return lines[: rng.randrange(len(lines))]

    def repeat(lines: list[bytes]) -> list[bytes]:
        number = rng.randrange(len(lines))
        return [*lines[: number + 1], *lines[number:]]

    def rewrite(lines: list[bytes]) -> list[bytes]:
        """Change a record and make every hash behind it anew, as somebody would who knows the format."""
        number = rng.randrange(len(lines))
        kept, previous = lines[:number], json.loads(lines[number])["prev"]
        for place in range(number, len(lines)):
            fresh = line_of(entry(place + 1000), place, NOVEMBER, previous)[:-1]
            previous = leaf_hash(fresh).hex()
            kept.append(fresh)
        return kept

    return [flip, edit, delete, swap, truncate, repeat, rewrite]


def test_every_change_is_found_with_a_checkpoint_from_elsewhere(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    log = filled(whole)
    note, verifier = log.signed_now(), log.signer.verifier
    (segment,) = segments(whole)
    lines = segment.read_bytes().splitlines()
    rng, work, found = random.Random(0), tmp_path / "work", 0
    shutil.copytree(whole, work)
    for number in range(1000):
        ways = mutations(rng)
        changed = ways[number % len(ways)](lines)
        assert changed != lines
        (work / segment.name).write_bytes(b"".join(line + b"\n" for line in changed))
        found += verify(work, verifier, [note]).problem is not None
    assert found == 1000


def test_the_first_bad_record_is_named(tmp_path: Path) -> None:
    log = filled(tmp_path)
    (segment,) = segments(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[33] = lines[33].replace(b"call-33", b"call-34")
    segment.write_bytes(b"".join(lines))
    assert "record 33 or 34" in str(verify(tmp_path, log.signer.verifier).problem)


def test_a_log_written_anew_with_the_stolen_key_is_found_from_outside(tmp_path: Path) -> None:
    log = filled(tmp_path / "log")
    outside = notes_in((tmp_path / "log" / CHECKPOINTS).read_text())
    vkey = log.signer.verifier.vkey
    forged = tmp_path / "forged"
    forged.mkdir()
    shutil.copy(tmp_path / "log" / "key", forged / "key")
    fake = AuditLog(forged, ORIGIN, lambda: NOVEMBER)
    fake.append([entry(number + 1) for number in range(60)])
    fake.checkpoint()
    assert verify(forged, Verifier.of(vkey)).problem is None, "from inside, nothing shows"
    assert "was changed" in str(verify(forged, Verifier.of(vkey), outside).problem)


def test_a_log_that_begins_behind_the_checkpoints_from_elsewhere_is_found(tmp_path: Path) -> None:
    log = filled(tmp_path, 5)
    note, previous = log.signed_now(), "22" * 32
    (segment,) = segments(tmp_path)
    start = {"size": 6, "subtrees": ["00" * 32, "11" * 32], "prev": previous}
    segment.with_suffix(".start").write_text(json.dumps(start))
    lines = []
    for number in (6, 7):
        lines.append(line_of(entry(number), number, NOVEMBER, previous))
        previous = leaf_hash(lines[-1][:-1]).hex()
    segment.write_bytes(b"".join(lines))
    (tmp_path / CHECKPOINTS).unlink()
    verdict = verify(tmp_path, log.signer.verifier, [note])
    assert "nothing vouches for this log" in str(verdict.problem)


def test_what_is_no_checkpoint_is_an_error() -> None:
    assert notes_in("") == []
    for text in ("text\n1\nroot\n", "a b c", "a\n\nb\n\nc"):
        with pytest.raises(BadCheckpoint):
            notes_in(text)


@pytest.mark.parametrize(
    "start", ['{"size": "3", "subtrees": [], "prev": ""}', "[]", "{}", "x", '{"size": -1}']
)
def test_a_start_that_cannot_be_read_is_told(tmp_path: Path, start: str) -> None:
    log = filled(tmp_path, 3)
    (tmp_path / "audit-2026-13.jsonl").mkdir()
    (tmp_path / "audit-2026-1x.jsonl").write_text("none of ours")
    (segment,) = segments(tmp_path)
    segment.with_suffix(".start").write_text(start)
    assert "cannot be read" in str(verify(tmp_path, log.signer.verifier).problem)
    with pytest.raises(SettingsError, match=r"audit\.folder"):
        AuditLog(tmp_path, ORIGIN)


def test_a_log_that_grows_is_whole_at_any_moment(tmp_path: Path) -> None:
    """Whoever verifies beside a server waits for its append, and leaves out what comes later."""
    log = filled(tmp_path, 40)
    stop = threading.Event()

    def append() -> None:
        while not stop.is_set():
            log.append([entry(1), entry(2)])
            log.checkpoint()
            stop.wait(0.005)  # as a server does: the system hands a lock out in no order

    writer = threading.Thread(target=append)
    writer.start()
    problems: list[str | None] = []
    while len(problems) < 60 or log.size <= 50:
        problems.append(verify(tmp_path, log.signer.verifier).problem)
    stop.set()
    writer.join()
    assert set(problems) == {None}


def test_a_missing_end_is_named(tmp_path: Path) -> None:
    log = filled(tmp_path)
    (segment,) = segments(tmp_path)
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:45]))
    assert "records 45 to 59 are gone" in str(verify(tmp_path, log.signer.verifier).problem)


# ------------------------------------------------------------------ the service


async def test_records_of_one_moment_share_a_flush_and_are_on_disk_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes: list[int] = []
    log = AuditLog(tmp_path, ORIGIN)
    real = log.append

    def counted(entries: Sequence[AuditEntry]) -> None:
        flushes.append(len(entries))
        real(entries)

    monkeypatch.setattr(log, "append", counted)
    service = AuditService(log, Metrics())
    running = asyncio.create_task(service.run(), name="audit")
    await asyncio.gather(*(service.record(entry(number)) for number in range(200)))
    assert sum(flushes) == 200
    assert len(flushes) < 20
    (segment,) = segments(tmp_path)
    assert len(segment.read_bytes().splitlines()) == 200
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await service.close()
    assert verify(tmp_path, log.signer.verifier).checkpoints == 1, "the end is signed"


async def test_a_log_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path, ORIGIN)
    service = AuditService(log, Metrics())
    running = asyncio.create_task(service.run(), name="audit")

    def full(_entries: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "append", full)
    with pytest.raises(AuditUnavailable):
        await service.record(entry())
    monkeypatch.undo()
    await service.record(entry())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await service.close()


def test_records_in_the_words_of_a_siem() -> None:
    record = json.loads(line_of(entry(3), 3, NOVEMBER, "0" * 64))
    event = ocsf_of(record)
    assert (event["class_uid"], event["type_uid"], event["status_id"]) == (6003, 600302, 1)
    assert event["src_endpoint"]["ip"] == "10.0.0.1"
    assert event["actor"]["user"]["uid"] == "oidc:staff:3"
    refused = {**record, "outcome": "refused", "reason": "UNAUTHENTICATED"}
    assert ocsf_of(refused)["type_uid"] == 300201
