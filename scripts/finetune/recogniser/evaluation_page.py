"""The evaluation as a page that an engineer can show to a manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.finetune.common.page import Bar, Section, percent, write_page


def _rate(rate: Mapping[str, float]) -> str:
    return f"{percent(rate['value'])} ({percent(rate['low'])} to {percent(rate['high'])})"


def _main(report: Mapping[str, Any]) -> Section:
    rows = [
        (name, _rate(report[key]["base"]), _rate(report[key]["tuned"]))
        for name, key in (("Character error rate", "cer"), ("Mixed error rate", "mer"))
    ]
    for name, key in (("Digit strings right", "digits"), ("Names and terms right", "terms")):
        cells = [f"{percent(report[key][s]['share'])} of {report[key][s]['of']}" for s in ("base", "tuned")]
        rows.append((name, cells[0], cells[1]))
    speed = report["speed"]
    rows.append(
        ("Seconds of computing a second of speech", f"{speed['base_rtf']:.3f}", f"{speed['tuned_rtf']:.3f}")
    )
    difference = report["comparison"]
    return Section(
        title="In short",
        text="Intervals are 95 %, whole calls resampled. The difference in CER is "
        f"{percent(difference['difference'])} absolute ({percent(difference['low'])} to "
        f"{percent(difference['high'])}).",
        columns=("", "base", "tuned"),
        rows=rows,
    )


def _group(name: str, groups: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Section:
    shown = sorted(groups.items(), key=lambda item: -item[1]["base"]["units"])[:30]
    bars = [
        Bar(
            group[:28],
            rates["base"]["value"],
            f"{percent(rates['base']['value'])} → {percent(rates['tuned']['value'])}",
            rates["tuned"]["value"],
        )
        for group, rates in shown
    ]
    return Section(title=f"CER by {name}: base above, tuned below", bars=bars)


def _context(report: Mapping[str, Any]) -> Section:
    rows = [
        (
            side,
            _rate(report["context"][side]["exact"]),
            _rate(report["context"][side]["padded"]),
            report["context"][side]["served"],
        )
        for side in ("base", "tuned")
    ]
    return Section(
        title="Own length against padding to 30 s",
        text="A model whose two rates agree may be served at utterance length, at a fraction of the cost.",
        columns=("", "own length", "padded", "declared"),
        rows=rows,
    )


def _general(general: Mapping[str, Any] | None) -> Section:
    if general is None:
        return Section(title="General Cantonese", text="Not measured: give --general.")
    rows = [("all", _rate(general["cer"]["base"]), _rate(general["cer"]["tuned"]))]
    rows += [
        (name, _rate(rate), _rate(general["sets"]["tuned"][name]))
        for name, rate in general["sets"]["base"].items()
    ]
    return Section(
        title="General Cantonese: what was not forgotten",
        text=f"{general['utterances']} utterances that are not the centre's.",
        columns=("set", "base", "tuned"),
        rows=rows,
    )


def _changes(title: str, rows: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        title=title,
        columns=("said", "base", "tuned", "edits"),
        rows=[(row["said"], row["base"], row["tuned"], row["change"]) for row in rows],
    )


def write_evaluation(path: Path, report: Mapping[str, Any], examples: Mapping[str, Any]) -> None:
    """Write ``report.html``."""
    test, models = report["test"], report["models"]
    write_page(
        path,
        title=f"{models['tuned']['name']} against {models['base']['name']}",
        summary=f"Frozen test set: {test['utterances']} utterances, {test['calls']} calls, "
        f"{test['hours']:.2f} h. "
        f"CER {percent(report['cer']['base']['value'])} before, {percent(report['cer']['tuned']['value'])} "
        f"after: {percent(report['relative_fall'])} fewer errors.",
        sections=[
            _main(report),
            *(_group(name, groups) for name, groups in report["groups"].items()),
            _context(report),
            _general(report["general"]),
            _changes("Better", examples["better"]),
            _changes("Worse", examples["worse"]),
        ],
    )
