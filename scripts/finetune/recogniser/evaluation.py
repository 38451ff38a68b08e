"""The step ``evaluate``: two recognisers side by side on the frozen test set and on a general one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.directory import ModelDirectory
from models.files import sha256_of
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, write_json
from scripts.finetune.common.manifest import Manifest, read_manifest
from scripts.finetune.common.splitting import check_frozen, read_frozen
from scripts.finetune.common.statistics import worse_probability
from scripts.finetune.corpus.hearing import open_directory
from scripts.finetune.recogniser import scores
from scripts.finetune.recogniser.evaluation_page import write_evaluation
from scripts.finetune.recogniser.running import PADDED_S, compare_speed, load, write_all
from scripts.finetune.recogniser.scores import Scored

REPORT = "report.json"
EXAMPLES = 25
SIDES = ("base", "tuned")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What is measured.

    Attributes:
        tuned: the model in question: directory or registry name.
        base: what it is compared with; ``auto`` is the one that is served.
        data: split folder; its frozen test set is used.
        general: manifest of speech that is not the centre's, to see what was forgotten; None leaves it out.
        terms: names of products and people whose recall is counted.
        models: folder of installed models.
        device: cpu or cuda.
        limit: utterances of each set; 0 for all.
    """

    tuned: str
    base: str
    data: Path
    general: Path | None
    terms: tuple[str, ...]
    models: Path
    device: str = "cpu"
    limit: int = 0


def test_set(data: Path) -> Manifest:
    """Return the frozen test set of a split folder.

    Raises:
        FinetuneError: there is none, or it was changed.
    """
    test = read_manifest(data / "test.jsonl")
    check_frozen(test, read_frozen(data))
    return test


def plan(options: EvaluateOptions) -> list[str]:
    """Return what would be measured, a line each.

    Raises:
        FinetuneError: a model or a set is missing.
    """
    sets = {"test": test_set(options.data)}
    if options.general:
        sets["general"] = read_manifest(options.general)
    lines = [f"{side}: {open_directory(getattr(options, side), options.models).path}" for side in SIDES]
    return lines + [f"{name}: {len(manifest)} utterances" for name, manifest in sets.items()]


def evaluate(options: EvaluateOptions, out: Path) -> dict[str, Any]:
    """Do the whole step; return the report that is also written.

    Raises:
        FinetuneError: a model or a set is missing, or ``out`` exists.
    """
    test = _limited(test_set(options.data), options.limit)
    general = _limited(read_manifest(options.general), options.limit) if options.general else None
    directories = {side: open_directory(getattr(options, side), options.models) for side in SIDES}
    settings = {"test": test.sha256, "general": general.sha256 if general else None, "terms": options.terms}
    settings |= {side: sha256_of(directory.path / "model.bin") for side, directory in directories.items()}
    with building(out, settings) as folder:
        scored = {side: _run(d, test, None, options.device) for side, d in directories.items()}
        report = {
            "models": {side: describe(directory) for side, directory in directories.items()},
            "test": _describe_set(test),
            **_compare(scored["base"], scored["tuned"]),
            "groups": _groups(test, scored),
            "digits": {side: scores.digit_accuracy(scored[side]) for side in SIDES},
            "terms": {side: scores.term_accuracy(scored[side], options.terms) for side in SIDES},
            "context": {
                side: _context(d, test, scored[side], options.device) for side, d in directories.items()
            },
            "speed": _speed(directories, test, options.device),
            "general": _general(directories, general, options.device) if general else None,
            "complete": options.limit == 0,
        }
        examples = _examples(scored["base"], scored["tuned"])
        write_json(folder / REPORT, report)
        write_json(folder / "examples.json", examples)
        write_evaluation(folder / "report.html", report, examples)
    return report


def describe(directory: ModelDirectory) -> dict[str, Any]:
    """Return what tells this model from every other one."""
    return {
        "name": directory.name,
        "path": str(directory.path.resolve()),
        "sha256": sha256_of(directory.path / "model.bin"),
        "min_context_s": directory.min_context_s,
    }


