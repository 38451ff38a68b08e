"""Search the fusion settings on generated calls; ``benchmarks emotion`` measures on other speakers.

    python -m benchmarks.emotion.calibrate --data DATA

Prints every setting with recall, delay and false alerts, the best first: of those with no false alert and a
recall of at least 95 %, the one with the shortest median delay; of equals, the one that keeps calm calls
lowest.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.emotion.alerts import Outcome, calls, mood_rules, run_rules
from benchmarks.emotion.calls import GeneratedCall
from benchmarks.emotion.recorded import RecordedEngine, RecordedVad
from emotion import AgitationSettings
from emotion.engine import OnnxEmotion
from pipeline.alerts.rules import AgitationRule, Rule, load_rules
from vad.gated import GatedVad

SEED = 7
GRID = {
    "voice": (0.45, 0.55),
    "words": (0.85, 0.92),
    "behaviour": (0.4, 0.5),
    "rise_s": (0.6, 1.2),
    "above": (0.5, 0.55, 0.6),
    "for_s": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One setting and what came of it."""

    values: dict[str, float]
    recall: float
    delay: float
    false: int
    calm: float

    @property
    def rank(self) -> tuple[bool, bool, float, float]:
        """Smaller is better."""
        return self.false > 0, self.recall < 0.95, round(self.delay, 1), self.calm


def calibration_half(index: int, _count: int) -> bool:
    """Tell whether a customer is calibrated on; the others are measured on."""
    return index % 2 == 0


def settings() -> Iterator[dict[str, float]]:
    """Yield every setting of the grid."""
    for values in itertools.product(*GRID.values()):
        yield dict(zip(GRID, values, strict=True))


def rules_with(above: float, for_s: float) -> tuple[Rule, ...]:
    """Return the built-in mood rules with another threshold."""
    return tuple(
        rule.model_copy(update={"above": above, "for_s": for_s}) if isinstance(rule, AgitationRule) else rule
        for rule in mood_rules(load_rules())
    )


def trial(
    made: list[GeneratedCall], engine: RecordedEngine, vad: RecordedVad, values: dict[str, float]
) -> Trial:
    """Run every call with one setting."""
    fusion = {key: value for key, value in values.items() if key not in ("above", "for_s")}
    found: list[Outcome] = [
        run_rules(
            call, engine, vad, AgitationSettings(**fusion), rules_with(values["above"], values["for_s"])
        )[0]
        for call in made
    ]
    angry = [outcome for outcome in found if outcome.angry]
    delays = [outcome.delay for outcome in angry if outcome.delay is not None]
    return Trial(
        values=values,
        recall=len(delays) / max(1, len(angry)),
        delay=float(np.median(delays)) if delays else 99.0,
        false=sum(outcome.false for outcome in found),
        calm=max(outcome.highest for outcome in found if not outcome.angry),
    )


def main() -> None:
    """Run the search."""
    parser = argparse.ArgumentParser(description="search the fusion settings on generated calls")
    parser.add_argument("--data", type=Path, required=True, help="folder with ased and librispeech_mini")
    parser.add_argument("--calls", type=int, default=8, help="of each kind")
    chosen = parser.parse_args()
    made = calls(chosen.data, chosen.calls, SEED, calibration_half)
    engine, vad = RecordedEngine(OnnxEmotion()), RecordedVad(GatedVad())
    trials = [trial(made, engine, vad, values) for values in track(list(settings()), "settings")]
    table = Table(*GRID, "recall", "delay s", "false", "highest when calm", box=None)
    for found in sorted(trials, key=lambda one: one.rank)[:15]:
        figures = (f"{found.recall:.2f}", f"{found.delay:.1f}", str(found.false), f"{found.calm:.2f}")
        table.add_row(*map(str, found.values.values()), *figures)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
