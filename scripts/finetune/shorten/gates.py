"""When a model that was taught exact length may be served: pure conditions over a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr.directory import STOCK_CONTEXT_S
from scripts.finetune.common.page import percent
from scripts.finetune.common.task import Check

KIND = "shorten"
"""What a report of this kind calls itself."""
ERROR_MARGIN = 0.01
DIFFERENCE = 0.15
"""Characters that may differ from the model at 30 s where nobody transcribed. Readings of whisper-base with
equal error rates, at 30 s and at 10 s, differ by about as much."""
RUNAWAY = 0.01
FEW = 100


def gate(report: Mapping[str, Any]) -> list[Check]:
    """Return the conditions for promotion.

    Args:
        report: what :func:`.measuring.measure` wrote.
    """
    short = _row(report, "tuned", 0.0)
    served = _row(report, "base", report["models"]["base"]["min_context_s"])
    ratio = short["cpu_s_per_s"] / served["cpu_s_per_s"]
    return [
        Check(
            name="enough speech",
            passed=report["test"]["utterances"] >= FEW,
            detail=f"{report['test']['utterances']} utterances (at least {FEW})",
        ),
        _as_good(report),
        Check(
            name="texts that run away",
            passed=short["runaway"] <= RUNAWAY,
            detail=f"{percent(short['runaway'])} (at most {percent(RUNAWAY)})",
        ),
        Check(
            name="speed",
            passed=ratio <= 1,
            detail=f"{ratio:.2f} times the computing of the model before as it is served (at most 1)",
        ),
    ]


def _row(report: Mapping[str, Any], side: str, context_s: float) -> Mapping[str, Any]:
    row: Mapping[str, Any] = next(r for r in report["contexts"][side] if r["context_s"] == context_s)
    return row


def _as_good(report: Mapping[str, Any]) -> Check:
    """Compare with transcripts where there are enough, else with what the model wrote at 30 s."""
    padded, short = _row(report, "base", STOCK_CONTEXT_S), _row(report, "tuned", 0.0)
    name = "own length against padded"
    if report["test"]["transcribed"] < FEW:
        return Check(
            name=name,
            passed=short["difference"] <= DIFFERENCE,
            detail=f"{percent(short['difference'])} of the characters differ from what the model before "
            f"writes at 30 s (at most {percent(DIFFERENCE)})",
        )
    cost = short["error"] - padded["error"]
    return Check(
        name=name,
        passed=cost <= ERROR_MARGIN,
        detail=f"{percent(padded['error'])} padded before, {percent(short['error'])} at own length after: "
        f"{100 * cost:+.2f} % absolute (at most {100 * ERROR_MARGIN:+.1f})",
    )
