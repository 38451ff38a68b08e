"""What the redaction benchmark must find: a change that loses personal data does not pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.redaction import run
from benchmarks.redaction.dialogues import marked, read_dialogues
from benchmarks.redaction.generate import SEED, Corpus
from benchmarks.redaction.live import replay
from benchmarks.redaction.score import score

GENERATED = 300


def test_every_generated_value_is_found_and_other_numbers_stay() -> None:
    found = score(Corpus().dialogues(GENERATED))
    assert found["values"] > GENERATED
    assert found["found"] >= 0.995
    assert found["secrets_found"] == 1.0
    assert found["kept"] >= 0.97
    assert found["hidden_in_vain"] <= 0.015


@pytest.mark.parametrize(
    ("name", "least"),
    [("a", 0.985), ("b", 0.93), ("c", 0.97), ("d", 0.96), ("e", 0.96), ("f", 0.95), ("g", 0.9)],
)
def test_handwritten_dialogues_stay_found(name: str, least: float) -> None:
    found = score(dialogue for _name, dialogue in read_dialogues([run.SETS / f"{name}.jsonl"]))
    assert found["found"] >= least
    assert found["secrets_found"] >= (0.9 if name == "g" else 0.975)
    assert found["kept"] >= (0.94 if name == "g" else 0.95)
    assert found["hidden_in_vain"] <= 0.04


def test_nothing_is_readable_at_any_moment_of_replayed_calls() -> None:
    found = replay(list(Corpus(SEED + 1).dialogues(60)), SEED)
    assert found["values_of_five_digits"] > 30
    assert found["readable_at_some_moment"] == 0
    assert found["shown_again"] > 0
    assert found["shown_again_after_s"]["max"] <= 1.5


def test_what_is_not_hidden_is_counted() -> None:
    """The score can fail: a value that no rule finds, and a number that is hidden although it should stay."""
    missed = score(
        [(marked("customer", "總數[[phone:三百蚊]]"), marked("agent", "{{order:九一二三四五六七}}"))]
    )
    assert missed["found"] == 0.0
    assert missed["kept"] == 0.0


def test_the_command_writes_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["redaction", "--smoke", "--parts", "text", "--out", str(tmp_path)])
    sets: dict[str, Any] = dict.fromkeys(["generated", *"abcdefg"])
    run.main()
    written = (tmp_path / "redaction.json").read_text("utf-8")
    assert all(f'"{name}"' in written for name in sets)
    assert "environment" in capsys.readouterr().out
