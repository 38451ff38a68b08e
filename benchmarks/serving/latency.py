"""Latency of live calls: N paced streams over gRPC against a server on one core.

    python -m benchmarks latency
    python -m benchmarks latency --streams 1 8 32 --everything
    python -m benchmarks latency --streams 24 --gateways 1
    python -m benchmarks latency --device cuda --model /models/whisper-large-v3-turbo --no-pin

Final latency: from sending a sentence's last sample to receiving the final that covers it, the endpoint's
silence included. Partial age: from sending any 20 ms of speech to receiving the first text that covers
them. First partial: from sending a sentence's first sample to its first text. All are taken at the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from benchmarks.facts import environment, write_result
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


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every number of streams in turn on one server."""
    pool, cores = speeches(options), cores_for(options)
    settings = {} if options.everything else TRANSCRIPTS_ONLY
    runs = []
    fronts = ["--gateways", str(options.gateways)] if options.gateways else []
    async with yuetone(*arguments(options), *fronts, cores=cores, settings=settings) as (process, address):
        await driver(address, options.chunk_ms, "warm")(take(pool, 1))
        for count in options.streams:
            drive = driver(address, options.chunk_ms, "latency")
            runs.append(await measured(process.pid, take(pool, count), drive))
            print(json.dumps(runs[-1]), flush=True)
    return {
        "benchmark": "latency",
        **conditions(options),
        "gateways": options.gateways,
        "environment": environment(),
        "runs": runs,
    }


def main() -> None:
    """Measure, print, write."""
    parser = parser_for(__doc__, seconds=60)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 24], help="how many at once")
    parser.add_argument("--gateways", type=int, default=0, help="processes for the wire, on the same core")
    options = parser.parse_args()
    if options.smoke:
        options.streams = [1, 2]
    result = asyncio.run(run(options))
    name = "latency" + "_all" * options.everything + "_gateways" * bool(options.gateways)
    print(write_result(name, result, options.out))


if __name__ == "__main__":
    main()
