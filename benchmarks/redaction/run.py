"""Redaction: what is found in dialogues, what is readable live, what it costs, what is left in sound.

    python -m benchmarks redaction                     # text, live and cost: about a minute
    python -m benchmarks redaction --parts sound --calls 40 --syllables FOLDER
    python -m benchmarks redaction --parts digits --calls 100 --digits FOLDER --sentences FOLDER
    python -m benchmarks redaction --smoke

The sets ``a`` to ``g`` were written by hand, each by somebody who had not seen the program; it was then
improved on them, so that only the figures of their first run (docs/privacy.md) tell how it does on new ones.
Sound speaks dialogues in synthetic voices and has them heard by the server and, once they are cut, by a
second recogniser; digits does the same with numbers that real people have dictated.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.facts import environment
from benchmarks.redaction.dialogues import Dialogue, read_dialogues
from benchmarks.redaction.generate import SEED, Corpus
from benchmarks.redaction.live import replay
from benchmarks.redaction.score import score
from benchmarks.redaction.sound import digits, sound
from cantonese.personal import dialogue_spans
from cantonese.personal.finding import find
from cantonese.personal.reading import Reading

SETS = Path(__file__).with_name("sets")
PARTS = ("text", "live", "cost", "sound", "digits")
HOSTILE = (
    "一",
    "九一二三",
    "A 1 ",
    "one two ",
    "1",
    "，",
    "a at b dot c ",
    "陳小姐",
    "沙田一座",
    "八八年",
    "$1,",
)
"""What texts of an attacker are made of."""


def texts(count: int) -> dict[str, Any]:
    """Return the scores of the generated corpus and of each set."""
    by_set: dict[str, list[Dialogue]] = {"generated": list(Corpus().dialogues(count))}
    for name, dialogue in read_dialogues(sorted(SETS.glob("*.jsonl"))):
        by_set.setdefault(name, []).append(dialogue)
    return {name: score(dialogues) for name, dialogues in by_set.items()}


def hostile() -> dict[str, float]:
    """Return the longest time that a text of 10 kB, the longest that is read, and many turns take, ms."""
    worst = {"10_kB": 0.0, "600_characters": 0.0}
    for unit in HOSTILE:
        for name, size in (("10_kB", 10_000 // len(unit.encode())), ("600_characters", 600 // len(unit))):
            began = time.perf_counter()
            find(Reading(unit * size))
            worst[name] = max(worst[name], (time.perf_counter() - began) * 1000)
    for turns in (1_000, 8_000):
        began = time.perf_counter()
        dialogue_spans([("agent" if number % 2 else "customer", "係") for number in range(turns)])
        worst[f"{turns}_turns"] = (time.perf_counter() - began) * 1000
    return {name: round(value, 2) for name, value in worst.items()}


def main() -> None:
    """Measure and print; write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=["text", "live", "cost"], help="what to measure"
    )
    parser.add_argument("--dialogues", type=int, default=2_200, help="generated ones")
    parser.add_argument("--calls", type=int, default=200, help="replayed, or rendered for sound")
    parser.add_argument("--syllables", type=Path, help="folder of recorded syllables, for sound")
    parser.add_argument("--cache", type=Path, default=Path("runs/syllables.npz"), help="their analysis")
    parser.add_argument("--digits", type=Path, help="folder of recorded English digits, for digits")
    parser.add_argument("--sentences", type=Path, help="folder of read English sentences, for digits")
    parser.add_argument("--second", default="whisper-base", help="the second recogniser, for sound")
    parser.add_argument("--smoke", action="store_true", help="a few seconds, to see that it runs")
    parser.add_argument("--out", type=Path, help="folder for the JSON result")
    options = parser.parse_args()
    if options.smoke:
        options.dialogues, options.calls = 60, 10
    result: dict[str, Any] = {"benchmark": "redaction", "seed": SEED, "environment": environment()}
    if "text" in options.parts:
        result["text"] = texts(options.dialogues)
    if "live" in options.parts:
        result["live"] = replay(list(Corpus(SEED + 1).dialogues(options.calls)), SEED)
    if "cost" in options.parts:
        result["hostile_ms"] = hostile()
    if "sound" in options.parts:
        result["sound"] = sound(options.calls, options.syllables, options.second, options.cache)
    if "digits" in options.parts:
        result["digits"] = digits(options.calls, options.digits, options.sentences, options.second)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if options.out:
        path = options.out / "redaction.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**before, **result}, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
