"""Audio for tests: a call, and pieces of it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "pipeline" / "demo"
CALL = ROOT / "benchmarks" / "speech" / "call.wav"
"""A call in the synthesiser's voices, which the small model knows."""
CUSTOMER, AGENT = 0, 1


@lru_cache(maxsize=1)
def demo_call() -> tuple[NDArray[np.float32], int]:
    """Return a call, float32, shape (samples, 2), and its rate."""
    samples, rate = sf.read(CALL, dtype="float32", always_2d=True)
    return samples, rate


@lru_cache(maxsize=1)
def demo_turns() -> list[dict[str, object]]:
    """Return what is said in it."""
    turns: list[dict[str, object]] = json.loads((CALL.with_suffix(".json")).read_text("utf-8"))
    return turns


def turn_16k(index: int, margin_s: float = 0.2) -> NDArray[np.float32]:
    """Return one turn at 16 kHz with a margin on both sides."""
    samples, rate = demo_call()
    turn = demo_turns()[index]
    start = int(int(str(turn["start_ms"])) * rate / 1000 - margin_s * rate)
    end = int(int(str(turn["end_ms"])) * rate / 1000 + margin_s * rate)
    piece = samples[max(0, start) : end, int(str(turn["channel"]))]
    return np.asarray(soxr.resample(piece, rate, 16_000), np.float32)


def speech_16k() -> NDArray[np.float32]:
    """Return a few seconds of one voice at 16 kHz, without silence around."""
    return turn_16k(1, 0.0)
