"""Faults of a cluster under live calls: hosts in network namespaces, PostgreSQL, the real recogniser.

    python -m benchmarks cluster                                 # every fault, five minutes; root
    python -m benchmarks cluster --faults kill freeze --calls 12 --rounds 4
    python -m benchmarks cluster --record --calls 12             # calls are kept: is every final, once?

Three hosts with a node and a gateway each, one with PostgreSQL, one with the clients (round robin over the
gateways). The bundled call is played in real time by many; in its middle something breaks. What clients and
watchers were told is compared with a run in which nothing broke. Writes benchmarks/results/cluster.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.cluster.database import Database
from benchmarks.cluster.hosts import Host, hosts
from benchmarks.cluster.kept import MASTER, kept
from benchmarks.cluster.kept import SETTINGS as KEPT
from benchmarks.facts import RESULTS, environment, write_result
from benchmarks.serving.outages import Outcome, Said
from client import quantile

NODES = 3
SAME_S = 0.1
"""Texts whose speech ends so close together are of one moment, s."""
FAULT_S = 8.0
"""From the first call's beginning to the fault, s."""
SETTINGS = """
[server]
host = "0.0.0.0"
port = 50051
nodes = 1
gateways = 1
metrics_port = "none"
shutdown_grace_s = 2
[access]
insecure = true
[asr]
model = "tiny"
[alerts]
enabled = false
[suggest]
store = ":memory:"
[limits]
max_calls_per_host = 500
max_watchers_per_host = 500
[log]
level = "warning"
[cluster]
url = "{database}"
hand_over_s = 1
node = "node-{number}"
address = "{address}:50060"
secret = "a secret of this benchmark alone"
"""


