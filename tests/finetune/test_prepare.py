"""The step prepare as its user meets it: faults are named, and nothing half-written is taken for whole."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from scripts.finetune.common.manifest import pcm_sha256, read_manifest
from tests.finetune.toy import CALLS, ROOT, finetune, run_finetune, silence, toy_calls, toy_data

pytestmark = pytest.mark.training


def rejects(folder: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (folder / "rejects.jsonl").read_text().splitlines()]
    return {row["source"]: row["reason"] for row in rows}


def test_whole_call_transcripts_become_utterances() -> None:
    prepared = toy_data() / "prepared"
    manifest = read_manifest(prepared)
    assert len({u.call for u in manifest.utterances}) == CALLS
    assert {u.role for u in manifest.utterances} == {"customer", "agent"}
    summary = json.loads((prepared / "summary.json").read_text())
    assert summary["utterances"] == len(manifest) > 25
    assert summary["rejects"] == len((prepared / "rejects.jsonl").read_text().splitlines())
    for u in manifest.utterances:
        pcm = manifest.pcm(u)
        assert pcm_sha256(pcm) == u.sha256
        assert u.channel == ("customer", "agent").index(u.role)
        assert u.text
        assert 5 < u.snr_db < 60


def test_the_same_folder_gives_the_same_manifest_after_a_kill(tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    command = [
        sys.executable,
        "-m",
        "scripts.finetune",
        "prepare",
        str(toy_calls()),
        "--out",
        str(out),
        "--model",
        "tiny",
    ]
    process = subprocess.Popen([*command, "--workers", "1"], cwd=ROOT, stdout=subprocess.DEVNULL)
    items = tmp_path / "prepared.partial" / "items"
    deadline = time.monotonic() + 60
    while not (items.is_dir() and len(list(items.glob("*.json"))) >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in items.glob("*.json")}
    assert not out.exists()
    assert 2 <= len(done) < CALLS
    finetune("prepare", toy_calls(), "--out", out, "--workers", "1")
    assert all((out / "items" / name).stat().st_mtime_ns == mtime for name, mtime in done.items())
    assert (out / "manifest.jsonl").read_bytes() == (toy_data() / "prepared" / "manifest.jsonl").read_bytes()


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "out"
    for arguments, message in (
        ((tmp_path / "nowhere",), "no folder"),
        ((empty,), "no recordings in"),
        ((toy_calls(), "--transcripts", empty), "no transcript lines"),
        ((toy_calls(), "--roles", "boss,agent"), "two of customer, agent, unknown"),
        ((toy_calls(), "--model", "nosuch"), "no model directory"),
    ):
        done = run_finetune("prepare", *arguments, "--out", out, "--workers", "1")
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not out.exists()


def test_every_thing_left_out_has_a_reason(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    shutil.copy(toy_calls() / "call-0000.wav", calls / "good.wav")
    (calls / "corrupt.wav").write_bytes(b"RIFF....")
    silence(calls / "silent.wav", 3.0)
    sf.write(calls / "alone.wav", np.zeros(16_000), 8000)
    rows = (toy_calls() / "transcripts.csv").read_text().splitlines()
    text = rows[1].split(",", 3)[3]
    (calls / "t.csv").write_text(
        "recording,role,start,end,text\n"
        f"good.wav,customer,,,{text}\n"
        "good.wav,agent,1.0,0.5,好\n"
        "good.wav,agent,900,901,好\n"
        "corrupt.wav,agent,,,唔該\n"
        "silent.wav,agent,,,唔該\n"
        "missing.wav,agent,,,唔該\n"
        "good.wav,agent,x,,唔該\n"
    )
    out = tmp_path / "out"
    finetune("prepare", calls, "--out", out, "--workers", "1")
    found = rejects(out)
    assert "ends before it starts" in found["t.csv:3"]
    assert "behind the recording" in found["t.csv:4"]
    assert "is not audio that can be read" in found["corrupt.wav"]
    assert "no speech was found" in found["t.csv:6"]
    assert "no such recording" in found["t.csv:7"]
    assert "not a number" in found["t.csv:8"]
    assert "without a transcript" in found["alone.wav"]
    assert read_manifest(out).utterances


def test_timed_lines_are_taken_at_their_times_and_overlaps_refused(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    agents = [u for u in read_manifest(toy_data() / "prepared").utterances if u.role == "agent"]
    (call, _), *_ = Counter(u.call for u in agents).most_common()
    shutil.copy(toy_calls() / f"{call[:9]}.wav", calls / "a.wav")
    spans = [u for u in agents if u.call == call][:2]
    lines = [f"a.wav,{u.start / 16_000 + 0.15:.2f},{u.end / 16_000 - 0.1:.2f},agent,{u.text}" for u in spans]
    first = spans[0]
    lines.append(f"a.wav,{first.start / 16_000 + 0.5:.2f},{first.end / 16_000:.2f},agent,唔係呢句")
    (calls / "t.csv").write_text("recording,start,end,role,text\n" + "\n".join(lines) + "\n")
    out = tmp_path / "out"
    finetune("prepare", calls, "--out", out, "--workers", "1")
    kept = read_manifest(out).utterances
    assert [u.text for u in kept] == [u.text for u in spans]
    assert all(u.aligned is None and u.channel == 1 for u in kept)
    assert "overlaps the line before" in rejects(out)["t.csv:4"]


def test_big5_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    text = (toy_calls() / "transcripts.csv").read_text()
    (tmp_path / "t.csv").write_bytes(text.encode("big5hkscs"))
    options = ("--transcripts", tmp_path / "t.csv", "--out", tmp_path / "out", "--dry-run")
    done = run_finetune("prepare", toy_calls(), *options)
    assert done.returncode == 2
    assert "give --encoding big5hkscs" in done.stderr
    output = finetune("prepare", toy_calls(), *options, "--encoding", "big5hkscs")
    assert f"{CALLS} recordings, {2 * CALLS} transcript lines" in output


def test_a_full_disk_is_one_line_and_nothing_looks_finished(tmp_path: Path) -> None:
    """The kernel refuses to write more than 64 kB to a file, as it does on a full disk."""
    out = tmp_path / "out"
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "sys.argv = ['finetune', *sys.argv[1:]]\n"
        "import scripts.finetune.__main__ as steps\n"
        "steps.main()\n"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "prepare",
        str(toy_calls()),
        "--out",
        str(out),
        "--workers",
        "1",
        "--model",
        "tiny",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "no space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
    finetune("prepare", toy_calls(), "--out", out, "--workers", "1")
    assert len(read_manifest(out)) == len(read_manifest(toy_data() / "prepared"))


def test_validation_insists_on_500_recordings(tmp_path: Path) -> None:
    prepared = toy_data() / "prepared"
    done = run_finetune("validate", prepared, "--out", tmp_path / "v")
    assert done.returncode == 1
    assert f"{CALLS} usable recordings, at least 500 are needed" in done.stdout
    page = (tmp_path / "v" / "report.html").read_text()
    assert "FAIL: 1 failures" in page
    assert page.count("<svg") >= 5
    assert "<script" not in page
    review = (tmp_path / "v" / "review.csv").read_text()
    assert not any(u.text in review for u in read_manifest(prepared).utterances if len(u.text) > 4)
    output = finetune("validate", prepared, "--out", tmp_path / "w", "--allow-fewer")
    assert f"ONLY {CALLS} USABLE RECORDINGS" in output


def test_speech_that_two_lines_claim_is_used_once(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    agents = [u for u in read_manifest(toy_data() / "prepared").utterances if u.role == "agent"]
    (call, _), *_ = Counter(u.call for u in agents).most_common()
    shutil.copy(toy_calls() / f"{call[:9]}.wav", calls / "a.wav")
    one = next(u for u in agents if u.call == call)
    whole = "".join(u.text for u in agents if u.call == call)
    lines = (
        "recording,start,end,role,text",
        f"a.wav,,,agent,{whole}",
        f"a.wav,,,,{whole}",
        f"a.wav,{one.start / 16_000 + 0.15:.2f},{one.end / 16_000 - 0.1:.2f},agent,{one.text}",
    )
    (calls / "t.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    finetune("prepare", calls, "--out", out, "--workers", "1")
    kept = read_manifest(out).utterances
    assert [u.aligned for u in kept if u.channel == 1 and abs(u.start - one.start) < 8000] == [None]
    assert "another line of the transcript is for the same speech" in rejects(out).values()


def small_centre(folder: Path) -> tuple[Path, list[str]]:
    """Return a folder with one call, and its transcript's lines."""
    folder.mkdir()
    shutil.copy(toy_calls() / "call-0000.wav", folder / "call-0000.wav")
    lines = (toy_calls() / "transcripts.csv").read_text().splitlines()[:3]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return folder, lines


