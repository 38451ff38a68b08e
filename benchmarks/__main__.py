"""``python -m benchmarks NAME``: one entry point for what is measured."""

from __future__ import annotations

import runpy
import sys

NAMES = {
    "console": ("benchmarks.console.run", "desk and wall: browsers, hundreds of tabs, a working day"),
    "diarization": ("benchmarks.diarization.run", "who spoke: error rates, roles, echo, latency, cost"),
    "emotion": ("benchmarks.emotion.run", "vocal emotion, alerts on generated calls, their cost"),
    "emotion-calibrate": ("benchmarks.emotion.calibrate", "search the fusion settings"),
    "latency": ("benchmarks.serving.latency", "live calls: finals, partials, cost"),
    "capacity": ("benchmarks.serving.capacity", "how many live streams one core carries"),
    "stages": ("benchmarks.serving.stages", "cost of each stage against the floor"),
    "accuracy": ("benchmarks.serving.accuracy", "error rates; padded against exact length; partials"),
    "nothing": ("benchmarks.serving.non_speech", "sound without speech: text that nobody said"),
    "real": ("benchmarks.serving.real_speech", "real people: error rates over lengths of context"),
    "peers": ("benchmarks.serving.peers.run", "WhisperLive and WhisperLiveKit beside Yuetone"),
    "peers-real": ("benchmarks.serving.peers.real", "the same on real people, with stock Whisper base"),
    "outages": ("benchmarks.serving.outages", "killed servers, cut lines: finals lost or doubled"),
    "cluster": (
        "benchmarks.cluster.run",
        "nodes, lines and the database fail under live calls: what is lost",
    ),
    "scale": ("benchmarks.cluster.scale", "more nodes, the cluster's path, the database: what they cost"),
    "simulate": ("benchmarks.cluster.simulate", "up to 100,000 calls, simulated from measured costs"),
    "access": ("benchmarks.access", "identity and audit: tokens, the gate, records, verification"),
    "soak": ("benchmarks.serving.soak", "endurance: fails when something keeps growing"),
    "report": ("benchmarks.serving.report", "RESULTS.md and its plots from the recorded results"),
    "record": ("benchmarks.record.run", "calls on disk: kills, cost, search, erasure, a week of them"),
    "redaction": (
        "benchmarks.redaction.run",
        "personal data: found, kept, readable in live calls, cost, sound",
    ),
    "retrieval": ("benchmarks.retrieval.run", "reply suggestions: quality, size, speed, live latency"),
    "finetune-chain": ("benchmarks.finetune_chain", "the whole fine-tuning chain"),
}


def main() -> None:
    """Run a benchmark by name."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        listed = "\n".join(f"  {name:18} {meaning}" for name, (_module, meaning) in NAMES.items())
        wanted = len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help")
        print(f"usage: python -m benchmarks NAME [options]; NAME --help lists them\n\n{listed}")
        print(
            "\nexamples:\n  python -m benchmarks latency --streams 1 8"
            "\n  python -m benchmarks capacity --smoke"
        )
        sys.exit(0 if wanted else 2)
    module, _meaning = NAMES[sys.argv[1]]
    sys.argv = [f"python -m benchmarks {sys.argv[1]}", *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
