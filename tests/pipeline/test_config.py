from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_settings
from pipeline.errors import SettingsError


def test_flags_beat_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "yuetone.toml"
    file.write_text(
        '[server]\nport = 1\nhost = "::1"\n[limits]\nmax_calls = 3\n[profiles.sales.vad]\nhangover_ms = 600\n'
    )
    monkeypatch.setenv("YUETONE_LIMITS__MAX_CALLS", "7")
    monkeypatch.setenv("YUETONE_CONFIG", str(file))
    settings = load_settings(flags={"server": {"port": 2}})
    assert (settings.server.port, settings.server.host, settings.limits.max_calls) == (2, "::1", 7)
    assert settings.profiles["sales"].vad.hangover_ms == 600
    assert "default" in settings.profiles


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprt = 1", "server.prt: unknown key"),
        ("x = 1", "x: unknown key"),
        ("[server]\nport = 70000", "server.port"),
        ('[server]\ntls_key = "/nowhere"', "no file at /nowhere"),
        ("[profiles.a.vad]\nonset = 0.1", "vad: need 0 < offset"),
        ("[profiles.a.vad]\nfoo = 1", "profiles.a.vad.foo"),
        ("not toml", "cannot read settings"),
    ],
)
def test_wrong_files_are_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "yuetone.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings(file)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUETONE_PROT", "1")
    with pytest.raises(SettingsError, match="YUETONE_PROT"):
        load_settings()


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match="no configuration file at /nowhere"):
        load_settings(Path("/nowhere"))
