"""``yuetone emotion`` and ``yuetone alerts`` as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.audio import CALL as CALL_FILE
from tests.audio import DEMO, turn_16k
from tests.processes import run_program

YUETONE = str(Path(sys.executable).with_name("yuetone"))
CALL = str(CALL_FILE)

pytestmark = pytest.mark.model


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = run_program("yuetone", *arguments)
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def lines(text: str) -> list[Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def wav(folder: Path, name: str, pcm: Any, rate: int = 16_000, subtype: str = "PCM_16") -> Path:
    sf.write(folder / name, np.asarray(pcm, np.float32), rate, subtype=subtype)
    return folder / name


def test_a_stereo_call_is_analysed_and_drawn(tmp_path: Path) -> None:
    out, _ = run("emotion", CALL, "--json", "--plot", tmp_path / "curve.png")
    (line,) = lines(out)
    assert line["file"] == CALL
    assert line["seconds"] == pytest.approx(82.5, abs=0.5)
    assert [channel["role"] for channel in line["channels"]] == ["customer", "agent"]
    assert 0 <= line["agitation"] < 0.5
    assert line["agitation"] == line["channels"][0]["agitation"]
    assert not line["agitated"]
    assert sum(line["probabilities"].values()) == pytest.approx(1.0, abs=0.01)
    assert len(line["windows"]) > 20
    assert all(window["end_s"] > window["start_s"] for window in line["windows"])
    assert len(line["channels"][0]["curve"]) == pytest.approx(165, abs=2)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_words_count_when_they_are_asked_for() -> None:
    (line,) = lines(run("emotion", CALL, "--json", "--transcribe")[0])
    assert line["words"] > 0.5
    assert line["agitated"]
    assert "投訴" not in json.dumps(line, ensure_ascii=False)


def test_the_level_of_a_file_does_not_matter(tmp_path: Path) -> None:
    pcm = turn_16k(1)
    files = [wav(tmp_path, f"{db}.wav", pcm * 10 ** (db / 20), subtype="FLOAT") for db in (0, -20, 20)]
    found = [line["agitation"] for line in lines(run("emotion", *files, "--json")[0])]
    assert found == pytest.approx([found[0]] * 3, abs=0.01)


def test_what_is_no_speech_has_no_opinion(tmp_path: Path) -> None:
    time = np.arange(48_000) / 16_000
    keys = 0.3 * (np.sin(2 * np.pi * 770 * time) + np.sin(2 * np.pi * 1336 * time)) * ((time % 0.4) < 0.2)
    files = [
        wav(tmp_path, "silence.wav", np.zeros(32_000)),
        wav(tmp_path, "sample.wav", np.zeros(1)),
        wav(tmp_path, "keys.wav", keys),
        wav(tmp_path, "shout.wav", turn_16k(1)[16_000:19_200]),
        wav(tmp_path, "nan.wav", np.full(16_000, np.nan), subtype="FLOAT"),
    ]
    for line in lines(run("emotion", *files, "--json")[0]):
        assert line["agitation"] is None, line["file"]
        assert line["probabilities"] is None
        assert line["quality"] == 0
        assert line["agitated"] is False


def test_a_bad_file_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "empty.wav").write_bytes(b"")
    three = wav(tmp_path, "three.wav", np.zeros((100, 3)))
    good = wav(tmp_path, "good.wav", turn_16k(1))
    bad = [tmp_path / "text.wav", tmp_path / "empty.wav", three, tmp_path / "none.wav", tmp_path]
    out, err = run("emotion", *bad, good, "--json", code=1)
    assert [line["file"] for line in lines(out)] == [str(good)]
    assert len(err.strip().splitlines()) == 5
    assert "3 channels" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--roles", "boss,agent"], "boss"),
        (["--roles", "agent"], "two channels"),
        (["--model", "/nowhere"], "emotion.model: no model directory at /nowhere"),
        (["--model", "promoted"], "promoted"),
        (["--profile", "night"], "default"),
        (["--plot", "/nowhere/x.png"], "/nowhere/x.png"),
        (["--plot", "curve.docx"], "curve.docx"),
    ],
)
def test_a_wrong_option_is_one_line(arguments: list[str], reason: str, tmp_path: Path) -> None:
    file = wav(tmp_path, "good.wav", turn_16k(1))
    _out, err = run("emotion", file, *arguments, code=2)
    assert reason in err
    assert len(err.strip().splitlines()) == 1


def test_rules_are_tried_on_a_recording(tmp_path: Path) -> None:
    found = lines(run("alerts", "replay", CALL, "--json")[0])
    assert {line["rule"] for line in found} == {"customer-agitated", "complaint-to-authority"}
    assert all(40 < line["at_s"] < 60 for line in found if line["state"] == "raised")
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "refund"\nwhen = "words"\nrole = "customer"\nphrases = ["退返錢"]\n', "utf-8"
    )
    out, _ = run("alerts", "replay", CALL, "--rules", rules)
    assert "refund raised: 關鍵詞：退返錢" in out
    assert "1 alerts in 1 recordings" in out


def test_rules_are_checked_with_line_and_reason(tmp_path: Path) -> None:
    assert "6 rules" in run("alerts", "check")[0]
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "a"\nwhen = "dead_air"\nsilence_s = "long"\n', "utf-8")
    _out, err = run("alerts", "check", "--rules", rules, code=2)
    assert "line 4" in err
    assert "silence_s" in err


def test_nobody_to_watch_is_one_line() -> None:
    for command in (["watch"], ["ack", "x"]):
        _out, err = run("alerts", *command, "--server", "127.0.0.1:1", code=2)
        assert len(err.strip().splitlines()) == 1


def test_webhook_secrets_are_never_shown_and_the_settings_read_back(tmp_path: Path) -> None:
    config = tmp_path / "y.toml"
    config.write_text(
        '[[alerts.webhooks]]\nname = "desk"\nurl = "https://x.example/TOKEN"\nsecret = "SECRET"\n', "utf-8"
    )
    shown, _ = run("config", "show", "--config", config)
    assert "TOKEN" not in shown
    assert "SECRET" not in shown
    again = tmp_path / "again.toml"
    again.write_text(shown.replace('url = "**********"', 'url = "https://y.example"'), "utf-8")
    assert 'name = "desk"' in run("config", "show", "--config", again)[0]


def test_the_benchmark_runs_without_any_data() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "emotion", "--smoke"],
        capture_output=True, text=True, check=True, timeout=120, cwd=DEMO.parents[1],
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["cost"]["model_bytes"] <= 2 * 2**20
    assert all(kind["opinions"] == 0 for kind in found["refused"].values())


def test_names_of_any_encoding_are_no_harm(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff[red].wav")
    sf.write(tmp_path / "x.wav", turn_16k(1), 16_000)
    (tmp_path / "x.wav").rename(name)
    (line,) = lines(run("emotion", name, "--json")[0])
    assert line["agitation"] is not None
    assert "[red]" in run("emotion", name)[0]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [YUETONE, "alerts", "replay", CALL], capture_output=True, env=environment, check=True
    )
    assert b"customer-agitated" in done.stdout


def test_a_few_broken_samples_leave_the_rest(tmp_path: Path) -> None:
    pcm = turn_16k(1).copy()
    pcm[100], pcm[200], pcm[300] = np.inf, -np.inf, np.nan
    out, err = run("emotion", wav(tmp_path, "inf.wav", pcm, subtype="FLOAT"), "--json")
    assert lines(out)[0]["agitation"] is not None
    assert err == ""
