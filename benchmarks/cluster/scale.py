"""What more nodes cost, what the cluster's path costs a final, and what the database does for it.

    python -m benchmarks scale                        # ten minutes; root, PostgreSQL, iproute2
    python -m benchmarks scale --calls 4 --rounds 1

Calls are the bundled one, played in real time from a host of its own. "alone" is one process, as ``yuetone
serve`` starts it; "gateway" the same behind one gateway; the others are nodes behind gateways with
PostgreSQL, ``--calls`` each. Efficiency: processor time of a call-second with one node against that with N,
of servers, gateways and database together. The last part writes what many more nodes would write, with the
product's own writer, into a database on a core of its own. Writes benchmarks/results/scale.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cluster.database import Database
from benchmarks.cluster.hosts import Host, hosts
from benchmarks.facts import RESULTS, environment, spread, write_result

SHAPES: dict[str, tuple[int, int]] = {
    "alone": (0, 0), "gateway": (0, 1), "1 node": (1, 1), "2 nodes": (2, 1), "4 nodes": (4, 2),
}  # fmt: skip
"""Nodes and gateways."""
SETTINGS = """
[server]
host = "0.0.0.0"
port = 50051
nodes = {nodes}
gateways = {gateways}
metrics_port = "none"
[access]
insecure = true
[asr]
model = "{model}"
[alerts]
enabled = false
[suggest]
store = ":memory:"
[limits]
max_calls_per_host = 500
max_watchers_per_host = 500
max_final_wait_ms = 0
[log]
level = "warning"
"""
_TICK = os.sysconf("SC_CLK_TCK")


def spent_s(host: Host) -> float:
    """Return the processor time that the processes of a host have used, s."""
    total = 0.0
    for pid in host.pids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


async def measured(shape: str, options: argparse.Namespace) -> dict[str, Any]:
    """Play calls against one shape of server; return what they cost, and how late finals were."""
    nodes, gateways = SHAPES[shape]
    count = options.calls * max(1, nodes)
    with hosts(3) as found, tempfile.TemporaryDirectory(prefix="yuetone-scale-") as name:
        folder, (base, server, clients) = Path(name), found
        folder.chmod(0o755)
        database = Database(base, folder)
        if nodes:
            await database.make()
        file = folder / "yuetone.toml"
        cluster = f'[cluster]\nurl = "{database.url}"\n' if nodes else ""
        shown = SETTINGS.format(nodes=nodes, gateways=gateways, model=options.model)
        file.write_text(shown + cluster, "utf-8")
        yuetone = str(Path(sys.executable).with_name("yuetone"))
        command = server.command(yuetone, "serve", "--config", str(file), "--insecure")
        await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        await asyncio.sleep(8.0 + 2.0 * nodes)
        before = spent_s(server), spent_s(base)
        told = await _played(clients, f"{server.address}:50051", count, options.seconds, folder)
        after = spent_s(server), spent_s(base)
    seconds = count * options.seconds
    cost = [(b - a) / seconds for a, b in zip(before, after, strict=True)]
    late = [value for call in told["calls"] for value in call["finals_late"]]
    return {
        "shape": shape, "calls": count, "survived": sum(c["reason"] == "client" for c in told["calls"]),
        "cpu_ms_a_call_second": round(1_000 * sum(cost), 2),
        "of_it_database_ms": round(1_000 * cost[1], 2), "finals_late": spread(late),
    }  # fmt: skip


async def _played(host: Host, address: str, count: int, seconds: float, folder: Path) -> dict[str, Any]:
    out = folder / "told.json"
    command = [
        sys.executable, "-m", "benchmarks.cluster.drive", address, "--calls", str(count), "--watchers", "0",
        "--seconds", str(seconds), "--out", str(out),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*host.command(*command), stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit("the clients failed")
    return dict(json.loads(out.read_text("utf-8")))


async def written(nodes: int, options: argparse.Namespace) -> dict[str, Any]:
    """Write what so many nodes of 30 calls would; return what the database needed for it."""
    with hosts(2) as found, tempfile.TemporaryDirectory(prefix="yuetone-scale-") as name:
        base, writer = found
        Path(name).chmod(0o755)
        database = Database(base, Path(name), cores="0")
        await database.make()
        command = [
            "taskset", "-c", "1", sys.executable, "-m", "benchmarks.cluster.commits", database.url,
            "--nodes", str(nodes), "--seconds", str(options.commit_seconds),
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *writer.command(*command), stdout=asyncio.subprocess.PIPE
        )
        if process.stdout is None:
            raise SystemExit("no output")
        await process.stdout.readline()  # calls are taken down: from here on they talk
        before, began = spent_s(base), time.monotonic()
        line = await process.stdout.readline()
        cores = (spent_s(base) - before) / (time.monotonic() - began)
        await process.wait()
    return {"nodes": nodes, "database_cores": round(cores, 3), **json.loads(line)}


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every shape in turn, several times, then the database."""
    runs: list[dict[str, Any]] = []
    for _round in range(options.rounds):
        for shape in options.shapes:
            runs.append(await measured(shape, options))
            print(json.dumps(runs[-1]), flush=True)
    commits = []
    for nodes in options.nodes:
        commits.append(await written(nodes, options))
        print(json.dumps(commits[-1]), flush=True)
    return {
        "benchmark": "scale", "model": options.model, "seconds": options.seconds,
        "environment": environment(), "runs": runs, "commits": commits,
    }  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES), help="shapes to measure"
    )
    parser.add_argument("--calls", type=int, default=6, help="live calls, for each node")
    parser.add_argument("--seconds", type=float, default=30, help="how much of the bundled call is played, s")
    parser.add_argument("--rounds", type=int, default=3, help="how often every shape is measured")
    parser.add_argument("--model", default="tiny", help="recogniser")
    parser.add_argument(
        "--nodes", type=int, nargs="*", default=[6, 18, 54], help="how many nodes write, with 30 calls each"
    )
    parser.add_argument("--commit-seconds", type=float, default=20, help="how long they write, s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    print(write_result("scale", asyncio.run(run(options)), options.out))


if __name__ == "__main__":
    main()
