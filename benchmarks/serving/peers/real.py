"""Yuetone and what a user would pick instead on real people, with weights that write well for everyone.

    python -m benchmarks peers --set-up runs/peers
    python -m benchmarks peers-real --english SENTENCES --clips CLIPS --shortened runs/short

SENTENCES is a folder of recorded English with ``manifest.csv`` (file, speaker, transcript); one speaker of
eight is used, whom no model here was taught with. CLIPS are conversations (see ``benchmarks real``). Every
system has the same model, stock Whisper base, by its name; Yuetone also the one that ``shorten`` made of it,
and the bundled one. Limits are those of ``peers``. ``faster-whisper`` reads a whole call with a beam, not
live: the floor of the error rate. Writes benchmarks/results/peers_real.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from faster_whisper import WhisperModel

from asr.finding import MODELS_DIR, find_recogniser
from benchmarks.facts import RESULTS, environment, write_result
from benchmarks.serving.figures import character_errors
from benchmarks.serving.peers.run import LIMITS, Ground, ground_for, peer_capacity, yuetone_capacity
from benchmarks.serving.peers.setup import versions
from benchmarks.serving.peers.systems import PEERS
from benchmarks.serving.real_calls import conversation, joined_calls
from benchmarks.serving.real_speech import read_clips
from benchmarks.serving.record import StreamRecord, Update
from scripts.finetune.common.held_out import held_out

STOCK = "Yuetone, stock"
FLOOR = "faster-whisper, whole files"


def floor(ground: Ground, model: str) -> dict[str, Any]:
    """Return error rate and cost of faster-whisper on the first call as a whole, with its own defaults."""
    whisper, speech = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=1), ground.pool[0]
    began = time.process_time()
    segments, _info = whisper.transcribe(speech.floats, language=ground.language, vad_filter=True)
    text = "".join(segment.text for segment in segments)
    spent = time.process_time() - began
    record = StreamRecord(said=speech.said)
    record.updates.append(Update(at=0.0, covers_ms=0, final=True, text=text))
    errors, characters = character_errors(record)
    return {
        "streams": 1,
        "cer": round(errors / characters, 4),
        "cpu_s_per_stream_s": round(spent / speech.seconds, 4),
    }


async def contest(ground: Ground, model: str, ours: dict[str, str]) -> dict[str, Any]:
    """Return every system's figures on one ground: peers first, then Yuetone with each of its models."""
    found: dict[str, Any] = {FLOOR: floor(ground, model)}
    for peer in PEERS:
        found[peer.name] = best(await peer_capacity(ground, peer, model))
    for name, own in ours.items():
        start = max(1, ground.start // 4) if name == STOCK else ground.start
        found[name] = best(await yuetone_capacity(ground, own, name, start, one=True))
    return found


def best(told: dict[str, Any]) -> dict[str, Any]:
    """Return a system's largest number of streams within the limits, and how it fared with it, and with one.

    A system that keeps the limits with no stream is shown with one. Error rates compare with one stream
    alone: it is the same call for all.
    """
    streams = told["streams_per_core"]
    return {
        "streams_per_core": streams,
        **_run_of(told, max(1, streams)),
        "with_one_stream": _run_of(told, 1),
    }


def _run_of(told: dict[str, Any], streams: int) -> dict[str, Any]:
    """Return the run with so many streams."""
    run = next(run for run in told["runs"] if run["streams"] == streams)
    return {name: value for name, value in run.items() if name != "system"}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--english", type=Path, help="folder of recorded sentences")
    parser.add_argument("--clips", type=Path, help="folder of recorded conversations")
    parser.add_argument("--model", default="whisper-base", help="that every system has")
    parser.add_argument("--shortened", type=Path, help="directory that 'shorten' made of it")
    parser.add_argument("--models-dir", type=Path, default=Path(MODELS_DIR))
    parser.add_argument("--peers", type=Path, default=Path("runs/peers"), help="the peers' environment")
    parser.add_argument("--seconds", type=float, default=30, help="of an English call")
    parser.add_argument("--talk", type=float, default=0.86, help="share of an English call with speech")
    parser.add_argument("--start", type=int, default=8, help="first number of streams for Yuetone")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    options = parser.parse_args()
    if not (options.english or options.clips):
        parser.error("give --english, --clips, or both")
    return options


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all systems in turn on each ground."""
    model = str(find_recogniser(options.model, options.models_dir).path)
    ours = {STOCK: options.model}  # by name: a directory alone does not say how little context it bears
    if options.shortened:
        ours["Yuetone, shortened"] = str(options.shortened)
    ours["Yuetone, bundled"] = "bundled"
    grounds: dict[str, Ground] = {}
    stores = {"YUETONE_ASR__MODELS_DIR": str(options.models_dir.expanduser().resolve())}
    if options.english:
        calls = joined_calls(options.english, held_out, options.seconds, options.talk)
        grounds["English sentences"] = replace(ground_for(options, calls, "en"), settings=stores)
    if options.clips:
        calls = [conversation(clip) for clip in read_clips(options.clips)]
        grounds["Cantonese conversations"] = replace(ground_for(options, calls, "zh"), settings=stores)
    return {name: await contest(ground, model, ours) for name, ground in grounds.items()}


def with_grounds_before(
    recorded: Path, grounds: dict[str, Any], measured: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the grounds just measured beside those of earlier runs, and on which day and commit each was.

    Args:
        recorded: the result of earlier runs, if there is one.
        grounds: just measured.
        measured: the environment of now.
    """
    before = json.loads(recorded.read_text("utf-8")) if recorded.is_file() else {}
    old = {name: facts(before["environment"]) for name in before.get("grounds", {})}
    return {
        "grounds": {**before.get("grounds", {}), **grounds},
        "measured": {**old, **before.get("measured", {}), **dict.fromkeys(grounds, facts(measured))},
    }


def facts(measured: dict[str, Any]) -> dict[str, Any]:
    """Return day and commit of an environment."""
    return {name: measured[name] for name in ("date", "commit")}


def main() -> None:
    """Measure, print and write."""
    options = arguments()
    try:
        found = versions(options.peers)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    result = {
        "benchmark": "peers-real",
        "model": options.model,
        "seconds": options.seconds,
        "talk": options.talk,
        "limits_ms": {"final_p95": LIMITS.final_s * 1000, "partial_age_p95": LIMITS.partial_s * 1000},
        "environment": environment(),
        "peers": found,
    }
    grounds = asyncio.run(run(options))
    result |= with_grounds_before(options.out / "peers_real.json", grounds, result["environment"])
    print(json.dumps(result["grounds"], ensure_ascii=False, indent=1))
    print(write_result("peers_real", result, options.out))


if __name__ == "__main__":
    main()
