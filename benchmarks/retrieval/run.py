"""Reply suggestions: quality on sets of queries, speed by number of articles, latency in live calls.

    python -m benchmarks retrieval                                   # everything, about a quarter of an hour
    python -m benchmarks retrieval --parts quality ablation
    python -m benchmarks retrieval --parts speed --sizes 100 10000
    python -m benchmarks retrieval --smoke                           # half a minute, to see that it runs

Quality is told on the halves that nothing was tuned on, and on one whole set that was written last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from benchmarks.facts import environment
from benchmarks.retrieval.live import live
from benchmarks.retrieval.quality import SETS, ablation, quality
from benchmarks.retrieval.speed import SEED, speed

PARTS = ("quality", "ablation", "speed", "live")


def main() -> None:
    """Measure and print; write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000], help="articles")
    parser.add_argument("--calls", type=int, default=4, help="live calls at once")
    parser.add_argument("--smoke", action="store_true", help="one small set, one small size")
    parser.add_argument("--out", type=Path, help="folder for the JSON result")
    options = parser.parse_args()
    files = sorted(SETS.glob("*/*.jsonl"))
    if options.smoke:
        files, options.sizes, options.parts = files[:1], [50], ["quality", "speed"]
    result: dict[str, object] = {"benchmark": "retrieval", "seed": SEED, "environment": environment()}
    if "quality" in options.parts:
        result["quality"] = quality(files)
    if "ablation" in options.parts:
        result["ablation"] = ablation(files)
    if "speed" in options.parts:
        result["speed"] = speed(options.sizes)
    if "live" in options.parts:
        result["live"] = asyncio.run(live(options.calls))
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if options.out:
        _store(options.out / "retrieval.json", result)


def _store(path: Path, result: dict[str, object]) -> None:
    """Write the result over what was there; parts that were not measured stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**before, **result}, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
