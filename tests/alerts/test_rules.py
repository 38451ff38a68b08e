from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.alerts.profile_rules import read_rules
from pipeline.alerts.rules import AgitationRule, load_rules
from pipeline.config import ProfileSettings
from pipeline.errors import SettingsError
from pipeline.reloading import Reloaded

GOOD = '[[rule]]\nname = "a"\nwhen = "agitation"\n\n[[rule]]\nname = "b"\nwhen = "dead_air"\nsilence_s = 20\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_built_in_rules_are_good() -> None:
    rules = load_rules(None, frozenset({"authority", "manager", "profanity", "insult"}))
    assert {rule.when for rule in rules} == {"agitation", "words", "dead_air", "failed_suggestions"}


def test_a_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    first, second = load_rules(write(tmp_path, GOOD))
    assert isinstance(first, AgitationRule)
    assert first.needs_support
    assert second.name == "b"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('[[rule]]\nname = "a"\nwhen = "agitation"\nabove = 2\n', 4, "above"),
        ('[[rule]]\nname = "a"\nwhen = "agitation"\nabove = 0.2\n', 1, "calm_below < above"),
        (GOOD + '[[rule]]\nname = "a"\nwhen = "dead_air"\n', 10, "second rule"),
        (GOOD + '[[rule]]\nname = "c"\nwhen = "dead_air"\nsilense_s = 3\n', 12, "unknown field"),
        ('# x\n\n[[rule]]\nname = "a"\nwhen = "sometimes"\n', 3, "sometimes"),
        ('[[rule]]\nwhen = "dead_air"\n', 1, "name is missing"),
        ('[[rule]]\nname = "a"\nwhen = "words"\n', 1, "categories"),
        ('[[rule]]\nname = "a"\nwhen = "words"\ncategories = ["nonsense"]\n', 4, "nonsense"),
        ('[[rule]]\nname = "a"\nwhen = "words"\nphrases = [" "]\n', 1, "empty phrase"),
        ('[[rule]]\nname = "a b"\nwhen = "dead_air"\n', 2, "name"),
        ('[rule]\nname = "a"\n', 1, r"\[\[rule\]\]"),
        ("[[rule]]\nname = \n", 2, "line 2"),
        ("\nrules = 1\n", 2, "rules"),
        ('[[rule]]\nname = "a"\nwhen = "dead_air"\nseverity = "red"\n', 4, "severity"),
        ('[[rule]]\nname = "a"\nwhen = "dead_air"\ncooldown_s = inf\n', 4, "finite"),
        ('[[rule]]\nname = "a"\nwhen = "words"\nphrases = "abc"\n', 4, "list of texts"),
        ('[[rule]]\nname = "a"\n', 1, "when is missing"),
    ],
)
def test_an_error_names_file_line_and_reason(tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError, match=reason) as caught:
        load_rules(path, frozenset({"profanity"}))
    assert str(path) in str(caught.value)
    assert f"line {line}" in str(caught.value)


def test_a_missing_or_binary_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no file"):
        load_rules(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_rules(Path("~nobody-of-that-name/rules.toml"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_rules(tmp_path / "binary")


async def test_a_wrong_file_leaves_the_old_rules_in_force(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    profiles = {"default": ProfileSettings(), "own": ProfileSettings(alert_rules=path)}
    rules = Reloaded("rules", lambda: read_rules(profiles))
    before = rules.value["own"]
    path.write_text(GOOD + "[[rule]]\n", "utf-8")
    with pytest.raises(SettingsError, match=r"profiles.own.alert_rules: .*line 9"):
        await rules.reload()
    assert rules.value["own"] is before
    path.write_text(GOOD.replace("20", "30"), "utf-8")
    await rules.reload()
    assert getattr(rules.value["own"].rules[1], "silence_s", 0) == 30


def test_a_windows_file_with_its_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert len(load_rules(path)) == 2
