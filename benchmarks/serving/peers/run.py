"""Yuetone and what a user would pick instead: same model, same audio, same core, in turn.

    python -m benchmarks peers --set-up runs/peers
    python -m benchmarks peers --peers runs/peers
    python -m benchmarks peers --peers runs/peers --model runs/tiny-shape --name peers_tiny --rounds 2

For each system: the largest number of paced streams (20 ms frames) for which p95 of finals is at most
1.0 s behind the last word and p95 of partial age at most 1.5 s, on one pinned core; the client has another
one. Where a peer does not commit a sentence in time, its first update that covers the sentence counts. The
test speech is the same for all; the character error rate is that of the whole transcripts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from asr.finding import MODELS_DIR, find_recogniser
from benchmarks.facts import environment, spread, write_result
from benchmarks.serving.capacity import largest
from benchmarks.serving.figures import Limits
from benchmarks.serving.measuring import conditions, driver, measured, parser_for, speeches, take
from benchmarks.serving.peers.setup import set_up, versions
from benchmarks.serving.peers.systems import PEERS, Peer, drive, running, solo_gap
from benchmarks.serving.processes import TRANSCRIPTS_ONLY, split_cores, yuetone
from benchmarks.serving.record import StreamRecord
from benchmarks.serving.speech import Speech

LIMITS = Limits()
CHUNK_MS = 20
YUETONE = "Yuetone"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What all systems meet.

    Attributes:
        pool: the speech.
        language: Whisper code of it.
        server: core of the server.
        own: cores of the client.
        peers: the peers' environment.
        start: first number of streams for Yuetone.
        settings: of Yuetone's server, from the environment.
    """

    pool: list[Speech]
    language: str
    server: set[int]
    own: set[int]
    peers: Path
    start: int
    settings: Mapping[str, str] = field(default_factory=dict)


async def yuetone_capacity(
    ground: Ground, model: str, name: str = YUETONE, start: int | None = None, one: bool = False
) -> dict[str, Any]:
    """Return Yuetone's streams per core with a model, and its runs.

    Args:
        ground: what all systems meet.
        model: name or directory of the recogniser.
        name: in the result.
        start: first number of streams, in place of the ground's.
        one: run a single stream too, if the search did not.
    """
    tried = iter(range(1000))
    async with yuetone(
        "--model", model, cores=ground.server, settings={**TRANSCRIPTS_ONLY, **ground.settings}
    ) as (process, address):
        await driver(address, CHUNK_MS, "warm", ground.language)(take(ground.pool, 1))

        async def attempt(count: int) -> dict[str, Any]:
            drive_it = driver(address, CHUNK_MS, f"peers-{next(tried)}", ground.language)
            told = await measured(process.pid, take(ground.pool, count), drive_it)
            return {"system": name, **told, "covered": told["final_latency"]}

        good, runs = await largest(start or ground.start, 512, LIMITS, attempt, "covered")
        if one and not any(run["streams"] == 1 for run in runs):
            runs.append(await attempt(1))
    return {"streams_per_core": good, "runs": runs}


async def peer_capacity(ground: Ground, peer: Peer, model: str) -> dict[str, Any]:
    """Return a peer's streams per core with a model's directory, and its runs."""
    async with running(peer, ground.peers, model, ground.server, ground.language) as (process, port):
        wired = partial(drive, peer, ground.peers, port, cores=ground.own, language=ground.language)
        solo = solo_gap(await wired(take(ground.pool, 1), solo_s=0.0))

        async def attempt(count: int) -> dict[str, Any]:
            kept: list[StreamRecord] = []

            async def stream(chosen: Sequence[Speech]) -> list[StreamRecord]:
                kept.extend(await wired(chosen, solo_s=solo))
                return kept

            told = await measured(process.pid, take(ground.pool, count), stream)
            del told["final_latency"]  # a peer's last word of a stream, not of a sentence
            covered = spread([s for record in kept for s in record.covered_latencies()])
            return {"system": peer.name, **told, "covered": covered}

        good, runs = await largest(1, 64, LIMITS, attempt, "covered")
    return {"streams_per_core": good, "update_gap_of_one_stream_s": round(solo, 3), "runs": runs}


def ground_for(options: argparse.Namespace, pool: list[Speech], language: str) -> Ground:
    """Take the client's cores; return what all systems meet."""
    own, server = split_cores()
    os.sched_setaffinity(0, own)
    return Ground(
        pool=pool, language=language, server=server, own=own, peers=options.peers, start=options.start
    )


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all systems in turn, as many rounds as asked."""
    ground = ground_for(options, speeches(options), "yue")
    model = str(find_recogniser(options.model, Path(MODELS_DIR)).path)
    systems: dict[str, list[dict[str, Any]]] = {name: [] for name in [YUETONE, *(p.name for p in PEERS)]}
    for _ in range(options.rounds):
        for peer in PEERS:
            systems[peer.name].append(await peer_capacity(ground, peer, model))
        systems[YUETONE].append(await yuetone_capacity(ground, options.model))
    return {
        "benchmark": "peers",
        **conditions(options),
        "limits_ms": {"final_p95": LIMITS.final_s * 1000, "partial_age_p95": LIMITS.partial_s * 1000},
        "environment": environment(),
        "peers": versions(options.peers),
        "systems": {name: summary(rounds, systems[YUETONE]) for name, rounds in systems.items()},
    }


def summary(rounds: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a system's figures over all rounds, and Yuetone's streams per core as a multiple of its own."""
    streams = statistics.median(r["streams_per_core"] for r in rounds)
    one = [run for r in rounds for run in r["runs"] if run["streams"] == 1]
    best = max((run for r in rounds for run in r["runs"] if run.get("streams") == r["streams_per_core"]),
               key=lambda run: int(run["streams"]), default=None)  # fmt: skip
    yuetone_streams = statistics.median(r["streams_per_core"] for r in ours)
    # A peer that breaks the limits with a single stream counts as one stream: in its favour.
    return {
        "streams_per_core": streams,
        "yuetone_is_times_better": round(yuetone_streams / max(1, streams), 1),
        "at_capacity": best,
        "with_one_stream": one[0] if one else None,
        "rounds": rounds,
    }


def main() -> None:
    """Set up, or measure, print and write."""
    parser = parser_for(__doc__, seconds=30, talk=0.86)
    parser.add_argument("--set-up", type=Path, help="make the peers' environment in this folder, and stop")
    parser.add_argument("--peers", type=Path, default=Path("runs/peers"), help="the peers' environment")
    parser.add_argument("--rounds", type=int, default=2, help="how often each system has its turn")
    parser.add_argument("--start", type=int, default=16, help="first number of streams for Yuetone")
    parser.add_argument("--name", default="peers", help="of the result")
    options = parser.parse_args()
    if options.chunk_ms != CHUNK_MS or options.device != "cpu" or options.everything or options.no_pin:
        parser.error("peers compares on one CPU core, at 20 ms, transcripts only")
    if options.set_up:
        set_up(options.set_up)
        print(json.dumps(versions(options.set_up)))
        return
    try:
        versions(options.peers)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    result = asyncio.run(run(options))
    for name, told in result["systems"].items():
        print(f"{name:40} {told['streams_per_core']:6} streams per core, {told['yuetone_is_times_better']}x")
    print(write_result(options.name, result, options.out))


if __name__ == "__main__":
    main()
