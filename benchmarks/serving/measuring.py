"""One measured run: streams against a server, and what the server used meanwhile."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.facts import RESULTS
from benchmarks.serving.figures import figures
from benchmarks.serving.load import run_streams
from benchmarks.serving.processes import Usage, cpu_seconds, split_cores, usage
from benchmarks.serving.record import StreamRecord
from benchmarks.serving.speech import Speech, demo_speech, generated_speech

DIFFERENT = 24
"""Streams that differ; more than that begin again with the first."""
Drive = Callable[[Sequence[Speech]], Awaitable[list[StreamRecord]]]


def speeches(options: argparse.Namespace) -> list[Speech]:
    """Return the test speech: generated, or the bundled call's customer for a smoke run."""
    if options.smoke:
        return [_two_sentences(demo_speech())]
    return [generated_speech(options.seconds, options.talk, options.seed + n) for n in range(DIFFERENT)]


def _two_sentences(demo: Speech) -> Speech:
    """Return the first two sentences of a call with a second before and behind."""
    first, second = demo.said[:2]
    begin, end = first.start_ms - 1000, second.end_ms + 1500
    said = tuple(
        replace(one, start_ms=one.start_ms - begin, end_ms=one.end_ms - begin) for one in (first, second)
    )
    return Speech(pcm=demo.pcm[begin * 16 : end * 16], said=said)


def take(pool: Sequence[Speech], count: int) -> list[Speech]:
    """Return ``count`` speeches, going round."""
    return [pool[index % len(pool)] for index in range(count)]


def steal_s() -> float:
    """Return processor time that the host took from this machine since it started, s."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / os.sysconf("SC_CLK_TCK")


async def measured(pid: int, chosen: Sequence[Speech], drive: Drive) -> dict[str, Any]:
    """Run streams; return their figures and what the server used for them, also its main process alone."""
    before, main, stolen, began = usage(pid), cpu_seconds(pid), steal_s(), time.monotonic()
    records = await drive(chosen)
    after, wall = usage(pid), time.monotonic() - began
    stream_s = sum(speech.seconds for speech in chosen)
    return {
        "streams": len(chosen),
        "talk": round(sum(s.talk for s in chosen) / len(chosen), 3),
        **figures(records),
        **_used(before, after, stream_s, wall),
        "main_process_cpu_s_per_stream_s": round((cpu_seconds(pid) - main) / stream_s, 5),
        "stolen_share": round((steal_s() - stolen) / wall / (os.cpu_count() or 1), 3),
    }


def _used(before: Usage, after: Usage, stream_s: float, wall_s: float) -> dict[str, Any]:
    spent = after.cpu_s - before.cpu_s
    return {
        "cpu_s_per_stream_s": round(spent / stream_s, 5),
        "cores_used": round(spent / wall_s, 3),
        "resident_mib": round(after.resident_mib),
        "threads": after.threads,
    }


def driver(address: str, chunk_ms: int, prefix: str, language: str = "") -> Drive:
    """Return what streams to a Yuetone server, in calls of ``language`` (BCP 47) if there is one."""

    async def drive(chosen: Sequence[Speech]) -> list[StreamRecord]:
        name = f"{prefix}-{len(chosen)}"
        return await run_streams(address, chosen, chunk_ms=chunk_ms, prefix=name, language=language)

    return drive


def parser_for(doc: str | None, *, seconds: float, talk: float = 0.46) -> argparse.ArgumentParser:
    """Return a parser with the options that all serving benchmarks share."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="recogniser: name or directory")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where it runs")
    parser.add_argument("--seconds", type=float, default=seconds, help="speech in each stream")
    parser.add_argument("--talk", type=float, default=talk, help="share of the time with speech")
    parser.add_argument("--chunk-ms", type=int, default=20, help="audio in one message")
    parser.add_argument("--seed", type=int, default=0, help="of the test speech")
    parser.add_argument(
        "--everything", action="store_true", help="with emotion, speakers, suggestions, alerts"
    )
    parser.add_argument("--no-pin", action="store_true", help="let the server use all cores")
    parser.add_argument("--smoke", action="store_true", help="two sentences: does it work at all?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    return parser


def arguments(options: argparse.Namespace) -> list[str]:
    """Return the server's command line for what was chosen."""
    return ["--model", options.model, "--device", options.device]


def cores_for(options: argparse.Namespace) -> set[int] | None:
    """Take the client's cores; return the server's, None for all."""
    if options.no_pin:
        return None
    own, server = split_cores()
    os.sched_setaffinity(0, own)
    return server


def conditions(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a result states about how it came about."""
    names = ("model", "device", "seconds", "talk", "chunk_ms", "seed", "everything", "smoke")
    return {
        **{name: getattr(options, name) for name in names},
        "server_cores": "all" if options.no_pin else 1,
    }
