"""Vocal emotion and alerts, measured on what the bundled model was never trained on.

    python -m benchmarks emotion --data DATA --out benchmarks/results
    python -m benchmarks emotion --smoke

DATA holds the folders ased, librispeech_mini and jyutnet; without it, only cost and refusals are measured.
The leave-one-speaker-out figures of Emo-DB need the networks of the training recipe and are in its report
(scripts/finetune/emotion/report.json).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks.emotion.alerts import calls, run_rules, table
from benchmarks.emotion.calibrate import calibration_half
from benchmarks.emotion.cost import cost, refused, sentences
from benchmarks.emotion.voices import FileJudge, ased, false_alarms
from benchmarks.facts import environment
from emotion import AgitationSettings
from emotion.directory import BUNDLED
from emotion.engine import OnnxEmotion
from vad.gated import GatedVad

SEED = 99


def _measured(index: int, count: int) -> bool:
    return not calibration_half(index, count)


def measure(data: Path | None, model: Path, count: int, limit: int) -> dict[str, Any]:
    """Return every table.

    Args:
        data: folder of the sets; None leaves out what needs them.
        model: of the voice.
        count: generated calls of each kind.
        limit: clips of each set, 0 for all.
    """
    engine, vad = OnnxEmotion(model), GatedVad()
    found: dict[str, Any] = {
        "model": engine.name,
        "cost": cost(engine, vad, model, 20 if limit else 200),
        "refused": refused(engine),
        "sentences": sentences(),
    }
    if data is None:
        return found
    judge = FileJudge(engine, vad)
    found["ased"] = ased(judge, engine, data, limit)
    found["ordinary"] = {
        name: false_alarms(judge, data, name, limit or 300) for name in ("jyutnet", "librispeech_mini")
    }
    made = calls(data, count, SEED, _measured)
    settings = AgitationSettings()
    for name, words in (("alerts", True), ("alerts, voice alone", False)):
        outcomes = [run_rules(call, engine, vad, settings, words=words)[0] for call in track(made, name)]
        found[name] = table(outcomes)
    return found


def commit() -> str:
    """Return the commit that is measured, with a mark if files were changed."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Measure and print; write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--model", type=Path, default=BUNDLED, help="emotion model directory")
    parser.add_argument("--calls", type=int, default=40, help="generated calls of each kind")
    parser.add_argument("--smoke", action="store_true", help="a quick look: few clips, few calls")
    parser.add_argument("--out", type=Path, help="folder for the JSON result")
    chosen = parser.parse_args()
    threadpool_limits(1)
    count, limit = (1, 12) if chosen.smoke else (chosen.calls, 0)
    result = {
        "benchmark": "emotion",
        "commit": commit(),
        "seed": SEED,
        "smoke": chosen.smoke,
        "environment": environment(),
        **measure(chosen.data, chosen.model, count, limit),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "emotion.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
