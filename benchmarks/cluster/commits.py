"""Many nodes' writers in one process: events of calls at the rate of real ones, as the product writes them.

python -m benchmarks.cluster.commits URL --nodes 18 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from dataclasses import dataclass, field

from benchmarks.facts import spread
from diarization import Role
from pipeline.calls.info import CallInfo, InForce
from pipeline.cluster.beat import Beat
from pipeline.cluster.rows import NewCall
from pipeline.cluster.store import ClusterStore
from pipeline.config import Settings

CALLS = 30
"""Calls of a node."""
EVENTS, BYTES = 0.89, 190
"""Events a second of a call that must not be lost, and bytes of one (the bundled call, everything on)."""
POSITIONS = 1.0
"""Positions a second of a call."""
CONTROLS = InForce(language="yue-HK", hotwords=(), roles=(Role.CUSTOMER, Role.AGENT))


@dataclass(slots=True, eq=False)
class Talking:
    """A call that says something now and then."""

    uid: str
    epoch: int = 1
    seq: int = 0
    asked: dict[int, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)

    def in_force(self, _at: int) -> InForce:
        """Return its controls."""
        return CONTROLS

    def written(self, _acked: int, seq: int) -> None:
        """Note how long an event waited until it was safe."""
        now = time.monotonic()
        for number in [number for number in self.asked if number <= seq]:
            self.waits.append(now - self.asked.pop(number))

    def fenced(self) -> None:
        """Never."""

    async def talk(self, beat: Beat, rng: random.Random, until: float) -> None:
        """Say something at random moments."""
        while (now := time.monotonic()) < until:
            event = rng.random() < EVENTS / (EVENTS + POSITIONS)
            if event:
                self.seq += 1
                self.asked[self.seq] = now
            beat.put(self, int(now * 16_000), self.seq, os.urandom(BYTES) if event else None)
            await asyncio.sleep(rng.expovariate(EVENTS + POSITIONS))


async def run(options: argparse.Namespace) -> None:
    """Begin all calls, say so, let them talk, and print what came of it."""
    took: list[float] = []
    stores = [ClusterStore(options.url, f"node-{n}") for n in range(options.nodes)]
    beats = [Beat(store, Settings().cluster.beat_ms / 1_000, took.append) for store in stores]
    calls = [[Talking(f"{n}-{k}") for k in range(CALLS)] for n in range(options.nodes)]
    for store, mine in zip(stores, calls, strict=True):
        for call in mine:
            info = CallInfo(call_id=call.uid, sender="switch", started_at=time.time())
            store.begin(NewCall(uid=call.uid, info=info, session_id=call.uid, form="MULAW 8000 2"))
    print("talking", flush=True)
    writers = [asyncio.create_task(beat.run()) for beat in beats]
    until, rng = time.monotonic() + options.seconds, random.Random(1)
    cpu = time.process_time()
    await asyncio.gather(
        *(call.talk(beat, rng, until) for beat, mine in zip(beats, calls, strict=True) for call in mine)
    )
    cpu = time.process_time() - cpu
    waits = [wait for mine in calls for call in mine for wait in call.waits]
    print(
        json.dumps({
            "calls": options.nodes * CALLS, "events_a_s": round(len(waits) / options.seconds, 1),
            "commits_a_s": round(len(took) / options.seconds, 1), "commit": spread(took),
            "event_until_safe": spread(waits), "writers_cores": round(cpu / options.seconds, 3),
        }),
        flush=True,
    )  # fmt: skip
    await asyncio.sleep(2.0)  # what the database has used is read meanwhile: its processes end with us
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    for beat, store in zip(beats, stores, strict=True):
        await beat.close()
        store.close()


def main() -> None:
    """Write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="URL of the database")
    parser.add_argument("--nodes", type=int, default=18, help="how many nodes write")
    parser.add_argument("--seconds", type=float, default=20, help="how long the calls talk, s")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
