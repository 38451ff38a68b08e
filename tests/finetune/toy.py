"""A toy centre: a few synthetic calls with whole-call transcripts, made once for all tests."""

from __future__ import annotations

import csv
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import soundfile as sf

from models.registry import TINY
from scripts.finetune.common.manifest import Utterance
from scripts.finetune.rehearsal.calls import ROLES, make_call
from tests.processes import run_program

ROOT = Path(__file__).resolve().parents[2]
CALLS = 10


@lru_cache(maxsize=1)
def toys() -> Path:
    """Return a folder that all workers of this test run share."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(gettempdir()) / f"yuetone-toys-{run}"
    folder.mkdir(exist_ok=True)
    return folder


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of :func:`toys`, made by the first test that needs it, whichever worker runs that."""
    folder, done = toys() / name, toys() / f"{name}.done"
    with (toys() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def toy_calls() -> Path:
    """Return a folder of calls and their ``transcripts.csv``; read only."""
    return made_once("calls", _make_calls)


def _make_calls(folder: Path) -> None:
    folder.mkdir()
    rows = [["recording", "role", "speaker", "text"]]
    for number in range(CALLS):
        call, texts, people = make_call(number, 4, 5)
        name = f"call-{number:04d}.wav"
        sf.write(folder / name, call, 8000, subtype="ULAW")
        rows += [[name, role, who, "".join(t)] for role, t, who in zip(ROLES, texts, people, strict=True)]
    with (folder / "transcripts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def toy_data() -> Path:
    """Return a folder with ``prepared`` and ``split``, made by the command line; read only."""
    return made_once("data", _make_data)


def _make_data(base: Path) -> None:
    finetune("prepare", toy_calls(), "--out", base / "prepared", "--workers", "1")
    finetune("split", base / "prepared", "--out", base / "split", "--shares", "60,20,20")


def on_tiny(*arguments: object) -> tuple[str, ...]:
    """Return the option that lets a step of the recogniser's use the small model, which two cores carry."""
    option = {"prepare": "--model", "validate": "--model", "train": "--init"}
    name = option.get(str(arguments[0]))
    return () if name is None or name in arguments or "--task" in arguments else (name, TINY)


def run_finetune(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a step as its user does, on the small model unless told otherwise; return what came of it."""
    settings = {"COLUMNS": "200", "NO_COLOR": "1", **(env or {})}
    return run_program("scripts.finetune", *arguments, *on_tiny(*arguments), env=settings, timeout=600)


def finetune(*arguments: object) -> str:
    """Run a step that must succeed; return its output."""
    done = run_finetune(*arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def utterance(number: int = 0, **changes: Any) -> Utterance:
    """Return an utterance without audio, for pure functions."""
    fields: dict[str, Any] = {
        "id": f"u{number}",
        "call": f"call{number}",
        "audio": "audio/x.flac",
        "channel": 0,
        "start": 0,
        "end": 48_000,
        "speaker": f"speaker{number}",
        "role": "customer",
        "text": "我想查詢我張單點解咁貴。",
        "source": "t.csv:2",
        "heard": "我想查詢我張單點解咁貴。",
        "snr_db": 20.0,
        "sha256": f"{number:064x}",
    }
    return Utterance(**{**fields, **changes})


def silence(path: Path, seconds: float, channels: int = 1) -> None:
    """Write a recording in which nobody speaks."""
    rng = np.random.default_rng(0)
    sf.write(path, rng.normal(0, 1e-3, (int(8000 * seconds), channels)), 8000)
