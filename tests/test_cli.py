from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jiwer
import pytest
from typer.testing import CliRunner

from cantonese.scoring import scoring_form
from pipeline.cli import COMMANDS, app
from tests.audio import AGENT, CALL, CUSTOMER, demo_turns
from tests.processes import run_program

PROGRAM = str(Path(sys.executable).with_name("yuetone"))
pytestmark = [pytest.mark.integration, pytest.mark.model]


def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return run_program("yuetone", *arguments, timeout=timeout)


def test_call_prints_one_json_object_per_message_and_nothing_else(tmp_path: Path) -> None:
    shown = tmp_path / "shown.toml"
    shown.write_text("[profiles.default.redaction]\nhide = []\n")
    done = run("call", str(CALL), "--speed", "0", "--json", "--config", str(shown))
    assert done.returncode == 0
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert "started" in messages[0]
    assert messages[-1]["ended"]["audio_ms"] > 80_000
    finals = [m["transcript"] for m in messages if m.get("transcript", {}).get("is_final")]
    assert len(finals) > 10
    assert {final["role"] for final in finals} == {"ROLE_CUSTOMER", "ROLE_AGENT"}
    assert all(isinstance(final["start_ms"], int) for final in finals)
    assert done.stderr == ""
    for channel in (CUSTOMER, AGENT):
        said = "".join(str(turn["text"]) for turn in demo_turns() if turn["channel"] == channel)
        ours = sorted((final["start_ms"], final["text"]) for final in finals if final["channel"] == channel)
        rate = jiwer.cer(scoring_form(said), scoring_form("".join(text for _start, text in ours)))
        assert rate < 0.10, f"CER {rate:.3f} on channel {channel}"


def test_the_demo_call_shows_neither_name_nor_number() -> None:
    done = run("call", str(CALL), "--speed", "0", "--json")
    assert done.returncode == 0
    assert "〔電話〕" in done.stdout
    assert "〔姓名〕" in done.stdout
    for number in ("91234567", "9123 4567", "九一二三四五六七"):
        assert number not in done.stdout
    assert "陳小姐" not in done.stdout


def test_demo_prints_both_sides_and_a_summary() -> None:
    done = run("demo", "--speed", "0")
    assert done.returncode == 0
    assert "客戶" in done.stdout
    assert "客服" in done.stdout
    assert "Summary" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["call", "/nowhere.wav"], "no recording at /nowhere.wav"),
        (["call", __file__], "is not audio"),
        (["call", str(CALL), "--roles", "boss"], "no role 'boss'"),
        (["call", str(CALL), "--model", "/nowhere"], "no model directory at /nowhere"),
        (["serve", "--model", "whisper-large-v3"], "yuetone models pull whisper-large-v3"),
        (["serve", "--config", "/nowhere.toml"], "no configuration file"),
        (["models", "pull", "nobody"], "no model 'nobody'"),
        (["models", "convert", "/nowhere", "/tmp/never"], "no Hugging Face model directory"),
    ],
)
def test_mistakes_are_one_line_without_a_traceback(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_server_that_is_not_there_is_said_so() -> None:
    done = run("call", str(CALL), "--server", "127.0.0.1:1")
    assert done.returncode == 2
    assert "yuetone serve" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [PROGRAM, "call", str(CALL), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "started" in json.loads(process.stdout.readline())
    time.sleep(0.5)
    process.send_signal(number)
    _out, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_information_commands() -> None:
    assert run("version").stdout.startswith("yuetone ")
    assert "auto means: bundled" in run("models", "list").stdout
    assert "no text, as it should be" in run("models", "verify").stdout
    shown = run("config", "show", "--json").stdout
    assert json.loads(shown)["limits"]["max_watchers"] == 200
    explained = run("config", "explain").stdout
    for key in (
        "limits.max_calls",
        "profiles.NAME.alert_rules",
        "alerts.webhooks[].url",
        "profiles.NAME.agitation.voice",
    ):
        assert f"{key} = " in explained
    assert run("--help").returncode == 0


def test_shown_settings_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "yuetone.toml"
    file.write_text(run("config", "show").stdout)
    again = run("config", "show", "--config", str(file))
    assert again.stdout == file.read_text()


def test_a_command_is_loaded_when_it_is_called() -> None:
    """All together take a second and eighty megabytes, which a console or a probe has no use for."""
    heavy = "sqlalchemy", "pipeline.app", "jinja2"
    look = f"import sys, pipeline.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0
    assert f"Usage: yuetone {name}" in done.output
    assert done.output in CliRunner().invoke(app, [name, "-h"]).output
