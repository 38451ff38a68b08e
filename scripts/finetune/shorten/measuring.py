"""What was won and lost: the model padded and at the speech's own length, before and after, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from asr.base import SAMPLE_RATE
from asr.context import Reading, Speech, figures_of, read_at, runs_away
from asr.directory import STOCK_CONTEXT_S, ModelDirectory
from cantonese.scoring import character_error_rate
from scripts.finetune.common.folders import write_json
from scripts.finetune.common.manifest import Manifest
from scripts.finetune.common.page import Bar, Section, percent, write_page
from scripts.finetune.recogniser.evaluation import describe
from scripts.finetune.shorten.gates import KIND, gate
from scripts.finetune.shorten.speech import LANGUAGE

COLUMNS = {
    "error": "errors against transcripts",
    "difference": "differs from before at 30 s",
    "runaway": "texts that run away",
    "cpu_s_per_s": "processor seconds a second",
}


def measure(
    before: ModelDirectory, after: ModelDirectory, test: Manifest, language: str, out: Path
) -> dict[str, Any]:
    """Measure both models on speakers that neither was trained on here; write report.json and report.html.

    Every reading is compared with what ``before`` writes at 30 s, without the texts that run away even there;
    and, where there are transcripts, with those.

    Args:
        before: the model as it was.
        after: the model that was taught.
        test: what they hear.
        language: of speech that names none; empty leaves it to the models.
        out: folder of the report.
    """
    speech = [
        Speech(pcm=test.pcm(u), text=u.text or None, language=u.labels.get(LANGUAGE)) for u in test.utterances
    ]
    readings = _readings(before, after, speech, language)
    report: dict[str, Any] = {
        "kind": KIND,
        "models": {"base": describe(before), "tuned": describe(after)},
        "test": {
            "sha256": test.sha256,
            "utterances": len(test),
            "transcribed": sum(item.text is not None for item in speech),
            "speakers": len({u.speaker for u in test.utterances}),
            "seconds": round(sum(u.seconds for u in test.utterances), 1),
        },
        "contexts": _compare(readings, speech),
    }
    out.mkdir(exist_ok=True)
    write_json(out / "report.json", report)
    _write_page(out / "report.html", report)
    return report


def _readings(
    before: ModelDirectory, after: ModelDirectory, speech: Sequence[Speech], language: str
) -> dict[str, list[Reading]]:
    """Return what both write: before, at 30 s first, as served and at own length; after, at 30 s and own."""
    jobs = [("base", before, length) for length in sorted({STOCK_CONTEXT_S, before.min_context_s, 0.0})[::-1]]
    jobs += [("tuned", after, length) for length in (STOCK_CONTEXT_S, 0.0)]
    found: dict[str, list[Reading]] = {"base": [], "tuned": []}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=len(speech) * len(jobs))
        for side, directory, length in jobs:
            reading = read_at(
                directory, length, speech, language=language or None, heard=lambda: progress.advance(task)
            )
            found[side].append(reading)
    return found


def _compare(readings: Mapping[str, Sequence[Reading]], speech: Sequence[Speech]) -> dict[str, Any]:
    """Return a row for each reading: error against transcripts, difference from the model before at 30 s."""
    told = readings["base"][0].texts
    tame = [i for i, item in enumerate(speech) if not runs_away(told[i], len(item.pcm) / SAMPLE_RATE)]
    known = [i for i, item in enumerate(speech) if item.text is not None]
    return {
        side: [
            {
                **asdict(figures_of(reading, speech, told)),
                "error": _error([item.text or "" for item in speech], reading.texts, known),
                "difference": _error(told, reading.texts, tame),
            }
            for reading in rows
        ]
        for side, rows in readings.items()
    }


def _error(said: Sequence[str], written: Sequence[str], chosen: Sequence[int]) -> float | None:
    if not chosen:
        return None
    rate = character_error_rate([said[i] for i in chosen], [written[i] for i in chosen], capped=True)
    return round(rate, 4)


def _write_page(path: Path, report: Mapping[str, Any]) -> None:
    checks = gate(report)
    test = report["test"]
    write_page(
        path,
        title="A model at the speech's own length",
        summary=f"{test['utterances']} utterances of {test['speakers']} speakers that the model was not "
        f"taught with, {test['seconds'] / 60:.0f} min; {test['transcribed']} of them have a transcript.",
        sections=_sections(report),
        verdict="; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)
        or "may be served: every condition holds",
        passed=all(check.passed for check in checks),
        personal=False,
    )


def measured_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Return the table of all figures: a row for each model and length, a cell for each of COLUMNS."""
    return [[name, *(_cell(key, row[key]) for key in COLUMNS)] for name, row in _named(report)]


def _named(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    names = {"base": "before", "tuned": "after"}
    return [
        (f"{names[side]}, {_length(row['context_s'])}", row)
        for side in names
        for row in report["contexts"][side]
    ]


def _sections(report: Mapping[str, Any]) -> list[Section]:
    rows = _named(report)
    measured = "error" if report["test"]["transcribed"] else "difference"
    return [
        Section(
            title="Character errors against transcripts"
            if measured == "error"
            else "Characters that differ from the model before at 30 s",
            bars=[Bar(name, row[measured], percent(row[measured])) for name, row in rows],
        ),
        Section(
            title="Processor seconds a second of speech",
            bars=[Bar(name, row["cpu_s_per_s"], f"{row['cpu_s_per_s']:.3f}") for name, row in rows],
        ),
        Section(
            title="All figures",
            text="A text that runs away is a loop, or longer than anybody can say in that time.",
            columns=["input", *COLUMNS.values()],
            rows=measured_rows(report),
        ),
    ]


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if key == "cpu_s_per_s" else percent(value)


def _length(context_s: float) -> str:
    return f"padded to {context_s:g} s" if context_s else "own length"
