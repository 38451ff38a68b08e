"""Latency of live calls: N paced streams over gRPC against a server on one core.

    python -m benchmarks latency
    python -m benchmarks latency --streams 1 8 32 --everything
    python -m benchmarks latency --streams 24 --gateways 1
    python -m benchmarks latency --streams 40 --record off relaxed strict off relaxed strict
    python -m benchmarks latency --device cuda --model /models/whisper-large-v3-turbo --no-pin

Final latency: from sending a sentence's last sample to receiving the final that covers it, the endpoint's
silence included. Partial age: from sending any 20 ms of speech to receiving the first text that covers
them. First partial: from sending a sentence's first sample to its first text. All are taken at the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
import urllib.request
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
from benchmarks.serving.processes import TRANSCRIPTS_ONLY, free_port, yuetone
from benchmarks.serving.speech import Speech
from pipeline.record.master_keys import new_line


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every number of streams in turn, on one server for each way of keeping calls."""
    pool = speeches(options)
    runs = [run for record in options.record for run in await _runs(options, pool, record)]
    return {
        "benchmark": "latency",
        **conditions(options),
        "gateways": options.gateways,
        "environment": environment(),
        "runs": runs,
    }


async def _runs(options: argparse.Namespace, pool: list[Speech], record: str) -> list[dict[str, Any]]:
    """Measure every number of streams in turn on one server.

    Args:
        options: from the command line.
        pool: speech.
        record: how calls are kept: off, relaxed or strict.
    """
    settings = {} if options.everything else TRANSCRIPTS_ONLY
    fronts = ["--gateways", str(options.gateways)] if options.gateways else []
    runs = []
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as folder:
        kept = {} if record == "off" else _keeping(folder, record)
        port = str(free_port())
        async with yuetone(
            *arguments(options),
            *fronts,
            "--metrics-port",
            port,
            cores=cores_for(options),
            settings={**settings, **kept},
        ) as (process, address):
            await driver(address, options.chunk_ms, "warm")(take(pool, 1))
            for count in options.streams:
                drive = driver(address, options.chunk_ms, "latency")
                run = await measured(process.pid, take(pool, count), drive)
                waits = await asyncio.to_thread(_waits, port) if record == "strict" else {}
                runs.append({"record": record, **run, **waits})
                print(json.dumps(runs[-1]), flush=True)
    return runs


def _waits(port: str) -> dict[str, Any]:
    """Return how long events have waited for the disk until now: counts by the most that they took, s."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    buckets = re.findall(r'yuetone_record_wait_seconds_bucket\{le="([^"]+)"\} (\S+)', text)
    return {"waited_for_the_disk": {most: int(float(count)) for most, count in buckets}}


def _keeping(folder: str, durability: str) -> dict[str, str]:
    """Return the settings of a server that keeps its calls, text and sound, in a folder."""
    return {
        "YUETONE_RECORD__ENABLED": "true",
        "YUETONE_RECORD__FOLDER": f"{folder}/record",
        "YUETONE_RECORD__KEYS": f"{folder}/keys.db",
        "YUETONE_RECORD__KEY": new_line("benchmark"),
        "YUETONE_RECORD__CLASSES": '{"service": {"keep_days": 1}}',
        "YUETONE_PROFILES__DEFAULT__RECORD__DURABILITY": durability,
    }


def main() -> None:
    """Measure, print, write."""
    parser = parser_for(__doc__, seconds=60)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 24], help="how many at once")
    parser.add_argument("--gateways", type=int, default=0, help="processes for the wire, on the same core")
    parser.add_argument(
        "--record", nargs="+", choices=("off", "relaxed", "strict"), default=["off"],
        help="how calls are kept, one server after the other",
    )  # fmt: skip
    options = parser.parse_args()
    if options.smoke:
        options.streams = [1, 2]
    result = asyncio.run(run(options))
    name = "latency" + "_all" * options.everything + "_gateways" * bool(options.gateways)
    name += "_record" * (options.record != ["off"])
    print(write_result(name, result, options.out))


if __name__ == "__main__":
    main()