def test_mended_transcripts_are_read_again(tmp_path: Path) -> None:
    calls, lines = small_centre(tmp_path / "calls")
    (calls / "t.csv").write_text(lines[0] + "\ncall-0000.wav,customer,x,。。。\n")
    out = tmp_path / "out"
    done = run_finetune("prepare", calls, "--out", out, "--workers", "1")
    assert (done.returncode, "rejects.jsonl says why" in done.stderr) == (2, True)
    (calls / "t.csv").write_text("\n".join(lines) + "\n")
    finetune("prepare", calls, "--out", out, "--workers", "1")
    assert {u.speaker for u in read_manifest(out).utterances} == {"customer 0", "agent 0"}


def test_a_copy_of_a_recording_is_refused_line_by_line(tmp_path: Path) -> None:
    calls, lines = small_centre(tmp_path / "calls")
    (calls / "day2").mkdir()
    shutil.copy(calls / "call-0000.wav", calls / "day2" / "other.wav")
    more = [line.replace("call-0000.wav", "day2/other.wav") for line in lines[1:]]
    (calls / "t.csv").write_text("\n".join([*lines, *more]) + "\n")
    out = tmp_path / "out"
    finetune("prepare", calls, "--out", out, "--workers", "1")
    reasons = [json.loads(line)["reason"] for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert sum("is a copy of call-0000.wav" in reason for reason in reasons) == 2
    finetune("validate", out, "--out", tmp_path / "v", "--allow-fewer")


def test_places_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    calls, _ = small_centre(tmp_path / "calls")
    (tmp_path / "file").write_text("")
    for out, message in (
        (tmp_path / "file" / "out", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
        (calls / "out", "is inside"),
    ):
        done = run_finetune("prepare", calls, "--out", out, "--workers", "1")
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
