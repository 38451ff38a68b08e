"""Who spoke: error rates, roles, swapped channels, echo, latency and cost.

    python -m benchmarks diarization --data DATA
    python -m benchmarks diarization --data DATA --calls 4 --engines live baseline

DATA is a folder of sets of recordings (manifest.csv each). Mixtures have voices that no model was trained on;
AMI excerpts are real meetings with far microphones. Writes benchmarks/results/diarization.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from threadpoolctl import threadpool_limits

from benchmarks.diarization.baseline import energy_and_pitch
from benchmarks.diarization.calls import SEED, TrueCall, meetings, mixtures
from benchmarks.diarization.channels import echo_figures, swap_figures
from benchmarks.diarization.errors import ErrorRates
from benchmarks.diarization.live import LiveFigures
from benchmarks.emotion.run import commit
from benchmarks.facts import RESULTS, environment
from diarization import SpeakerTurn
from diarization.onnx import OnnxEmbedder, OnnxSegmentation
from diarization.tracker import VoiceEngines, tracker_settings
from pipeline.analysis.speakers import live_turns
from pipeline.calls.info import SAMPLE_RATE
from vad.endpointer import EndpointerSettings
from vad.gated import GatedVad

COMMAND = "python -m benchmarks diarization --data DATA"
ENGINES = ("live", "pyannote", "baseline")
SpeakerStage = Callable[[TrueCall], list[SpeakerTurn]]


def engine(name: str, figures: LiveFigures) -> SpeakerStage:
    """Return what diarizes a call; ``figures`` is told how the live engine came to its answer."""
    if name == "baseline":
        return lambda call: energy_and_pitch(call.pcm)
    if name == "pyannote":
        from diarization.second_look import PyannotePipeline  # noqa: PLC0415 (an extra)

        pipeline = PyannotePipeline()
        return lambda call: pipeline.diarize(call.pcm)
    embedder, segmenter = OnnxEmbedder(), OnnxSegmentation()
    engines = VoiceEngines(
        segmenter=segmenter, embedder=embedder, settings=tracker_settings(embedder, segmenter)
    )
    vad = GatedVad(1)

    def live(call: TrueCall) -> list[SpeakerTurn]:
        found = live_turns(call.pcm, engines, vad, EndpointerSettings())
        figures.add(call, found)
        return found.turns

    return live


def measure(
    calls: Sequence[TrueCall], name: str, groups: Mapping[str, Sequence[TrueCall]] | None = None
) -> dict[str, Any]:
    """Return the figures of an engine on some calls, and the error rates of groups among them."""
    parts = {kind: ErrorRates() for kind in groups or {}}
    figures = LiveFigures()
    diarize, rates, counts, spent = engine(name, figures), ErrorRates(), [], 0.0
    for call in track(calls, description=f"{name}, {len(calls)} calls", transient=True):
        begun = time.process_time()
        turns = diarize(call)
        spent += time.process_time() - begun
        rates.add(call.truth, turns, len(call.pcm) / SAMPLE_RATE)
        for kind, group in (groups or {}).items():
            if any(call is member for member in group):
                parts[kind].add(call.truth, turns, len(call.pcm) / SAMPLE_RATE)
        counts.append(len({turn.speaker for turn in turns}))
    seconds = sum(len(call.pcm) for call in calls) / SAMPLE_RATE
    found = {
        "calls": len(calls),
        "minutes": round(seconds / 60, 1),
        **rates.figures(),
        "der_of_calls_p50_p90": [round(float(np.percentile(rates.single, q)), 3) for q in (50, 90)],
        "speakers_found": round(float(np.mean(counts)), 2),
        "cpu_ms_per_call_second": round(1000 * spent / seconds, 1),
    }
    found |= {kind: {"calls": len(part.single), **part.figures()} for kind, part in parts.items()}
    return found | (figures.figures() if name == "live" else {})


def by_kind(calls: Sequence[TrueCall]) -> dict[str, Sequence[TrueCall]]:
    """Return groups of two-voice calls."""
    return {
        "voices of one set": [call for call in calls if call.same_set],
        "voices of one sex": [call for call in calls if call.same_sex],
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of sets of recordings")
    parser.add_argument("--calls", type=int, default=40, help="mixtures of two voices")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each")
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--generated", type=int, default=200, help="generated calls for swapped channels")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON result")
    arguments = parser.parse_args()
    threadpool_limits(1)
    few = max(2, arguments.calls // 4)
    two = list(mixtures(arguments.data, arguments.calls, arguments.seconds))
    groups: dict[str, Iterable[TrueCall]] = {
        "two voices": two,
        "one voice": mixtures(arguments.data, few, 60.0, voices=1),
        "three voices": mixtures(arguments.data, few, arguments.seconds, voices=3),
        "two voices, acted, of a language never heard": mixtures(
            arguments.data, few, arguments.seconds, strange=True
        ),
        "AMI excerpts": meetings(arguments.data),
    }
    results: dict[str, Any] = {}
    for kind, calls in groups.items():
        listed = list(calls)
        if listed:
            among = by_kind(two) if kind == "two voices" else None
            results[kind] = {name: measure(listed, name, among) for name in arguments.engines}
            print(kind, results[kind], flush=True)
    results["swapped channels, generated texts"] = swap_figures(arguments.generated)
    results["echo at -20 dB"] = echo_figures(arguments.data, few)
    print(results["swapped channels, generated texts"], results["echo at -20 dB"])
    told = {
        "command": f"{COMMAND} --calls {arguments.calls}",
        "seed": SEED,
        "commit": commit(),
        **environment(),
        "results": results,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "diarization.json").write_text(
        json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )


if __name__ == "__main__":
    main()
