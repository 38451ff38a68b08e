"""Who is at the screen: settings, users, sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.auth import users as users_module
from console.auth.guesses import MOST, NAMES, WAIT_S, Guesses
from console.auth.sessions import Sessions
from console.auth.users import LocalUsers, hashed
from console.backend import Person, person_with
from console.errors import ConsoleSettingsError
from console.settings import read_settings

GOOD = "correct horse battery"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"host": "192.0.2.1"}, "loopback"),
        ({"host": "192.0.2.1", "login": "local"}, "tls_certificate"),
        ({"login": "proxy"}, "proxy_addresses"),
        ({"origin": "desk.example"}, "scheme and host"),
        ({"tls_key": "/k"}, "belong together"),
        ({"frame_ancestors": ["http://crm.example"]}, "https"),
        ({"port": 99_999}, "port"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_settings_that_are_not_safe_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConsoleSettingsError, match=told):
        read_settings(None, **values)


def test_settings_of_a_file_and_options_before_them(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    file.write_text('[console]\nserver = "asr:1"\nport = 9000\n', "utf-8")
    chosen = read_settings(file, port=9001)
    assert (chosen.server, chosen.port) == ("asr:1", 9001)
    file.write_text("[console", "utf-8")
    with pytest.raises(ConsoleSettingsError, match="TOML"):
        read_settings(file)
    with pytest.raises(ConsoleSettingsError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")


def test_a_user_logs_in_with_the_right_password_alone(tmp_path: Path) -> None:
    users = LocalUsers(tmp_path / "users.json")
    users.add("alice", GOOD, "yt_token")
    users.add("bob", GOOD, None)
    assert users.names() == ["alice", "bob"]
    assert users.person("alice", GOOD) == person_with("alice", "yt_token")
    assert users.person("alice", GOOD + "x") is None
    assert users.person("nobody", GOOD) is None
    assert (tmp_path / "users.json").stat().st_mode & 0o777 == 0o600
    assert GOOD not in (tmp_path / "users.json").read_text("utf-8")
    assert users.remove("alice")
    assert not users.remove("alice")
    assert users.person("alice", GOOD) is None


def test_a_name_that_is_not_there_costs_a_hash_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users, made = LocalUsers(tmp_path / "users.json"), list[bytes | None]()
    users.add("alice", GOOD, None)

    def counted(password: str, salt: bytes | None = None) -> str:
        made.append(salt)
        return hashed(password, salt)

    monkeypatch.setattr(users_module, "hashed", counted)
    assert users.person("nobody", GOOD) is None
    assert users.person("alice", "wrong password") is None
    assert [salt is not None and len(salt) for salt in made] == [
        16,
        16,
    ]  # nobody can tell the two by their time


def test_passwords_and_names_that_will_not_do(tmp_path: Path) -> None:
    users = LocalUsers(tmp_path / "users.json")
    for name, password in (("alice", "short"), ("", GOOD), ("x" * 65, GOOD)):
        with pytest.raises(ConsoleSettingsError):
            users.add(name, password, None)
    (tmp_path / "users.json").write_text("{", "utf-8")
    with pytest.raises(ConsoleSettingsError, match="no file of users"):
        users.person("alice", GOOD)


async def test_sessions_end_by_time_by_idleness_and_by_hand() -> None:
    now = 0.0
    sessions = Sessions(100, 30, lambda: now)
    first = sessions.begin(Person(name="a"))
    now = 29
    assert sessions.find(first.id) is first
    now = 58
    assert sessions.find(first.id, touch=False) is first
    now = 60
    assert sessions.find(first.id) is None
    assert first.ended.is_set()
    second = sessions.begin(Person(name="a"))
    for _ in range(5):
        now += 25
        sessions.find(second.id)
    assert sessions.find(second.id) is None  # however busy: 100 s are over
    third = sessions.begin(Person(name="a"))
    sessions.end(third.id)
    assert sessions.find(third.id) is None
    assert sessions.find(None) is None


def test_a_name_that_is_guessed_at_is_closed_for_a_while() -> None:
    now = 0.0
    guesses = Guesses(lambda: now)
    for _ in range(MOST):
        assert guesses.may("alice")
        guesses.wrong("alice")
    assert not guesses.may("alice")
    assert guesses.may("bob")
    now = WAIT_S
    assert guesses.may("alice")
    guesses.wrong("alice")
    assert guesses.may("alice")  # it counts anew
    for _ in range(MOST - 1):
        guesses.wrong("alice")
    assert not guesses.may("alice")
    guesses.right("alice")
    assert guesses.may("alice")


def test_names_that_are_guessed_at_are_bounded() -> None:
    guesses = Guesses(lambda: 0.0)
    for number in range(NAMES + 5):
        guesses.wrong(str(number))
    assert len(guesses._wrong) == NAMES
