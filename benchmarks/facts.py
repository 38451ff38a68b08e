"""What every result states: where, when and with what it was measured; and spreads of figures."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from client import quantile

RESULTS = Path(__file__).with_name("results")
ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("yuetone", "ctranslate2", "faster-whisper", "onnxruntime", "grpcio", "numpy")


def commit() -> str:
    """Return the commit of the source tree, with ``+`` when files were changed since; empty outside git."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def environment() -> dict[str, object]:
    """Return what the figures depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return count, p50, p95, p99 in ms of ``values`` in s; what never came is infinite, shown as None."""
    found: dict[str, float | int | None] = {"n": len(values)}
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        value = quantile(values, share)
        found[name] = round(value * 1000, 1) if value is not None and math.isfinite(value) else None
    missing = sum(not math.isfinite(value) for value in values)
    return {**found, "never": missing} if missing else found


def command_line(benchmark: str, arguments: Sequence[str]) -> str:
    """Return what to type to measure again; where the result went is nobody else's business."""
    kept = [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if "--out" not in (before, argument.split("=")[0])
    ]
    return shlex.join(["python", "-m", "benchmarks", benchmark, *kept])


def write_result(name: str, result: dict[str, Any], folder: Path) -> Path:
    """Write ``result`` as ``name.json`` into ``folder``; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {**result, "command": command_line(str(result["benchmark"]), sys.argv[1:])}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path
