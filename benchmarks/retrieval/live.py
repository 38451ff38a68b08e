"""From the end of what a customer says to the suggestion: demo calls in real time through a real server."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import client
from benchmarks.facts import spread
from benchmarks.serving.processes import cpu_seconds, resident_mib, yuetone
from benchmarks.serving.speech import DEMO
from suggest.reading.tables import read_table
from suggest.store.knowledge import KnowledgeStore
from yuetone.v1 import assist_pb2

KNOWLEDGE = Path(__file__).resolve().parents[2] / "pipeline" / "demo" / "knowledge.csv"
STAGGER_S = 0.37  # calls do not begin at the same moment


async def live(calls: int) -> dict[str, object]:
    """Play the demo call ``calls`` times at once; return latencies, and what was suggested."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "knowledge.db"
        store = KnowledgeStore(str(path))
        store.write(read_table(KNOWLEDGE).articles)
        store.close()
        meters = [client.LatencyMeter() for _ in range(calls)]
        told, used, memory = await _run(path, meters)
        _silent, used_without, memory_without = await _run(
            None, [client.LatencyMeter() for _ in range(calls)]
        )
    latencies = [meter.latencies for meter in meters]
    return {
        "calls": calls,
        "suggestion_latency": spread([value for item in latencies for value in item.suggestions]),
        "early": sum(item.early_suggestions for item in latencies),
        "final_latency": spread([value for item in latencies for value in item.finals]),
        "server_cpu_s_per_call_s": {"with": used, "without": used_without},
        "server_resident_mib": {"with": memory, "without": memory_without},
        "suggested": told[0],
    }


async def _run(
    store: Path | None, meters: list[client.LatencyMeter]
) -> tuple[list[list[dict[str, object]]], float, int]:
    """Run calls at once; return what was suggested in each, CPU-seconds a call-second, and memory in MiB."""
    settings = {"YUETONE_SUGGEST__ENABLED": str(store is not None).lower()}
    if store is not None:
        settings["YUETONE_SUGGEST__STORE"] = str(store)
    async with yuetone(settings=settings) as (process, address):
        await _call(address, 0, client.LatencyMeter(), "warm")
        before = cpu_seconds(process.pid)
        told = await asyncio.gather(*(_call(address, index, meter) for index, meter in enumerate(meters)))
        used, memory = cpu_seconds(process.pid) - before, resident_mib(process.pid)
    seconds = client.read_audio(DEMO).seconds * len(meters)
    return told, round(used / seconds, 4), round(memory)


async def _call(
    address: str, index: int, meter: client.LatencyMeter, name: str = "suggest"
) -> list[dict[str, object]]:
    """Return the finals of the customer with the article that stood first for each."""
    await asyncio.sleep(index * STAGGER_S)
    channel = await client.connect(address)
    options = client.CallOptions(call_id=f"{name}-{index}", roles=("customer", "agent"))
    recording = client.read_audio(DEMO)
    call = client.CallStream(channel, options, recording.format)
    speed = 0.0 if name == "warm" else 1.0
    texts: dict[str, str] = {}
    first: dict[str, tuple[str, float]] = {}
    try:
        async for message in client.stream_recording(call, recording, speed=speed, meter=meter):
            if (
                message.HasField("transcript")
                and message.transcript.is_final
                and not message.transcript.channel
            ):
                texts[message.transcript.utterance_id] = message.transcript.text
            shown = message.suggestion
            proposed = message.HasField("suggestion") and shown.state == assist_pb2.Suggestion.STATE_PROPOSED
            if proposed and shown.rank == 1:
                first[shown.utterance_id] = (shown.sources[0].article_id, round(shown.confidence, 2))
    finally:
        await channel.close()
    return [
        {"said": text, "article": first.get(key, ("", 0.0))[0], "confidence": first.get(key, ("", 0.0))[1]}
        for key, text in texts.items()
    ]
