"""Servers that are killed and lines that are cut under calls: what is lost, and what comes twice.

    python -m benchmarks outages                        # 60 kills and 200 cuts: a quarter of an hour
    python -m benchmarks outages --kills 6 --cuts 20    # a quick look

The bundled call is played again and again through a line that can be cut, faster than real time. At random
moments the server is killed (SIGKILL) and another one, which knows nothing, answers in its place; or the
line breaks. Each conversation is compared with the same one undisturbed. Writes
benchmarks/results/outages.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from rapidfuzz.distance import Levenshtein

import client
from benchmarks.facts import RESULTS, environment, write_result
from benchmarks.serving.line import Line, line_to
from benchmarks.serving.processes import yuetone
from benchmarks.serving.speech import DEMO
from cantonese.scoring import scoring_form

SAME = 0.5
"""Share of the shorter of two finals that lies in both, from which they are of the same speech."""
RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 200),
]


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """A final, in ms of the conversation."""

    channel: int
    start_ms: int
    end_ms: int
    text: str

    def shares(self, other: Said) -> bool:
        """Tell whether both are of the same speech."""
        both = min(self.end_ms, other.end_ms) - max(self.start_ms, other.start_ms)
        shorter = min(self.end_ms - self.start_ms, other.end_ms - other.start_ms)
        return self.channel == other.channel and both >= SAME * shorter


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a number of conversations came to.

    Attributes:
        conversations: played to their end.
        outages: kills or cuts.
        parts: calls that they became.
        expected: finals of undisturbed ones.
        lost: of those, without a counterpart.
        doubled: finals of speech that another final has too.
        edits: characters by which the texts differ.
        characters: of undisturbed ones.
    """

    conversations: int = 0
    outages: int = 0
    parts: int = 0
    expected: int = 0
    lost: int = 0
    doubled: int = 0
    edits: int = 0
    characters: int = 0

    def take(self, found: Sequence[Said], whole: Sequence[Said], parts: int) -> None:
        """Count a conversation."""
        self.conversations += 1
        self.parts += parts
        self.expected += len(whole)
        self.lost += sum(not any(one.shares(other) for other in found) for one in whole)
        self.doubled += sum(
            one.shares(other) for index, one in enumerate(found) for other in found[index + 1 :]
        )
        for channel in (0, 1):
            said, written = (
                scoring_form("".join(one.text for one in sorted(side) if one.channel == channel))
                for side in (whole, found)
            )
            self.edits += Levenshtein.distance(said, written)
            self.characters += len(said)

    def figures(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "conversations": self.conversations,
            "outages": self.outages,
            "calls": self.parts,
            "finals": self.expected,
            "lost": self.lost,
            "doubled": self.doubled,
            "text_differs": round(self.edits / max(1, self.characters), 4),
        }


async def played(
    line: Line, call_id: str, recording: client.CallAudio, speed: float
) -> tuple[list[Said], int]:
    """Play a conversation over a line that may break; return its finals, and the calls that it became."""
    retry = client.Retry(first_s=0.05, longest_s=0.5, give_up_s=60)
    options = client.CallOptions(call_id=call_id, roles=("customer", "agent"))
    found = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{line.port}", options=RECONNECT) as channel:
        call = client.CallStream(channel, options, recording.format, retry)
        async for message in client.stream_recording(call, recording, speed=speed):
            final = message.transcript
            if message.HasField("transcript") and final.is_final and final.text:
                at = call.origin_ms
                found.append(Said(final.channel, final.start_ms + at, final.end_ms + at, final.raw_text))
    return found, call.parts


class Servers:
    """One server after the other behind a line.

    Args:
        stack: ends them.
        line: that leads to the present one.
        model: of theirs.
    """

    def __init__(self, stack: AsyncExitStack, line: Line, model: str) -> None:
        self._stack = stack
        self._line = line
        self._model = model
        self._process: asyncio.subprocess.Process | None = None

    async def another(self) -> None:
        """Let a new server take the place of the present one, which is killed."""
        process, address = await self._stack.enter_async_context(yuetone("--model", self._model))
        old, self._process = self._process, process
        self._line.target = int(address.rsplit(":", 1)[1])
        if old is not None:
            old.kill()
            await old.wait()


async def disturbed(
    line: Line,
    outage: Callable[[], Awaitable[None]],
    recording: client.CallAudio,
    whole: Sequence[Said],
    options: argparse.Namespace,
    count: int,
) -> Outcome:
    """Play conversations with ``count`` outages at random moments."""
    rng, outcome = random.Random(options.seed), Outcome()
    length_s = recording.seconds / options.speed
    while outcome.outages < count:
        name = f"outage-{outcome.conversations}"
        playing = asyncio.create_task(played(line, name, recording, options.speed), name=name)
        for _ in range(min(options.in_one, count - outcome.outages)):
            await asyncio.sleep(rng.uniform(0.1, length_s / options.in_one))
            if playing.done():
                break
            await outage()
            outcome.outages += 1
        found, parts = await playing
        outcome.take(found, whole, parts)
        print(json.dumps(outcome.figures()), flush=True)
    return outcome


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure kills, then cuts."""
    recording = client.read_audio(DEMO)
    frame = recording.format.frame_bytes
    cut = int(options.seconds * recording.format.rate) * frame
    recording = client.CallAudio(format=recording.format, data=recording.data[:cut])
    async with line_to(1) as line, AsyncExitStack() as stack:
        servers = Servers(stack, line, options.model)
        await servers.another()
        whole, _parts = await played(line, "whole", recording, options.speed)

        async def kill() -> None:
            await servers.another()

        async def cut_line() -> None:
            line.cut()

        kills = await disturbed(line, kill, recording, whole, options, options.kills)
        cuts = await disturbed(line, cut_line, recording, whole, options, options.cuts)
    return {
        "benchmark": "outages",
        "model": options.model,
        "seconds": options.seconds,
        "speed": options.speed,
        "environment": environment(),
        "kills": kills.figures(),
        "cuts": cuts.figures(),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny", help="recogniser of the servers")
    parser.add_argument("--kills", type=int, default=60, help="servers killed")
    parser.add_argument("--cuts", type=int, default=200, help="lines cut")
    parser.add_argument("--in-one", type=int, default=3, help="outages in one conversation")
    parser.add_argument("--seconds", type=float, default=40, help="of the bundled call")
    parser.add_argument("--speed", type=float, default=4, help="times real time")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    result = asyncio.run(run(options))
    print(write_result("outages", result, options.out))


if __name__ == "__main__":
    main()
