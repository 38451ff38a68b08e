"""``yuetone redact``, by its own command line."""

from __future__ import annotations

import json
import subprocess
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
