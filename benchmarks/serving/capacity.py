"""How many live streams one core carries: raises N until p95 of finals or of partial age breaks its limit.

    python -m benchmarks capacity
    python -m benchmarks capacity --final-ms 600 --partial-ms 1000 --chunk-ms 100
    python -m benchmarks capacity --device cuda --no-pin --start 64

N doubles until a limit breaks, then the last good and the first bad N are brought together. Each N runs on
a warm server, for the length of the test speech. Streams per core is the largest N that kept both limits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.facts import environment, write_result
from benchmarks.serving.figures import Limits, within
from benchmarks.serving.measuring import (
    arguments,
    conditions,
    cores_for,
    driver,
    measured,
    parser_for,
    speeches,
    take,
)
from benchmarks.serving.processes import TRANSCRIPTS_ONLY, yuetone

RESOLUTION = 0.08
"""The search ends when good and bad N are this close, as a share."""

Try = Callable[[int], Awaitable[dict[str, Any]]]


async def largest(
    start: int, most: int, limits: Limits, attempt: Try, latency: str = "final_latency"
) -> tuple[int, list[dict[str, Any]]]:
    """Return the largest N that keeps the limits (0 if none does), and every run.

    Args:
        start: first N.
        most: largest N to try.
        limits: to keep.
        attempt: runs N streams; returns their figures.
        latency: which of the figures is held against ``limits.final_s``.
    """
    runs: list[dict[str, Any]] = []
    good, bad, count = 0, 0, start
    while True:
        told = await attempt(count)
        runs.append(told)
        kept = within(told, limits, latency)
        print(json.dumps({**told, "kept": kept}), flush=True)
        good, bad = (count, bad) if kept else (good, count)
        if not bad:
            if count >= most:
                return good, runs
            count = min(most, 2 * count)
        elif bad - good <= max(1, RESOLUTION * bad):
            return good, runs
        else:
            count = (good + bad) // 2


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Search on one server."""
    pool, cores = speeches(options), cores_for(options)
    limits = Limits(final_s=options.final_ms / 1000, partial_s=options.partial_ms / 1000)
    settings = {} if options.everything else TRANSCRIPTS_ONLY
    async with yuetone(*arguments(options), cores=cores, settings=settings) as (process, address):
        await driver(address, options.chunk_ms, "warm")(take(pool, 1))
        tried = iter(range(1000))

        async def attempt(count: int) -> dict[str, Any]:
            drive = driver(address, options.chunk_ms, f"capacity-{next(tried)}")
            return await measured(process.pid, take(pool, count), drive)

        good, runs = await largest(options.start, options.most, limits, attempt)
    return {
        "benchmark": "capacity",
        **conditions(options),
        "limits_ms": {"final_p95": options.final_ms, "partial_age_p95": options.partial_ms},
        "streams_per_core": good,
        "environment": environment(),
        "runs": runs,
    }


def main() -> None:
    """Search, print, write."""
    parser = parser_for(__doc__, seconds=30)
    parser.add_argument("--start", type=int, default=16, help="first N")
    parser.add_argument("--most", type=int, default=512, help="largest N to try")
    parser.add_argument("--final-ms", type=float, default=1000, help="limit of p95 of finals")
    parser.add_argument("--partial-ms", type=float, default=1500, help="limit of p95 of partial age")
    options = parser.parse_args()
    if options.smoke:
        options.start, options.most = 1, 2
    result = asyncio.run(run(options))
    print(f"streams per core: {result['streams_per_core']}")
    print(write_result("capacity_all" if options.everything else "capacity", result, options.out))


if __name__ == "__main__":
    main()
