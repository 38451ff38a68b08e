"""The step ``prepare``: a folder of calls and transcripts into a manifest, shards and a list of rejects."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.progress import track

from cantonese.characters import is_simplified
from models.files import sha256_of
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, read_json, refuse_existing, write_json, write_rows
from scripts.finetune.common.manifest import MANIFEST, Utterance, write_manifest
from scripts.finetune.corpus.call import Call, CallCutter
from scripts.finetune.corpus.hearing import engine, hear, open_directory
from scripts.finetune.corpus.matching import match
from scripts.finetune.corpus.personal import Personal, without_people
from scripts.finetune.corpus.recordings import (
    BadRecording,
    find_recordings,
    read_recording,
    rewrite_shard,
    write_shard,
)
from scripts.finetune.corpus.transcripts import BadLine, Line, read_transcripts

REJECTS, SUMMARY = "rejects.jsonl", "summary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """What prepare depends on.

    Attributes:
        calls: folder of recordings.
        transcripts: file or folder; the recordings' own folder if they lie together.
        encoding: of text files that are not UTF-8.
        roles: of the channels of a stereo recording, from 0.
        mono_role: of a mono recording.
        model: that aligns: registry name, directory, or auto.
        models: folder of installed models.
        min_agreement: below it, a text is not taken for what was said.
        personal: what becomes of utterances with personal data.
        workers: processes.
    """

    calls: Path
    transcripts: Path
    encoding: str | None
    roles: tuple[str, str]
    mono_role: str
    model: str
    models: Path
    min_agreement: float
    personal: Personal
    workers: int


def plan(options: PrepareOptions) -> tuple[dict[Path, list[Line]], list[BadLine]]:
    """Read what there is, without touching audio: lines by recording, and what does not match.

    Raises:
        FinetuneError: there are no recordings or no transcripts, or a file has the wrong encoding.
    """
    if not options.calls.is_dir():
        raise FinetuneError(f"no folder {options.calls}")
    if not options.transcripts.exists():
        raise FinetuneError(f"no transcripts at {options.transcripts}")
    recordings, unread = find_recordings(options.calls)
    if not recordings:
        raise FinetuneError(f"no recordings in {options.calls}: WAV, MP3, FLAC, Ogg, AIFF and AU are read")
    lines, bad = read_transcripts(options.transcripts, options.encoding)
    if not lines:
        reason = f"; the first problem: {bad[0].source}: {bad[0].reason}" if bad else ""
        raise FinetuneError(
            f"no transcript lines in {options.transcripts}: CSV, JSONL, SRT, VTT, TextGrid, EAF and TXT are "
            f"read{reason}"
        )
    matched, unmatched = match(options.calls, recordings, lines)
    return matched, [*unread, *bad, *unmatched]


def prepare(options: PrepareOptions, out: Path) -> dict[str, Any]:
    """Do the whole step; a killed run goes on where it was.

    Returns:
        the summary that is also written to ``summary.json``.

    Raises:
        FinetuneError: nothing to work on, nothing usable, or no space left.
    """
    refuse_existing(out)
    if out.resolve().is_relative_to(options.calls.resolve()):
        raise FinetuneError(f"{out} is inside {options.calls}; choose an --out elsewhere")
    open_directory(options.model, options.models)
    matched, bad = plan(options)
    settings = {k: str(v) for k, v in asdict(options).items() if k != "workers"}
    with building(out, settings) as folder:
        for name in ("audio", "items"):
            (folder / name).mkdir(exist_ok=True)
        jobs, copies = _jobs(options.calls, matched)
        bad += copies
        records = list(_work(options, folder, jobs))
        utterances = [Utterance.model_validate(u) for record in records for u in record["utterances"]]
        bad += [BadLine(**reject) for record in records for reject in record["rejects"]]
        if not utterances:
            write_rows(folder / REJECTS, (asdict(reject) for reject in bad))
            raise FinetuneError(f"no utterance could be used; {folder / REJECTS} says why")
        summary = _summary(matched, records, utterances, bad)
        write_manifest(folder / MANIFEST, utterances)
        write_rows(folder / REJECTS, (asdict(reject) for reject in bad))
        write_rows(folder / "notes.jsonl", (note for record in records for note in record["notes"]))
        write_rows(
            folder / "recordings.jsonl", (record["recording"] for record in records if record["recording"])
        )
        write_json(folder / SUMMARY, summary)
    return summary


@dataclass(frozen=True, slots=True)
class _Job:
    """One recording: its path, the call's id, the hash of all that its result depends on, and its lines."""

    path: Path
    call: str
    key: str
    lines: list[Line]


