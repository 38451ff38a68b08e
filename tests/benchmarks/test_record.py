"""The record's benchmark on a small scale: what it must show, it shows there too."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.record import run
from benchmarks.record.finding import finding
from benchmarks.record.forgetting import erasing, rotating, week
from benchmarks.record.writing import writing


def test_a_week_ends_with_the_calls_that_the_rules_keep() -> None:
    found = week(504, 3)
    assert found["calls"] == 504
    assert found["restores"] == 1
    assert 0 < found["left"] == found["should_be_left"] < found["calls"]
    assert (found["too_many"], found["missing"]) == (0, 0)


def test_nothing_of_erased_calls_is_left() -> None:
    found = erasing(100, 3)
    assert found["calls"] == found["found_before"] == 100
    left = ("found_after", "rows_left", "keys_left", "files_with_the_canary", "key_files_with_a_key")
    assert {name: found[name] for name in left} == dict.fromkeys(left, 0)


def test_everything_that_was_said_is_found() -> None:
    assert finding(1_200, 3)["recall"]["found"] == 1.0


def test_all_keys_are_rotated() -> None:
    assert rotating(3_000)["under"] == {"new": 3_000}


def test_a_writer_loses_nothing() -> None:
    found = writing(8, 200, 1)
    assert found["lost"] == 0
    assert found["on_disk_after"]["n"] == found["events"]


def test_the_command_writes_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["record", "--smoke", "--parts", "rotating", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    run.main()
    assert '"rotating"' in (tmp_path / "record.json").read_text("utf-8")
