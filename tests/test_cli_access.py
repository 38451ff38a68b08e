"""``yuetone access`` and ``yuetone audit``, as people type them, against a server that asks who they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import run_program

YUETONE = str(Path(sys.executable).with_name("yuetone"))
pytestmark = pytest.mark.integration


class Desk:
    """A folder with a store of tokens and an audit log, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "yuetone.toml"
        self.config.write_text(
            '[access]\nidentity = "required"\n[alerts]\nenabled = false\n[suggest]\nenabled = false\n'
        )
        self.environment = {
            "YUETONE_CONFIG": str(self.config),
            "YUETONE_ACCESS__STORE": str(folder / "access.db"),
            "YUETONE_AUDIT__FOLDER": str(folder / "audit"),
            "YUETONE_SERVER__METRICS_PORT": "none",
        }

    def run(self, *words: object, code: int = 0, **environment: str) -> str:
        done = run_program("yuetone", *words, env={**self.environment, **environment})
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    @contextmanager
    def server(self) -> Iterator[str]:
        command = [YUETONE, "serve", "--port", "0", "--model", "tiny"]
        environment = {**os.environ, **self.environment}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stderr is not None
            started = json.loads(process.stderr.readline())
            assert started["identity"] == "required"
            yield f"127.0.0.1:{started['port']}"
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_token_from_the_first_to_the_last_day(desk: Desk) -> None:
    create = ("access", "token", "create", "nightly figures", "--tenant", "bank", "--role", "supervisor")
    token = desk.run(*create, "--only", "call.list", "--only", "identity.show").strip()
    assert token.startswith("yt_")
    assert token not in desk.run("access", "token", "list")
    (row,) = json.loads(desk.run("access", "token", "list", "--json"))
    assert (row["owner"], row["tenant"], row["state"]) == ("nightly figures", "bank", "good")
    (desk.folder / "token").write_text(token)
    with desk.server() as address:
        shown = ("--server", address, "--token-file", desk.folder / "token")
        me = json.loads(desk.run("access", "whoami", *shown, "--json"))
        assert (me["tenant"], me["permissions"]) == ("bank", {"call.list": "tenant", "identity.show": "own"})
        assert "company: bank" in desk.run("access", "whoami", "--server", address, YUETONE_TOKEN=token)
        assert json.loads(desk.run("calls", "list", *shown, "--json"))["calls"] == []
        assert "UNAUTHENTICATED" in desk.run("calls", "list", "--server", address, code=1)
        refused = desk.run("call", "pipeline/demo/call.wav", *shown, "--speed", "0", code=1)
        assert "PERMISSION_DENIED" in refused
    assert "is void" in desk.run("access", "token", "revoke", f"yt_{row['prefix']}")
    assert json.loads(desk.run("access", "token", "list", "--json"))[0]["state"] == "revoked"
    assert "no API token begins" in desk.run("access", "token", "revoke", "yt_00000000", code=2)
    desk.run("access", "revoke", "oidc:staff:eve")
    actions = [json.loads(line)["action"] for line in desk.run("audit", "list", "--json").splitlines()]
    assert actions[0] == "access.token-create"
    assert "call.list" in actions
    assert [action for action in actions if action.startswith("server")] == ["server.start", "server.stop"]
    assert actions[-2:] == ["access.token-revoke", "access.revoke"]


def test_the_log_is_read_verified_proved_and_exported(desk: Desk) -> None:
    assert "no audit log" in desk.run("audit", "verify", code=2)
    for number in range(3):
        desk.run("access", "revoke", f"oidc:staff:{number}")
    key = desk.run("audit", "key").strip()
    assert "3 records from 0 on" in desk.run("audit", "verify", "--key", key)
    assert "access.revoke" in desk.run("audit", "list")
    (first, *_rest) = desk.run("audit", "list", "--json").splitlines()
    assert json.loads(first)["actor"]["id"].startswith("local:")
    assert desk.run("audit", "list", "--refused", "--json") == ""
    proof = desk.run("audit", "prove", "1")
    assert proof.startswith("c2sp.org/tlog-proof@v1\nindex 1\n")
    assert "first is number 0" in desk.run("audit", "prove", "9", code=2)
    events = [json.loads(line) for line in desk.run("audit", "export", "--after", "0").splitlines()]
    assert [event["metadata"]["uid"] for event in events] == ["1", "2"]
    checkpoint = desk.folder / "elsewhere.txt"
    checkpoint.write_text(proof.partition("\n\n")[2])
    (segment,) = (desk.folder / "audit").glob("*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:2]))
    assert "2 records" in desk.run("audit", "verify")
    (desk.folder / "empty").write_text("")
    assert "holds no checkpoint" in desk.run("audit", "verify", "--checkpoint", desk.folder / "empty", code=2)
    cut = desk.run("audit", "verify", "--checkpoint", checkpoint, code=1)
    assert "records 2 to 2 are gone" in cut
    segment.write_bytes(segment.read_bytes().replace(b"oidc:staff:0", b"oidc:staff:7"))
    assert "record 0 or 1 was changed" in desk.run("audit", "verify", code=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "--host", "0.0.0.0"), "--insecure"),  # noqa: S104 (that is what is refused)
        (("access", "token", "create", "x", "--tenant", "bank"), "role"),
        (("access", "token", "create", "x", "--tenant", "bank", "--role", "king"), "king"),
        (("access", "token", "create", "x", "--tenant", "", "--role", "agent"), "--tenant"),
        (("access", "token", "create", "x", "--tenant", "a", "--role", "agent", "--days", "1e9"), "--days"),
        (("access", "revoke", ""), "printable"),
        (("access", "revoke", "a\udcff"), "printable"),
        (("access", "whoami", "--token-file", "/none", "--server", "127.0.0.1:1"), "no server answers"),
        (("access", "whoami", "--token-file", "a", "--token-command", "b"), "give one of"),
        (("audit", "verify", "--folder", "/none"), "no audit log in /none"),
    ],
)
def test_mistakes_are_one_clear_line(desk: Desk, words: tuple[str, ...], said: str) -> None:
    assert said in desk.run(*words, code=2)