def _jobs(calls: Path, matched: dict[Path, list[Line]]) -> tuple[list[_Job], list[BadLine]]:
    """Return what is to be done, and the lines of recordings that are copies of another one."""
    jobs: dict[str, _Job] = {}
    bad: list[BadLine] = []
    for path, lines in matched.items():
        if not lines:
            continue
        audio = sha256_of(path)
        if audio in jobs:
            reason = f"the recording is a copy of {jobs[audio].path.relative_to(calls)}"
            bad += [BadLine(line.source, reason) for line in lines]
            continue
        call = f"{path.stem}-{audio[:8]}"
        key = hashlib.sha256(repr(lines).encode()).hexdigest()[:8]
        jobs[audio] = _Job(path, call, key, lines)
    return list(jobs.values()), bad


def _summary(
    matched: dict[Path, list[Line]], records: list[dict[str, Any]], kept: list[Utterance], bad: list[BadLine]
) -> dict[str, Any]:
    return {
        "recordings": len(matched),
        "recordings_used": len({u.call for u in kept}),
        "recordings_readable": sum(bool(record["recording"]) for record in records),
        "utterances": len(kept),
        "hours": round(sum(u.seconds for u in kept) / 3600, 3),
        "rejects": len(bad),
        "reasons": dict(Counter(reject.reason.partition(" (")[0] for reject in bad).most_common()),
    }


def _work(options: PrepareOptions, folder: Path, jobs: Sequence[_Job]) -> Iterator[dict[str, Any]]:
    """Yield the record of each recording, from an earlier start where there is one."""
    run = partial(_one, options, folder)
    if options.workers <= 1:
        yield from track(map(run, jobs), "preparing", total=len(jobs), disable=not _on_terminal())
        return
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from track(pool.map(run, jobs), "preparing", total=len(jobs), disable=not _on_terminal())
        except BrokenProcessPool as error:
            raise FinetuneError(
                "a worker process died (out of memory?); run the same command with --workers 1"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _on_terminal() -> bool:
    return os.isatty(2) or os.isatty(1)


def _one(options: PrepareOptions, folder: Path, job: _Job) -> dict[str, Any]:
    item = folder / "items" / f"{job.call}-{job.key}.json"
    if item.exists():
        record: dict[str, Any] = read_json(item)
        return record
    record = _record(options, folder, job.path, job.call, job.lines)
    write_json(item, record)
    return record


def _record(
    options: PrepareOptions, folder: Path, path: Path, name: str, lines: list[Line]
) -> dict[str, Any]:
    source = str(path.relative_to(options.calls))
    try:
        recording = read_recording(path)
    except BadRecording as error:
        reject = {"source": source, "reason": str(error)}
        return {"recording": None, "utterances": [], "rejects": [reject], "notes": []}
    shard = f"audio/{name}.flac"
    audio = write_shard(folder / shard, recording.audio)
    call = Call(
        id=name,
        audio=audio,
        shard=shard,
        sample_rate=recording.sample_rate,
        roles=options.roles if audio.shape[1] == 2 else (options.mono_role,),
        min_agreement=options.min_agreement,
    )
    recogniser = engine(options.model, options.models)
    done = CallCutter(partial(hear, recogniser)).cut(call, lines)
    if options.personal is Personal.LEAVE_OUT:
        silent, done.utterances, left_out = without_people(audio, done.utterances)
        done.rejects += left_out
        if left_out:
            rewrite_shard(folder / shard, silent)
    return {
        "recording": {
            "call": name,
            "source": source,
            "seconds": round(len(audio) / 16_000, 2),
            "channels": audio.shape[1],
            "sample_rate": recording.sample_rate,
            "clipped": round(recording.clipped, 6),
            "sha256": recording.sha256,
        },
        "utterances": [json.loads(utterance.model_dump_json()) for utterance in done.utterances],
        "rejects": [asdict(reject) for reject in done.rejects],
        "notes": [note for line in lines if (note := _simplified(line))],
    }


def _simplified(line: Line) -> dict[str, str] | None:
    """Return a note for the review of a line that was written in simplified characters."""
    found = "".join(dict.fromkeys(filter(is_simplified, line.text)))
    return {"source": line.source, "kind": "simplified", "detail": found} if found else None
