"""``yuetone console`` as an operator types it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import run_program

YUETONE = Path(sys.executable).with_name("yuetone")


def user(config: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(YUETONE), "console", "user", *arguments, "--config", str(config)]
    return subprocess.run(command, input=typed, capture_output=True, text=True, check=False)


def test_people_are_added_listed_and_taken_out(tmp_path: Path) -> None:
    config, token = tmp_path / "console.toml", tmp_path / "alice.token"
    config.write_text(f'[console]\nusers = "{tmp_path / "users.json"}"\n', "utf-8")
    token.write_text("yt_secret\n", "ascii")
    password = "correct horse battery"  # noqa: S105
    added = user(config, "add", "alice", "--token-file", str(token), typed=f"{password}\n")
    assert (added.returncode, added.stdout) == (0, "alice can log in\n")
    (kept,) = json.loads((tmp_path / "users.json").read_text("utf-8"))
    assert (kept["name"], kept["token"]) == ("alice", "yt_secret")
    assert password not in kept["password"]
    assert user(config, "list").stdout == "alice\n"
    assert user(config, "remove", "alice").returncode == 0
    assert user(config, "list").stdout == ""
    for told, done in (
        ("no user 'bob'", user(config, "remove", "bob")),
        ("at least 10 characters", user(config, "add", "bob", typed="short\n")),
        ("cannot be read", user(config, "add", "bob", "--token-file", str(tmp_path / "none"))),
    ):
        assert told in done.stderr
        assert done.returncode != 0
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--host", "192.0.2.1"), "console: login = 'off' is for loopback only"),
        (("--port", "99999"), "console.port"),
        (("--config", "/nowhere/console.toml"), "cannot be read"),
    ],
)
def test_settings_that_will_not_do_are_one_line(arguments: tuple[str, ...], told: str) -> None:
    done = run_program("yuetone", "console", *arguments)
    assert done.returncode != 0
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_program("yuetone", "console", "--port", taken.getsockname()[1])
    assert "cannot listen on" in done.stderr
    assert done.returncode != 0


def test_help_has_examples_and_names_the_table_of_settings() -> None:
    told = run_program("yuetone", "console", "--help").stdout
    assert "yuetone console --open" in told
    assert "[console]" in told
