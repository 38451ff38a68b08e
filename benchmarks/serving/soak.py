"""Endurance: N calls for a long time; fails when memory, threads, files or lag keep growing.

    python -m benchmarks soak
    python -m benchmarks soak --streams 40 --minutes 120 --everything
    python -m benchmarks soak --minutes 60 --call-minutes 5

A call's finals are kept until it ends (watchers and resumed streams read them), so memory grows with the
length of calls, and must not grow with their number. Samples the server every few seconds. A slope is that of
the straight line through the samples behind the first quarter (caches fill, the allocator settles); it fails
when it is larger than its limit and would not come about by chance (t > 3).
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.facts import environment, write_result
from benchmarks.serving.figures import figures
from benchmarks.serving.load import run_streams
from benchmarks.serving.measuring import arguments, conditions, cores_for, parser_for, speeches, take
from benchmarks.serving.processes import TRANSCRIPTS_ONLY, usage, yuetone
from benchmarks.serving.record import StreamRecord
from benchmarks.serving.speech import Said, Speech

LIMITS_PER_HOUR = {"resident_mib": 20.0, "threads": 1.0, "handles": 2.0, "final_ms": 100.0}
SIGNIFICANT = 3.0
SHOWN = 60
"""Samples kept in the result."""


def looped(speech: Speech, seconds: float) -> Speech:
    """Return ``speech`` over and over, for about ``seconds``."""
    times = max(1, math.ceil(seconds / speech.seconds))
    span = len(speech.pcm) * 1000 // 16_000
    said = [
        Said(start_ms=s.start_ms + n * span, end_ms=s.end_ms + n * span, text=s.text)
        for n in range(times)
        for s in speech.said
    ]
    return Speech(pcm=np.tile(speech.pcm, times), said=tuple(said))


def slope(times: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Return growth an hour, its standard error's multiple t, and first and last level of ``values``."""
    x, y = np.asarray(times, float), np.asarray(values, float)
    keep = np.isfinite(y) & (x >= x.min() + (x.max() - x.min()) / 4)
    x, y = x[keep], y[keep]
    if len(x) < 3 or np.ptp(x) == 0:
        return {"per_hour": 0.0, "t": 0.0, "from": 0.0, "to": 0.0}
    rate, start = np.polyfit(x, y, 1)
    rest = y - (rate * x + start)
    error = math.sqrt(float(rest @ rest) / max(1, len(x) - 2)) / math.sqrt(float(((x - x.mean()) ** 2).sum()))
    t = rate / error if error > 0 else (0.0 if rate == 0 else math.copysign(99.0, rate))
    line = rate * x[[0, -1]] + start
    return {"per_hour": round(float(rate) * 3600, 3), "t": round(float(t), 2),
            "from": round(float(line[0]), 2), "to": round(float(line[1]), 2)}  # fmt: skip


def verdict(found: dict[str, dict[str, float]]) -> list[str]:
    """Return the names of what grew."""
    return [
        name
        for name, limit in LIMITS_PER_HOUR.items()
        if found[name]["per_hour"] > limit and found[name]["t"] > SIGNIFICANT
    ]


async def _watch(pid: int, every_s: float) -> list[dict[str, float]]:
    """Sample until cancelled."""
    samples: list[dict[str, float]] = []
    try:
        while True:
            samples.append({"at": time.monotonic(), **dataclasses.asdict(usage(pid))})
            await asyncio.sleep(every_s)
    except asyncio.CancelledError:
        return samples


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the calls and judge."""
    pool, cores = speeches(options), cores_for(options)
    each = options.call_minutes or options.minutes
    long = [looped(speech, each * 60) for speech in take(pool, options.streams)]
    rounds = max(1, round(options.minutes / each))
    settings = {} if options.everything else TRANSCRIPTS_ONLY
    async with yuetone(*arguments(options), cores=cores, settings=settings) as (process, address):
        await run_streams(address, take(pool, options.streams), chunk_ms=options.chunk_ms, prefix="warm")
        watch = asyncio.create_task(_watch(process.pid, options.every_s), name="watch")
        records: list[StreamRecord] = []
        for number in range(rounds):
            prefix = f"soak-{number}"
            records += await run_streams(address, long, chunk_ms=options.chunk_ms, prefix=prefix)
        watch.cancel()
        samples = await watch
    found = slopes(samples, records)
    return {
        "benchmark": "soak",
        **conditions(options),
        "streams": options.streams,
        "minutes": round(rounds * max(speech.seconds for speech in long) / 60, 1),
        "call_minutes": round(max(speech.seconds for speech in long) / 60, 1),
        "environment": environment(),
        **figures(records),
        "slopes": found,
        "grew": [] if options.smoke else verdict(found),  # seconds say nothing about a slope
        "samples": [
            {name: round(value, 2) for name, value in sample.items()}
            for sample in samples[:: max(1, len(samples) // SHOWN)]
        ],
    }


def slopes(
    samples: Sequence[dict[str, float]], records: Sequence[StreamRecord]
) -> dict[str, dict[str, float]]:
    """Return the slope of everything that must not grow."""
    times = [sample["at"] for sample in samples]
    found = {
        name: slope(times, [sample[name] for sample in samples])
        for name in ("resident_mib", "threads", "handles")
    }
    finals = [
        (sent, latency * 1000)
        for record in records
        for said, latency in zip(record.said, record.final_latencies(), strict=True)
        if (sent := record.sent_at(said.end_ms)) is not None
    ]
    found["final_ms"] = slope([at for at, _ in finals], [latency for _, latency in finals])
    return found


def main() -> None:
    """Run, print, write; exit with 1 if something grew."""
    parser = parser_for(__doc__, seconds=60)
    parser.add_argument("--streams", type=int, default=20, help="calls at once")
    parser.add_argument("--minutes", type=float, default=20, help="how long")
    parser.add_argument(
        "--call-minutes",
        type=float,
        default=0,
        help="each call, one behind the other; 0: one for all the time",
    )
    parser.add_argument("--every-s", type=float, default=5, help="between two samples")
    options = parser.parse_args()
    if options.smoke:
        options.streams, options.minutes, options.every_s = 2, 0.2, 1
    result = asyncio.run(run(options))
    print(json.dumps({"slopes": result["slopes"], "grew": result["grew"], "failed": result["failed"]}))
    print(write_result("soak", result, options.out))
    sys.exit(1 if result["grew"] or result["failed"] else 0)


if __name__ == "__main__":
    main()
