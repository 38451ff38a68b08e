"""Latency and cost of live calls: N paced calls against a server in a process of its own.

    python -m benchmarks.call_latency --calls 1 4 8
    python -m benchmarks.call_latency pipeline/demo/call.wav --calls 1 --out benchmarks/results

Final latency: from sending the last speech sample to receiving the final. Partial age: from sending a
sample to receiving the first partial that covers it. Both include the client and loopback gRPC.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pipeline.rpc import client

DEMO = Path(__file__).resolve().parents[1] / "pipeline" / "demo" / "call.wav"
STAGGER_S = 0.37  # calls do not begin at the same moment


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Return the memory of a process in MiB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def start_server(
    model: str, knowledge: Path | None = None, *, suggest: bool = True
) -> tuple[asyncio.subprocess.Process, str]:
    """Start ``yuetone serve``; return it and its address.

    Args:
        model: recogniser.
        knowledge: store of articles; None for an empty one.
        suggest: False turns suggestions off.
    """
    folder = Path(tempfile.mkdtemp())
    program = str(Path(sys.executable).with_name("yuetone"))
    process = await asyncio.create_subprocess_exec(
        program, "serve", "--port", "0", "--metrics-port", "0", "--model", model, "--max-calls", "1000",
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "YUETONE_ALERTS__STORE": str(folder / "alerts.db"),
            "YUETONE_SUGGEST__STORE": str(knowledge or folder / "knowledge.db"),
            "YUETONE_SUGGEST__ENABLED": str(suggest).lower(),
        },
    )  # fmt: skip
    if process.stderr is None:
        raise RuntimeError("no pipe to the server")
    line = json.loads(await process.stderr.readline())
    return process, f"127.0.0.1:{line['port']}"


async def one_call(address: str, recording: client.Recording, index: int, chunk_ms: int) -> client.Latencies:
    """Run one paced call; return its latencies."""
    await asyncio.sleep(index * STAGGER_S)
    channel, meter = await client.connect(address), client.LatencyMeter()
    options = client.CallOptions(call_id=f"bench-{index}", roles=("customer", "agent"), chunk_ms=chunk_ms)
    try:
        async for _message in client.stream_call(channel, recording, options, meter):
            pass
    finally:
        await channel.close()
    return meter.latencies


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return count and p50, p95, p99 in ms."""
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    found = {name: client.percentile(values, share) for name, share in shares.items()}
    return {"n": len(values), **{n: None if v is None else round(v * 1000, 1) for n, v in found.items()}}


async def measure(recording: client.Recording, calls: int, model: str, chunk_ms: int) -> dict[str, object]:
    """Run ``calls`` calls at once; return what was measured."""
    process, address = await start_server(model)
    try:
        await one_call(address, _first_seconds(recording, 3.0), 0, chunk_ms)  # models are warm from here on
        before = cpu_seconds(process.pid)
        results = await asyncio.gather(*(one_call(address, recording, i, chunk_ms) for i in range(calls)))
        used, memory = cpu_seconds(process.pid) - before, resident_mib(process.pid)
    finally:
        process.terminate()
        await process.communicate()
    return {
        "calls": calls,
        "final_latency": spread([value for result in results for value in result.finals]),
        "partial_age": spread([value for result in results for value in result.partial_ages]),
        "server_cpu_s_per_call_s": round(used / (recording.seconds * calls), 4),
        "server_resident_mib": round(memory),
    }


def _first_seconds(recording: client.Recording, seconds: float) -> client.Recording:
    size = int(seconds * recording.rate) * recording.frame_bytes
    return client.Recording(
        codec=recording.codec,
        rate=recording.rate,
        channels=recording.channels,
        data=recording.data[:size],
        frame_bytes=recording.frame_bytes,
    )


def environment() -> dict[str, object]:
    """Return what the figures depend on."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    packages = ("yuetone", "ctranslate2", "faster-whisper", "onnxruntime", "grpcio", "numpy")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def main() -> None:
    """Measure and print; write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", default=DEMO, help="recording to play in every call")
    parser.add_argument("--calls", type=int, nargs="+", default=[1], help="how many at once; several runs")
    parser.add_argument("--model", default="auto", help="recogniser")
    parser.add_argument("--chunk-ms", type=int, default=60, help="audio in one message")
    parser.add_argument("--out", type=Path, help="folder for the JSON result")
    options = parser.parse_args()
    recording = client.read_recording(options.file)
    runs = [asyncio.run(measure(recording, n, options.model, options.chunk_ms)) for n in options.calls]
    result = {
        "benchmark": "call_latency",
        "recording_s": round(recording.seconds, 1),
        "chunk_ms": options.chunk_ms,
        "environment": environment(),
        "runs": runs,
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "call_latency.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
