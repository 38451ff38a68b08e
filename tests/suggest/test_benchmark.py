"""The benchmark runs, and tells what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_smoke_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "retrieval", "--smoke", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2], timeout=300)
    result = json.loads((tmp_path / "retrieval.json").read_text("utf-8"))
    assert result["speed"][0]["search"]["p99_ms"] > 0
    (told,) = result["quality"].values()
    assert 0 < told["tfidf_pairs"]["top1"] < told["top1"] <= told["top3"] <= 1