def _limited(manifest: Manifest, limit: int) -> Manifest:
    if not len(manifest):
        raise FinetuneError(f"the set in {manifest.folder} is empty")
    return Manifest(manifest.folder, manifest.utterances[: limit or None])


def _describe_set(manifest: Manifest) -> dict[str, Any]:
    return {
        "sha256": manifest.sha256,
        "utterances": len(manifest),
        "calls": len({u.call for u in manifest.utterances}),
        "hours": round(sum(u.seconds for u in manifest.utterances) / 3600, 3),
    }


def _run(directory: ModelDirectory, manifest: Manifest, context_s: float | None, device: str) -> list[Scored]:
    engine = load(directory, context_s=context_s, device=device)
    return scores.score(manifest.utterances, write_all(engine, manifest))


def _compare(base: Sequence[Scored], tuned: Sequence[Scored]) -> dict[str, Any]:
    calls, units = [s.utterance.call for s in base], [s.units for s in base]
    before, after = scores.cer(base), scores.cer(tuned)
    return {
        "cer": {"base": before.as_json(), "tuned": after.as_json()},
        "mer": {"base": scores.mer(base).as_json(), "tuned": scores.mer(tuned).as_json()},
        "relative_fall": round(1 - after.value / before.value, 4) if before.value else 0.0,
        "comparison": worse_probability(calls, [s.errors for s in base], [s.errors for s in tuned], units),
    }


def _groups(test: Manifest, scored: dict[str, list[Scored]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, key in scores.GROUPINGS.items():
        names = scores.group_names(test.utterances, key)
        sides = {side: scores.by_group(scored[side], names) for side in SIDES}
        out[name] = {
            group: {side: sides[side][group].as_json() for side in SIDES} for group in sorted(sides["base"])
        }
    return out


def _context(directory: ModelDirectory, test: Manifest, own: list[Scored], device: str) -> dict[str, Any]:
    """Compare padding to 30 s with the utterance's own length; ``own`` is one of the two."""
    padded = own if directory.min_context_s >= PADDED_S else _run(directory, test, PADDED_S, device)
    exact = own if directory.min_context_s == 0 else _run(directory, test, 0.0, device)
    return {
        "exact": scores.cer(exact).as_json(),
        "padded": scores.cer(padded).as_json(),
        "served": "padded" if own is padded else "exact",
    }


def _speed(directories: dict[str, ModelDirectory], test: Manifest, device: str) -> dict[str, float]:
    base, tuned = compare_speed([load(directories[side], device=device) for side in SIDES], test)
    return {"base_rtf": round(base, 4), "tuned_rtf": round(tuned, 4), "ratio": round(tuned / base, 3)}


def _general(directories: dict[str, ModelDirectory], general: Manifest, device: str) -> dict[str, Any]:
    scored = {side: _run(directory, general, None, device) for side, directory in directories.items()}
    by_set = {
        side: {
            name: rate.as_json() for name, rate in scores.by_group(scored[side], _sources(general)).items()
        }
        for side in SIDES
    }
    return {**_describe_set(general), **_compare(scored["base"], scored["tuned"]), "sets": by_set}


def _sources(manifest: Manifest) -> list[str]:
    return [u.labels.get("set", "general") for u in manifest.utterances]


def _examples(base: Sequence[Scored], tuned: Sequence[Scored]) -> dict[str, list[dict[str, Any]]]:
    """Return the utterances that changed most, for people to read."""
    pairs = sorted(zip(base, tuned, strict=True), key=lambda pair: pair[1].errors - pair[0].errors)
    rows: list[dict[str, Any]] = [
        {
            "id": b.utterance.id,
            "said": b.utterance.text,
            "base": b.text,
            "tuned": t.text,
            "change": t.errors - b.errors,
        }
        for b, t in pairs
        if t.errors != b.errors
    ]
    return {
        "better": [row for row in rows if row["change"] < 0][:EXAMPLES],
        "worse": [row for row in reversed(rows) if row["change"] > 0][:EXAMPLES],
    }
