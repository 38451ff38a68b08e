"""When a recogniser may be served: pure conditions over an evaluation report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.finetune.common.page import percent
from scripts.finetune.common.task import Check
from scripts.finetune.recogniser.scores import OTHERS

WORSE_PROBABILITY = 0.05
GROUP_MARGIN = 0.02
GENERAL_MARGIN = 0.01
CONTEXT_MARGIN = 0.003
SPEED_FACTOR = 1.1


def gate(report: Mapping[str, Any]) -> list[Check]:
    """Return the conditions for promotion.

    Args:
        report: what :func:`.evaluation.evaluate` wrote.
    """
    return [
        _complete(report),
        _better(report),
        _groups(report),
        _general(report),
        _context(report),
        _speed(report),
    ]


def _complete(report: Mapping[str, Any]) -> Check:
    test = report["test"]
    return Check(
        name="whole test set",
        passed=bool(report["complete"]),
        detail=f"{test['utterances']} utterances, {test['calls']} calls"
        + ("" if report["complete"] else "; evaluate again without --limit"),
    )


def _better(report: Mapping[str, Any]) -> Check:
    """Not worse, with significance: resampled calls seldom say otherwise."""
    compared, rates = report["comparison"], report["cer"]
    return Check(
        name="CER on the frozen test set",
        passed=compared["worse"] < WORSE_PROBABILITY and compared["difference"] <= 0,
        detail=f"{percent(rates['base']['value'])} before, {percent(rates['tuned']['value'])} after; worse "
        f"in {percent(compared['worse'])} of the resamples (below {percent(WORSE_PROBABILITY)} is needed)",
    )


def _groups(report: Mapping[str, Any]) -> Check:
    worse = [
        (rates["tuned"]["value"] - rates["base"]["value"], f"{kind} {name}")
        for kind in ("role", "speaker")
        for name, rates in report["groups"][kind].items()
        if name != OTHERS
    ]
    most = max(worse, default=(0.0, "none"))
    return Check(
        name="no role or speaker left behind",
        passed=most[0] <= GROUP_MARGIN,
        detail=f"{len(worse)} groups; the least served: {most[1]}, {100 * most[0]:+.1f} % absolute "
        f"(at most {100 * GROUP_MARGIN:+.1f})",
    )


def _general(report: Mapping[str, Any]) -> Check:
    name, general = "general Cantonese", report["general"]
    if general is None:
        return Check(name=name, passed=False, detail="not measured; evaluate again with --general")
    change = general["cer"]["tuned"]["value"] - general["cer"]["base"]["value"]
    return Check(
        name=name,
        passed=change <= GENERAL_MARGIN,
        detail=f"{percent(general['cer']['base']['value'])} before, "
        f"{percent(general['cer']['tuned']['value'])} "
        f"after: {100 * change:+.2f} % absolute (at most {100 * GENERAL_MARGIN:+.1f})",
    )


def _context(report: Mapping[str, Any]) -> Check:
    context = report["context"]["tuned"]
    name = "exact length against padded"
    if context["served"] == "padded":
        return Check(name=name, passed=True, detail="the model is served padded to 30 s")
    cost = context["exact"]["value"] - context["padded"]["value"]
    return Check(
        name=name,
        passed=cost <= CONTEXT_MARGIN,
        detail=f"{percent(context['exact']['value'])} at own length, {percent(context['padded']['value'])} "
        f"padded (at most {100 * CONTEXT_MARGIN:+.1f} % absolute)",
    )


def _speed(report: Mapping[str, Any]) -> Check:
    ratio = report["speed"]["ratio"]
    return Check(
        name="speed",
        passed=ratio <= SPEED_FACTOR,
        detail=f"{ratio:.2f} times the computing of the current model (at most {SPEED_FACTOR})",
    )
