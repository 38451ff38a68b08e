"""The record: what survives a kill, what writing costs, finding, erasing, a week of calls.

    python -m benchmarks record                               # a quarter of an hour, without the kills
    python -m benchmarks record --parts crash --kills 200     # ten seconds a kill
    python -m benchmarks record --smoke

``crash`` kills servers (SIGKILL) under live calls that play the bundled call, and reads what is on disk.
``read-only`` lets an ext4 fail under a writer (as root). ``importing`` transcribes an archive, beside plain
faster-whisper. The other parts work in this process, on sentences of HKCanCor. Writes
benchmarks/results/record.json; parts that are not run keep their older figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.facts import RESULTS, environment, write_result
from benchmarks.record.crash import crash
from benchmarks.record.finding import finding
from benchmarks.record.forgetting import erasing, rotating, week
from benchmarks.record.importing import importing
from benchmarks.record.keeping import keeping
from benchmarks.record.read_only import read_only
from benchmarks.record.writing import writing

SEED = 22
PARTS = ("keeping", "writing", "finding", "erasing", "rotating", "week", "crash", "read-only", "importing")


def main() -> None:
    """Run the parts that are asked for."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--parts", nargs="+", choices=PARTS)
    parser.add_argument(
        "--postgresql", nargs=1, default=(), help="URL of an empty database, to write there too"
    )
    parser.add_argument("--kills", type=int, default=20, help="servers that are killed")
    parser.add_argument("--streams", type=int, default=24, help="calls at once when one is killed")
    parser.add_argument("--durability", choices=("relaxed", "strict"), default="relaxed")
    parser.add_argument("--utterances", type=int, default=1_000_000, help="in the record that is searched")
    parser.add_argument("--model", default="whisper-base", help="that imports, and that faster-whisper has")
    parser.add_argument("--archive", type=Path, help="recordings to import, in place of the bundled call")
    parser.add_argument("--smoke", action="store_true", help="small: whether it runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    small = chosen.smoke
    works: dict[str, Callable[[], Any]] = {
        "keeping": lambda: [keeping(calls, 3 if small else 30) for calls in ((4,) if small else (24, 48))],
        "writing": lambda: [
            writing(calls, calls * 3, 2 if small else 30, store)
            for store in (None, *chosen.postgresql)
            for calls in ((48,) if small else (48, 1_000))
        ],
        "finding": lambda: finding(6_000 if small else chosen.utterances, SEED),
        "erasing": lambda: erasing(100 if small else 1_000, SEED),
        "rotating": lambda: rotating(10_000 if small else 1_000_000),
        "week": lambda: week(500 if small else 10_080, SEED),
        "crash": lambda: crash(1 if small else chosen.kills, chosen.streams, chosen.durability, SEED),
        "importing": lambda: importing(chosen.model, 2 if small else 3, chosen.archive),
        "read-only": lambda: read_only(2 if small else 20, SEED),
    }
    parts = chosen.parts or [name for name in works if name not in ("crash", "read-only", "importing")]
    path = chosen.out / "record.json"
    before = json.loads(path.read_text("utf-8")) if path.is_file() and not small else {}
    before.pop("command", None)
    result = {**before, "benchmark": "record", "environment": environment()}
    for name in parts:
        found = works[name]()
        result[f"crash_{chosen.durability}" if name == "crash" else name] = found
        print(json.dumps({name: found}, indent=1), flush=True)
    write_result("record", result, chosen.out)


if __name__ == "__main__":
    main()
