"""``yuetone redact``, by its own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from tests.audio import CALL
from tests.processes import run_program

DIALOGUE = {
    "id": "d1",
    "customer": "kept as it is",
    "turns": [
        {"role": "agent", "text": "請問電話號碼？"},
        {"role": "customer", "text": "九一二三，四五六七，月費一百蚊", "at": 3},
    ],
}

PROGRAM = str(Path(sys.executable).with_name("yuetone"))


def redact(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return run_program("yuetone", "redact", *arguments, timeout=timeout)


def written(folder: Path, *lines: object) -> Path:
    path = folder / "dialogues.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return path


def test_dialogues_come_out_with_what_was_found_in_them(tmp_path: Path) -> None:
    done = redact(written(tmp_path, DIALOGUE, {"id": 2, "turns": []}), "--json")
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert second == {"id": 2, "turns": []}
    assert first["customer"] == "kept as it is"
    said = first["turns"][1]
    assert said["at"] == 3
    assert said["text"] == DIALOGUE["turns"][1]["text"]  # type: ignore[index]
    (span,) = said["spans"]
    assert said["text"][span["start"] : span["end"]] == "九一二三，四五六七"
    assert span["category"] == "phone"
    assert first["turns"][0]["spans"] == []


def test_dialogues_come_out_masked(tmp_path: Path) -> None:
    path = written(tmp_path, DIALOGUE)
    done = redact(path)
    assert json.loads(done.stdout)["turns"][1]["text"] == "〔電話〕，月費一百蚊"
    assert "九一二三" in redact(path, "--keep", "phone").stdout
    assert "…4567" in redact(path, "--style", "last_four").stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{\n", "line 1: no JSON"),
        ('{"id": 1}\n', "line 1: a dialogue has"),
        ('\n{"turns": [{"role": "agent"}]}\n', "line 2: a dialogue has"),
        ('{"turns": [{"role": "agent", "text": 3}]}\n', "line 1: a dialogue has"),
        ("[1]\n", "line 1: a dialogue has"),
    ],
)
def test_what_is_no_dialogue_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(text, "utf-8")
    done = redact(path, "--json")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_wishes_are_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, DIALOGUE)
    for arguments, says in (
        ((path, "--keep", "password"), "never shown"),
        ((path, "--audio", "x.wav"), "--audio is for recordings"),
        ((tmp_path / "none.jsonl",), "cannot be read"),
        ((CALL, "--audio", CALL), "not overwritten"),
    ):
        done = redact(*arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.model
@pytest.mark.integration
def test_a_recording_comes_out_silent_where_it_is_personal(tmp_path: Path) -> None:
    pressed = tmp_path / "pressed.wav"
    samples, rate = sf.read(CALL, dtype="float32")
    time = np.arange(rate // 5) / rate
    key = 0.2 * np.sin(2 * np.pi * 770 * time) + 0.2 * np.sin(2 * np.pi * 1336 * time)
    at = 40 * rate
    samples[at : at + len(key), 0] = key
    sf.write(pressed, samples, rate)
    clean = tmp_path / "clean.wav"
    done = redact(pressed, "--json", "--audio", clean)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    cut, cut_rate = sf.read(clean, dtype="float32")
    assert (cut_rate, cut.shape) == (rate, samples.shape)
    masks = [(turn["channel"], mask) for turn in told["turns"] for mask in turn["masks"]]
    assert {mask["category"] for _channel, mask in masks} >= {"phone", "name"}
    for channel, mask in masks:
        inside = cut[mask["start_ms"] * rate // 1000 + 1 : mask["end_ms"] * rate // 1000 - 1, channel]
        assert not inside.any()
    assert not cut[at : at + len(key), 0].any()
    assert told["keys_s"] >= 0.2
    assert told["silenced"] < 0.06
    assert np.mean(cut.any(axis=1)) > 0.8


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "big5"])
def test_standard_input_is_utf8_whatever_the_locale(encoding: str) -> None:
    """In another encoding every digit would be a different character, and stay."""
    done = subprocess.run(
        [PROGRAM, "redact", "-"],
        input=b"\xef\xbb\xbf" + json.dumps(DIALOGUE, ensure_ascii=False).encode(),
        capture_output=True, timeout=120, check=False,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["turns"][1]["text"] == "〔電話〕，月費一百蚊"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000 + b"\n", "line 1: too deeply nested"),
        ("壞".encode("big5") + b"\n", "line 1: no UTF-8 text"),
        (b'{"turns": [{"role": null, "text": "x"}]}\n', 'line 1: a dialogue has "turns"'),
    ],
)
def test_what_is_no_dialogue_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    done = redact(path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_recording_is_not_overwritten_by_another_name(tmp_path: Path) -> None:
    recording = tmp_path / "call.wav"
    sf.write(recording, np.zeros(8_000), 8_000)
    other = tmp_path / "link.wav"
    other.hardlink_to(recording)
    done = redact(recording, "--audio", other)
    assert done.returncode == 2
    assert "not overwritten" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keep", "card"], "--keep: card is never shown"),
        (["--config", "missing.toml"], "--config and --raw are for recordings"),
        (["--raw", "ulaw,8000,1"], "--config and --raw are for recordings"),
    ],
)
def test_options_that_do_nothing_are_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = redact(written(tmp_path, DIALOGUE), *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAM, "redact", str(written(tmp_path, DIALOGUE))],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert b"cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_recording_that_is_missing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "clean.wav").write_bytes(b"")
    done = redact(tmp_path / "none.wav", "--audio", tmp_path / "clean.wav")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "none.wav" in done.stderr


def test_a_file_is_not_its_own_output(tmp_path: Path) -> None:
    path = written(tmp_path, DIALOGUE)
    with path.open("ab") as out:
        done = subprocess.run(
            [PROGRAM, "redact", str(path)],
            stdout=out, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert b"is the output as well" in done.stderr
    assert len(path.read_text("utf-8").splitlines()) == 1
