"""The step ``validate``: look at prepared data before anybody trains on it."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

import soundfile as sf
from tokenizers import Tokenizer

from asr.finding import find_recogniser
from models import ModelError
from models.files import replace_file
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, read_rows, write_json
from scripts.finetune.common.manifest import Manifest, read_manifest
from scripts.finetune.common.page import Section, counts, histogram, write_page
from scripts.finetune.corpus.checks import Data, Finding, hours, run_checks

REPORT, REVIEW = "report.json", "review.csv"


def unreadable(manifest: Manifest) -> list[str]:
    """Return the shards that are missing, damaged, or shorter than the manifest says."""
    ends: dict[str, int] = {}
    for u in manifest.utterances:
        ends[u.audio] = max(ends.get(u.audio, 0), u.end)
    return [audio for audio, end in ends.items() if _frames(manifest.folder / audio) < end]


def _frames(shard: Path) -> int:
    try:
        return int(sf.info(shard).frames)
    except (sf.LibsndfileError, RuntimeError):
        return 0


def inspect(
    prepared: Path, *, model: str, models: Path, allow_fewer: bool
) -> tuple[Manifest, Data, list[Finding]]:
    """Run every check.

    Raises:
        FinetuneError: the folder is not one that prepare wrote, or there is no such model.
    """
    manifest = read_manifest(prepared)
    try:
        tokenizer = Tokenizer.from_file(str(find_recogniser(model, models).path / "tokenizer.json"))
    except ModelError as error:
        raise FinetuneError(str(error)) from error
    data = Data(
        utterances=manifest.utterances,
        recordings=read_rows(prepared / "recordings.jsonl"),
        rejects=read_rows(prepared / "rejects.jsonl"),
        notes=read_rows(prepared / "notes.jsonl"),
        token_count=lambda char: len(tokenizer.encode(char, add_special_tokens=False).ids),
        unreadable=unreadable(manifest),
        allow_fewer=allow_fewer,
    )
    return manifest, data, run_checks(data)


def validate(prepared: Path, out: Path, *, model: str, models: Path, allow_fewer: bool) -> list[Finding]:
    """Run the checks and write ``report.html``, ``report.json`` and ``review.csv``.

    Raises:
        FinetuneError: see :func:`inspect`; or ``out`` exists.
    """
    manifest, data, findings = inspect(prepared, model=model, models=models, allow_fewer=allow_fewer)
    settings = {"manifest": manifest.sha256, "allow_fewer": allow_fewer, "model": model}
    with building(out, settings) as folder:
        write_json(folder / REPORT, [asdict(finding) for finding in findings])
        replace_file(folder / REVIEW, _review(findings))
        _write_page(folder / "report.html", prepared, data, findings)
    return findings


def passed(findings: list[Finding]) -> bool:
    """Tell whether no check failed."""
    return all(finding.level != "failure" for finding in findings)


def _review(findings: list[Finding]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["check", "level", "item", "reason"])
    for finding in findings:
        writer.writerows((finding.name, finding.level, item, reason) for item, reason in finding.items)
    return out.getvalue()


def _write_page(path: Path, prepared: Path, data: Data, findings: list[Finding]) -> None:
    seconds = [u.seconds for u in data.utterances]
    failed = sum(finding.level == "failure" for finding in findings)
    warned = sum(finding.level == "warning" for finding in findings)
    sections = [
        Section(
            title="Checks",
            text="review.csv lists every utterance behind a warning or a failure.",
            columns=("check", "verdict", "what was found", "items"),
            rows=[(f.name, f.level, f.detail, len(f.items)) for f in findings],
        ),
        counts(
            "Hours by role",
            {k: round(v, 2) for k, v in hours(data.utterances, lambda u: u.role).items()},
            "h",
        ),
        counts(
            "Minutes by speaker (the 40 with most)",
            {k: round(v * 60, 1) for k, v in hours(data.utterances, lambda u: u.speaker).items()},
            "min",
        ),
        histogram("Length of utterances", seconds, (0, 1, 2, 3, 4, 6, 8, 10, 15), "s"),
        histogram(
            "Speech over noise",
            [u.snr_db for u in data.utterances],
            (-10, 0, 5, 10, 15, 20, 25, 30, 40),
            "dB",
        ),
        histogram(
            "Characters a second",
            [len(u.text) / u.seconds for u in data.utterances],
            (0, 1, 2, 3, 4, 5, 6, 7, 8, 10),
            "",
        ),
    ]
    verdict = f"{'FAIL' if failed else 'PASS'}: {failed} failures, {warned} warnings"
    write_page(
        path,
        title=f"Validation of {prepared.name}",
        summary=f"{len(data.recordings)} recordings, {len(data.utterances)} utterances, "
        f"{sum(seconds) / 3600:.2f} h.",
        sections=sections,
        verdict=verdict,
        passed=not failed,
    )