class Centre:
    """The hosts, and what runs on them."""

    def __init__(self, found: list[Host], folder: Path, options: argparse.Namespace) -> None:
        self.database = Database(found[0], folder)
        self.nodes, self.clients = found[1 : NODES + 1], found[NODES + 1]
        self.folder, self._model, self._records = folder, options.model, options.record

    # ---------------------------------------------------------------- nodes

    async def start_nodes(self) -> None:
        """Start a node and a gateway on every host, and wait until they listen."""
        for host in self.nodes:
            await self.start_node(host)
        await asyncio.sleep(9.0)

    async def start_node(self, host: Host) -> None:
        """Start a node and a gateway on a host."""
        file = self.folder / f"node-{host.number}.toml"
        text = SETTINGS.format(database=self.database.url, number=host.number, address=host.address).replace(
            '"tiny"', f'"{self._model}"'
        )
        if self._records:
            text += KEPT.format(
                folder=self.folder, number=host.number, database=self.database.url, key=MASTER
            )
        file.write_text(text, "utf-8")
        yuetone = Path(sys.executable).with_name("yuetone")
        command = [str(yuetone), "serve", "--config", str(file), "--insecure"]
        log = (self.folder / f"node-{host.number}.log").open("ab")
        await asyncio.create_subprocess_exec(*host.command(*command), stdout=log, stderr=log)

    async def renew(self, host: Host) -> None:
        """Let a host leave, wait until it has, start it again, and wait until it has calls again."""
        host.signal(signal.SIGTERM, "yuetone serve")
        while host.pids("yuetone serve"):  # noqa: ASYNC110 (a process of another host)
            await asyncio.sleep(0.1)
        await self.start_node(host)
        await asyncio.sleep(6.0)

    # ---------------------------------------------------------------- clients

    async def play(self, options: argparse.Namespace, fault: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        """Play all calls, with a fault in their middle; return what was told, and when the fault came."""
        out = self.folder / "told.json"
        addresses = ",".join(f"{host.address}:50051" for host in self.nodes)
        command = [
            sys.executable, "-m", "benchmarks.cluster.drive", addresses, "--calls", str(options.calls),
            "--watchers", str(options.watchers), "--seconds", str(options.seconds), "--out", str(out),
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *self.clients.command(*command), stdout=asyncio.subprocess.PIPE
        )
        line = await process.stdout.readline() if process.stdout else b""
        began = float(line.split()[1])
        await asyncio.sleep(FAULT_S)
        await fault()
        await process.wait()
        return {**json.loads(out.read_text("utf-8")), "fault_at": began + FAULT_S}


class Faults:
    """What can break, by name; the first host suffers.

    Args:
        centre: hosts that have the calls.
    """

    def __init__(self, centre: Centre) -> None:
        self._centre, self._victim = centre, centre.nodes[0]

    async def none(self) -> None:
        """Let nothing break."""

    async def kill(self) -> None:
        """Kill the node's process."""
        self._victim.signal(signal.SIGKILL, "pipeline.cli.node")

    async def gateway(self) -> None:
        """Kill the gateway's process."""
        self._victim.signal(signal.SIGKILL, "pipeline.rpc.gateway")

    async def power_off(self) -> None:
        """Let the host be gone."""
        await self._victim.power_off()

    async def freeze(self) -> None:
        """Stop every process of the host for 5 s."""
        self._victim.signal(signal.SIGSTOP)
        await asyncio.sleep(5.0)
        self._victim.signal(signal.SIGCONT)

    async def partition(self) -> None:
        """Let the line of the host swallow everything for 6 s."""
        self._victim.line(up=False)
        await asyncio.sleep(6.0)
        self._victim.line(up=True)

    async def database(self) -> None:
        """Kill the database, and start it again after 4 s."""
        self._centre.database.host.signal(signal.SIGKILL)
        await asyncio.sleep(4.0)
        await self._centre.database.start()

    async def drain(self) -> None:
        """Let the host leave, as before an update."""
        self._victim.signal(signal.SIGTERM, "yuetone serve")

    async def slow(self) -> None:
        """Give the host a fifth of its time for 6 s."""
        for _turn in range(60):
            self._victim.signal(signal.SIGSTOP)
            await asyncio.sleep(0.08)
            self._victim.signal(signal.SIGCONT)
            await asyncio.sleep(0.02)

    async def roll(self) -> None:
        """Let every host leave and come back, one after the other."""
        for host in self._centre.nodes:
            await self._centre.renew(host)

    async def migrate(self) -> None:
        """Renew a host whose tables are older than its code, while the others have calls."""
        await self._centre.database.run(
            "drop table cluster_pointers, cluster_rules; update cluster_migrations set version_num = '0001'"
        )
        await self._centre.renew(self._victim)


LONG = ("roll", "migrate")
"""Faults that take a minute."""
SHORT = ("kill", "freeze", "partition", "gateway", "database", "drain", "power-off", "slow")


def judged(told: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """Return what a fault cost, against a run without one."""
    outcome, worst, before, behind = Outcome(), [], [], []
    pairs = list(zip(told["calls"], whole["calls"], strict=True))
    later = [gap(call["late"], same["late"]) for call, same in pairs]
    for call, same in pairs:
        outcome.take(_said(call), _said(same), call["parts"])
        outcome.doubled += call["doubled"]
        at = told["fault_at"] - call["began"]
        before += [late for when, late in call["late"] if when < at]
        after = [late for when, late in call["late"] if when >= at]
        behind.append(max(after, default=0.0))
    for call in told["watchers"]:
        gaps = [b - a for a, b in zip(call["heard"], call["heard"][1:], strict=False)]
        worst.append(max(gaps, default=0.0))
    survived = sum(call["reason"] == "client" for call in told["calls"])
    watched = sum(call["reason"] == "client" for call in told["watchers"])
    missed = sum(
        len(_missed(watcher, call)) for watcher, call in zip(told["watchers"], told["calls"], strict=False)
    )
    others = [call["reason"] for call in (*told["calls"], *told["watchers"]) if call["reason"] != "client"]
    return {
        **outcome.figures(),
        "broken": others,
        "survived": f"{survived}/{len(told['calls'])}",
        "live_text_gap_p50_s": round(statistics.median(later), 2),
        "live_text_gap_p95_s": round(quantile(later, 0.95) or 0.0, 2),
        "live_text_gap_max_s": round(max(later), 2),
        "text_late_before_p95_s": round(quantile(before, 0.95) or 0.0, 2),
        "text_late_after_p50_s": round(statistics.median(behind), 2),
        "text_late_after_max_s": round(max(behind), 2),
        "reconnects": sum(call["reconnects"] for call in told["calls"]),
        "watchers": f"{watched}/{len(told['watchers'])}",
        "watchers_missed_finals": missed,
        "watchers_longest_gap_s": round(max(worst, default=0.0), 2),
    }


def gap(told: list[list[float]], whole: list[list[float]]) -> float:
    """Return by how much later than without a fault a call had text of any moment, at most, s.

    Text that is told anew after a fault, of speech that had text before, does not count.

    Args:
        told: when each text came, and how far it was behind the end of its speech, s of the call.
        whole: the same of a run in which nothing broke.
    """
    later, frontier = 0.0, 0
    moments = sorted((when, when - late) for when, late in told)
    reached: list[tuple[float, float]] = []  # when there was text up to which moment of the call
    for when, moment in moments:
        if not reached or moment > reached[-1][1]:
            reached.append((when, moment))
    newest = -1.0
    for at, moment in sorted((when, when - late) for when, late in whole):
        if moment <= newest:
            continue
        newest = moment
        while frontier < len(reached) and reached[frontier][1] < moment - SAME_S:
            frontier += 1
        if frontier < len(reached):
            later = max(later, reached[frontier][0] - at)
    return later


def _said(call: dict[str, Any]) -> list[Said]:
    return [Said(*one) for one in call["finals"]]


def _missed(watcher: dict[str, Any], call: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {tuple(one) for one in call["finals"]} - {tuple(one) for one in watcher["finals"]}


@asynccontextmanager
async def centre_of(found: list[Host], folder: Path, options: argparse.Namespace) -> AsyncIterator[Centre]:
    """Run everything; the hosts go, and with them what runs there."""
    centre = Centre(found, folder, options)
    await centre.database.make()
    if options.record:
        for name in ("record", "keys"):
            await centre.database.run(f"create database postgres_{name}")
    await centre.start_nodes()
    yield centre


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every fault, each on a cluster of its own."""
    results: list[dict[str, Any]] = []
    whole: dict[str, Any] | None = None
    for name in ["none", *options.faults * options.rounds]:
        with hosts(NODES + 2) as found, _folder() as folder:
            async with centre_of(found, folder, options) as centre:
                told = await centre.play(options, getattr(Faults(centre), name.replace("-", "_")))
                whole = whole or told
                results.append({"fault": name, **judged(told, whole)})
                if options.record:
                    results[-1] |= await kept(told["calls"], centre.database.own_url, folder)
                print(json.dumps(results[-1]), flush=True)
                for log in sorted(folder.glob("*.log")) if options.verbose else ():
                    print(log.name, log.read_text("utf-8")[-2_000:])
    return {
        "benchmark": "cluster", "model": options.model, "nodes": NODES, "calls": options.calls,
        "watchers": options.watchers, "seconds": options.seconds, "environment": environment(),
        "runs": results,
    }  # fmt: skip


@contextlib.contextmanager
def _folder() -> Any:
    with tempfile.TemporaryDirectory(prefix="yuetone-cluster-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--faults", nargs="+", choices=(*SHORT, *LONG), default=list(SHORT),
        help="what breaks; roll and migrate take a minute: --seconds 80 --calls 12",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=1, help="how often each breaks")
    parser.add_argument("--calls", type=int, default=30, help="live calls")
    parser.add_argument("--watchers", type=int, default=10, help="how many of the first calls are watched")
    parser.add_argument("--seconds", type=float, default=18, help="how much of the bundled call is played, s")
    parser.add_argument("--model", default="tiny", help="recogniser of the nodes")
    parser.add_argument(
        "--record", action="store_true", help="let nodes keep the calls, and look what they kept"
    )
    parser.add_argument("--verbose", action="store_true", help="show what nodes wrote to their logs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    print(
        write_result(
            "cluster_record" if options.record else "cluster", asyncio.run(run(options)), options.out
        )
    )


if __name__ == "__main__":
    main()
