"""The whole fine-tuning chain on synthetic local calls, step by step, with time and memory of each.

    python -m benchmarks.finetune_chain --work runs/chain --out benchmarks/results
    python -m benchmarks.finetune_chain --work /tmp/toy --count 12 --allow-fewer --train "--epochs 1"

Calls in an accent that the served model never met, with whole-call transcripts; through every step to a
promoted model that a server takes up; its transcripts of test calls over gRPC are scored at the end. Steps
whose folder is there are not run again, so that a stopped benchmark goes on.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from cantonese.scoring import scoring_form

ROOT = Path(__file__).resolve().parents[1]
TERMS = (
    "悅通智能門鎖", "星盾網絡保險", "飛躍光纖寬頻", "樂活醫療寶", "易賞錢回贈卡", "雲端錄影鏡",
    "迅達國際漫遊", "安居家電保", "金鑽旅遊保", "耆樂平安鐘", "綠能充電樁", "童心學習平板",
    "HomeHub Pro", "Star Shield",
    "Easy Pay", "Cloud Cam", "Super Roam", "Fibre Max", "Smart Lock", "Care Plus",
)  # fmt: skip
KEPT = ("cer", "mer", "relative_fall", "comparison", "digits", "terms", "groups")
TRAINING = "--epochs 3 --optimizer muon --rate 0.0003 --decay-from 0.2 --replay-share 0.6 --precision bf16"


class Steps:
    """Runs steps as a user does and keeps books.

    Args:
        work: folder of all results.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self._books = work / "books.json"
        self.books: dict[str, Any] = json.loads(self._books.read_text()) if self._books.exists() else {}

    def run(self, name: str, command: Sequence[object], *, allowed: Sequence[int] = (0,)) -> None:
        """Run one step, unless it was run before.

        Raises:
            SystemExit: the step failed.
        """
        if name in self.books:
            return
        print(f"== {name}: {' '.join(map(str, command))}", flush=True)
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-m", *map(str, command)], cwd=ROOT)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in allowed:
            raise SystemExit(f"{name} ended with {code}")
        self.books[name] = {
            "seconds": round(time.monotonic() - started, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "peak_mib": round(usage.ru_maxrss / 1024),
            "exit": code,
        }
        self._books.write_text(json.dumps(self.books, indent=1) + "\n")


def chain(steps: Steps, options: argparse.Namespace) -> None:
    """Run every step."""
    work, finetune = steps.work, "scripts.finetune"
    few = ["--allow-fewer"] if options.allow_fewer else []
    models = ["--models", work / "models"]
    terms = work / "terms.txt"
    terms.write_text("\n".join(TERMS) + "\n", "utf-8")
    calls = ["scripts.finetune.rehearsal.calls", "--out", work / "calls", "--count", options.count]
    steps.run("make calls", calls)
    synthetic = ["--personal", "keep"]  # nobody's
    steps.run(
        "prepare", [finetune, "prepare", work / "calls", "--out", work / "prepared", *synthetic, *models]
    )
    check = [finetune, "validate", work / "prepared", "--out", work / "validation", *few, *models]
    steps.run("validate", check)
    steps.run("split", [finetune, "split", work / "prepared", "--out", work / "split"])
    replay = [finetune, "general", "--out", work / "replay", "--replay", options.replay]
    steps.run("make replay", replay)
    training = [finetune, "train", work / "split", "--out", work / "run", "--replay", work / "replay"]
    steps.run("train", [*training, *shlex.split(options.train)])
    steps.run(
        "export", [finetune, "export", work / "run", "--out", work / "local-1", "--blend", options.blend]
    )
    steps.run("general", [finetune, "general", "--out", work / "general", "--count", options.general])
    sets = ["--data", work / "split", "--general", work / "general", "--terms", terms, *models]
    steps.run("evaluate", [finetune, "evaluate", work / "local-1", *sets, "--out", work / "report"])


def serve_and_promote(steps: Steps, calls: int) -> dict[str, Any]:
    """Serve, promote under the running server, and score test calls before and after over gRPC."""
    work = steps.work
    environment = {**os.environ, "YUETONE_LOG__FORMAT": "json"}
    environment["YUETONE_ASR__MODELS_DIR"] = str(work / "models")
    program = str(Path(sys.executable).with_name("yuetone"))
    server = subprocess.Popen(  # noqa: S603
        [program, "serve", "--port", "0", "--metrics-port", "0"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = _log(server, "serving")["port"]
        names = test_calls(work)[:calls]
        before = served_cer(work, port, names)
        promote = ["scripts.finetune", "promote", work / "local-1", "--report", work / "report"]
        promote += ["--models", work / "models", "--reload-pid", server.pid]
        steps.run("promote", promote)
        model = _log(server, "model reloaded")["model"]
        return {"calls": len(names), "model": model, "before": before, "after": served_cer(work, port, names)}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _log(server: subprocess.Popen[str], event: str) -> dict[str, Any]:
    if server.stderr is None:
        raise RuntimeError("no pipe to the server")
    for line in server.stderr:
        entry: dict[str, Any] = json.loads(line)
        if entry["event"] == event:
            return entry
    raise SystemExit(f"the server ended without saying {event!r}")


def test_calls(work: Path) -> list[str]:
    """Return the recordings of the frozen test set."""
    calls = json.loads((work / "split" / "frozen.json").read_text())["calls"]
    return [re.sub(r"-[0-9a-f]{8}$", ".wav", call) for call in calls]


def served_cer(work: Path, port: int, names: Sequence[str]) -> dict[str, Any]:
    """Stream whole recordings to the server; score each side against its whole transcript."""
    with (work / "calls" / "transcripts.csv").open(encoding="utf-8") as file:
        wanted = {(row["recording"], row["role"]): row["text"] for row in csv.DictReader(file)}
    errors = units = 0
    model = ""
    for name in names:
        said: dict[str, str] = {"ROLE_CUSTOMER": "", "ROLE_AGENT": ""}
        program = str(Path(sys.executable).with_name("yuetone"))
        command = [program, "call", str(work / "calls" / name), "--server", f"127.0.0.1:{port}"]
        output = subprocess.run(  # noqa: S603
            [*command, "--roles", "customer,agent", "--speed", "0", "--json"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for message in map(json.loads, output.splitlines()):
            model = message.get("started", {}).get("model", model)
            final = message.get("transcript", {})
            if final.get("is_final"):
                said[final["role"]] += final["raw_text"]
        for role, text in said.items():
            reference = scoring_form(wanted[name, role.removeprefix("ROLE_").lower()])
            errors += Levenshtein.distance(reference, scoring_form(text))
            units += len(reference)
    return {"model": model, "cer": round(errors / max(1, units), 4), "characters": units}


def main() -> None:
    """Run the chain; write ``finetune_chain.json``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of all results")
    parser.add_argument("--out", type=Path, help="folder for finetune_chain.json")
    parser.add_argument("--count", type=int, default=620, help="synthetic calls")
    parser.add_argument("--general", type=int, default=100, help="sentences in each general set")
    parser.add_argument("--replay", type=int, default=6000, help="utterances of general training speech")
    parser.add_argument("--blend", type=float, default=0.85, help="of tuned and starting weights")
    parser.add_argument("--serve", type=int, default=20, help="test calls to stream over gRPC")
    parser.add_argument("--train", default=TRAINING, help="options of the training step")
    parser.add_argument("--allow-fewer", action="store_true", help="go on with fewer than 500 calls")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    work = options.work.resolve()
    steps = Steps(work)
    chain(steps, options)
    served = serve_and_promote(steps, options.serve)
    report = json.loads((work / "report" / "report.json").read_text())
    result = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": f"python -m benchmarks.finetune_chain --work runs/chain --train '{options.train}' "
        f"--blend {options.blend}",
        "machine": {"cpus": os.cpu_count(), "system": platform.machine()},
        "versions": {name: version(name) for name in ("torch", "transformers", "ctranslate2")},
        "prepared": json.loads((work / "prepared" / "summary.json").read_text()),
        "split": json.loads((work / "split" / "summary.json").read_text()),
        "training": json.loads((work / "run" / "result.json").read_text()),
        "steps": steps.books,
        "test": {key: report[key] for key in KEPT},
        "context": report["context"],
        "speed": report["speed"],
        "general": {key: report["general"][key] for key in ("cer", "sets")},
        "served": served,
        "own_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
    if options.out:
        (options.out / "finetune_chain.json").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
