"""A cluster of up to 10^5 calls, simulated from costs that were measured: where the design breaks.

    python -m benchmarks simulate
    python -m benchmarks simulate --calls 1600 10000 100000 --cell 5000

Each node writes what its calls say as the product's writer does: at once where no transaction of its own is
under way, what comes meanwhile with the next. The database is a queue for its cores; then each transaction
waits for the disk. When a host dies, its calls come to gateways, which give each to the less loaded of two
random nodes; a node admits, hears again what was not safe, and goes on. Costs are read from
results/scale.json and results/capacity.json, and the model is first held against the runs that are
in it. Everything beyond those runs is simulated, not measured. Writes benchmarks/results/simulate.json.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster.commits import CALLS, EVENTS, POSITIONS
from benchmarks.facts import RESULTS, environment, spread, write_result
from pipeline.cluster.beat import POSITIONS_S
from pipeline.config import Settings
from pipeline.rpc.routing import SILENT_S

BEAT_S = Settings().cluster.beat_ms / 1_000
WARM_S = 2.0
"""Left out at the beginning of each run, s."""
NOTICED_S = {"killed": 0.1, "power off": 1.7}
"""Until a gateway knows that a node is gone, s: its socket is closed, or pings are not answered."""
PLANNED = 17
"""Calls of a node of one core, of the 23 that it takes: of four hosts, one may die."""
CHANNELS = 2
"""Channels of a call; results of ``capacity`` count streams of one channel."""
BEHIND_S = 3.0
"""Audio of a call that is not safe when its node dies, s: one utterance a side, on the average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What was measured.

    Attributes:
        commit_core_s: s of a database core for one transaction of one row.
        row_core_s: s of a database core for each further row.
        disk_s: s until a finished transaction is on the disk, and its network round trip.
        call_core_s: s of a node's core for a second of a call.
    """

    commit_core_s: float
    row_core_s: float
    disk_s: float
    call_core_s: float


def costs_of(scale: dict[str, Any], capacity: dict[str, Any]) -> Costs:
    """Return the costs that results of ``scale`` and ``capacity`` state."""
    least, most = scale["commits"][0], scale["commits"][-1]
    full = capacity["runs"][0]
    core = most["database_cores"] / most["commits_a_s"]
    return Costs(
        commit_core_s=core,
        row_core_s=core / 5,  # an insert of one row in a transaction that is there anyway
        disk_s=max(0.0, least["commit"]["p50_ms"] / 1_000 - core),
        call_core_s=full["cores_used"] / (full["streams"] / CHANNELS),
    )


class Database:
    """Cores that transactions wait for.

    Args:
        costs: what a transaction costs.
        cores: number of its cores.
        rng: random generator of its delays.
    """

    def __init__(self, costs: Costs, cores: int, rng: np.random.Generator) -> None:
        self._costs, self._rng = costs, rng
        self._free = [0.0] * cores
        self.busy = 0.0
        self.commits = 0

    def commit(self, now: float, rows: int) -> float:
        """Return when a transaction that begins now is safe."""
        work = (self._costs.commit_core_s + self._costs.row_core_s * max(0, rows - 1)) * self._shaken()
        begins = max(now, heapq.heappop(self._free))
        heapq.heappush(self._free, begins + work)
        self.busy += work
        self.commits += 1
        return begins + work + self._costs.disk_s * self._shaken()

    def _shaken(self) -> float:
        return float(self._rng.lognormal(0.0, 0.35))


def talking(calls: int, costs: Costs, seconds: float, cores: int, seed: int = 1) -> dict[str, Any]:
    """Let calls talk; return how long events wait until they are safe, and how busy the database is."""
    rng = np.random.default_rng(seed)
    nodes = max(1, math.ceil(calls / CALLS))
    own = calls / nodes
    database = Database(costs, cores, rng)
    waits: list[float] = []
    turns: list[tuple[float, int]] = [(rng.exponential(1 / (own * EVENTS)), node) for node in range(nodes)]
    heapq.heapify(turns)
    began, done = [-1.0] * nodes, [0.0] * nodes
    while turns:
        at, node = heapq.heappop(turns)
        if at > seconds:
            break
        start = max(at, done[node], began[node] + BEAT_S)
        # what says something until then goes along: it waits less
        rows = 1 + int(rng.poisson(own * EVENTS * (start - at)))
        positions = min(own, own * POSITIONS * min(POSITIONS_S, start - began[node]))
        safe = database.commit(start, rows + round(positions / 4))  # updates are cheaper than inserts
        began[node], done[node] = start, safe
        if at > WARM_S:
            waits += [safe - at] + [safe - rng.uniform(at, start) for _ in range(rows - 1)]
        heapq.heappush(turns, (start + rng.exponential(1 / (own * EVENTS)), node))
    return {
        "calls": calls, "nodes": nodes, "events_a_s": round(len(waits) / (seconds - WARM_S), 1),
        "commits_a_s": round(database.commits / seconds, 1),
        "database_cores": round(database.busy / seconds, 3), "event_until_safe": spread(waits),
    }  # fmt: skip


def failing(
    calls: int, costs: Costs, cores: int, dead_share: float, fault: str, seed: int = 1
) -> dict[str, Any]:
    """Let a share of all nodes die at once; return how long their calls are without new text."""
    rng = np.random.default_rng(seed)
    nodes = max(2, math.ceil(calls / PLANNED))
    dead = max(1, round(nodes * dead_share))
    load = [PLANNED * costs.call_core_s] * (nodes - dead)
    live = [PLANNED] * (nodes - dead)
    database = Database(costs, cores, rng)
    gaps, refused = [], 0
    free = [0.0] * (nodes - dead)
    arrivals = sorted(NOTICED_S[fault] * rng.uniform(0.5, 1.0) for _ in range(dead * PLANNED))
    room = int(0.7 / costs.call_core_s)  # calls that a core carries with the rest of its time to spare
    for at in arrivals:
        taken = database.commit(at, 3)  # read and raised epoch, what was told of it read back
        one, two = map(int, rng.integers(len(live), size=2))
        node = min(one, two, key=lambda which: live[which])
        if live[node] >= room:
            node = min(range(len(live)), key=lambda which: live[which])
        if live[node] >= room:
            refused += 1
            continue
        live[node] += 1
        spare = max(0.05, 1.0 - load[node])
        heard = BEHIND_S * costs.call_core_s / spare  # faster than real time, beside the calls that are there
        begins = max(taken, free[node])
        free[node] = begins + heard
        load[node] += costs.call_core_s
        gaps.append(begins + heard)
    return {
        "calls": calls, "nodes": nodes, "died": dead, "fault": fault, "moved": len(gaps), "refused": refused,
        "gap": spread(gaps),
    }  # fmt: skip


def held_against(scale: dict[str, Any], costs: Costs) -> list[dict[str, Any]]:
    """Return what the model says of the runs that were measured, beside what was measured."""
    found = []
    for real in scale["commits"]:
        said = talking(real["calls"], costs, 20.0, cores=1)
        found.append({
            "calls": real["calls"],
            **{
                name: {"measured": real[name], "simulated": said[name]}
                for name in ("commits_a_s", "database_cores", "event_until_safe")
            },
        })  # fmt: skip
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Simulate."""
    scale = json.loads((options.results / "scale.json").read_text("utf-8"))
    capacity = json.loads((options.results / "capacity.json").read_text("utf-8"))
    costs = costs_of(scale, capacity)
    checked = held_against(scale, costs)
    for line in checked:
        print(json.dumps(line), flush=True)
    talks, faults = [], []
    for calls in options.calls:
        for cell in sorted({calls, min(calls, options.cell)}):
            talks.append({"cell": cell, **talking(cell, costs, options.seconds, options.cores)})
            print(json.dumps(talks[-1]), flush=True)
            for fault in NOTICED_S:
                for share in (1 / max(2, math.ceil(cell / PLANNED)), 0.25):
                    faults.append(failing(cell, costs, options.cores, share, fault))
                    print(json.dumps(faults[-1]), flush=True)
    return {
        "benchmark": "simulate", "environment": environment(), "costs": {
            name: getattr(costs, name) for name in Costs.__slots__
        }, "database_cores_there": options.cores, "noticed_s": NOTICED_S, "silent_s": SILENT_S,
        "held_against_measured": checked, "talking": talks, "failing": faults,
    }  # fmt: skip


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, nargs="+", default=[300, 1_600, 5_000, 10_000, 30_000, 100_000])
    parser.add_argument("--cell", type=int, default=5_000, help="calls that share a database, at most")
    parser.add_argument("--cores", type=int, default=8, help="cores of the database")
    parser.add_argument("--seconds", type=float, default=12, help="how long the calls talk, s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with scale.json")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    print(write_result("simulate", run(options), options.out))


if __name__ == "__main__":
    main()
