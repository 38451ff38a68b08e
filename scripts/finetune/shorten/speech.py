"""A folder of recordings as utterances, cut as a live call is, dealt to sets without shared speakers."""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import read_rows, write_rows
from scripts.finetune.common.manifest import SAMPLE_RATE, Utterance, pcm_sha256
from scripts.finetune.common.splitting import groups
from scripts.finetune.corpus.cutting import speech_spans
from scripts.finetune.corpus.recordings import (
    BadRecording,
    Recording,
    find_recordings,
    read_recording,
    write_shard,
)
from scripts.finetune.shorten.options import ShortenOptions

LIST = "manifest.csv"
SHARES = {"dev": 0.04, "test": 0.08}
"""Shares of the utterances that are set aside, at most; at least those of one speaker."""
LARGEST = 0.1
"""Share of the utterances from which a group of calls and speakers is kept for training, if others remain."""
LONGEST = 30 * SAMPLE_RATE
SHORTEST = SAMPLE_RATE // 2
LANGUAGE = "language"
Sets = dict[str, list[Utterance]]


@dataclass(frozen=True, slots=True)
class Known:
    """What a list beside the recordings tells of one.

    Attributes:
        speaker: who speaks; empty if unknown.
        language: Whisper code; empty if unknown.
        transcript: what is said; empty if unknown.
    """

    speaker: str = ""
    language: str = ""
    transcript: str = ""


def read_lists(folder: Path) -> dict[Path, Known]:
    """Return what every ``manifest.csv`` (file, speaker, language, transcript) below ``folder`` tells."""
    found = {}
    for path in sorted(folder.rglob(LIST)):
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                language = (row.get(LANGUAGE) or "").split("-")[0].lower()
                found[path.parent / (row.get("file") or "")] = Known(
                    row.get("speaker") or "", language, (row.get("transcript") or "").strip()
                )
    return found


def find_speech(options: ShortenOptions) -> list[Path]:
    """Return the recordings that are read.

    Raises:
        FinetuneError: there is no folder, or nothing in it.
    """
    if not options.audio.is_dir():
        raise FinetuneError(f"no folder {options.audio}")
    recordings, _unread = find_recordings(options.audio)
    if not recordings:
        raise FinetuneError(f"no recordings in {options.audio}: WAV, MP3, FLAC, Ogg, AIFF and AU are read")
    random.Random(f"recordings/{options.seed}").shuffle(recordings)
    return recordings


def cut_recordings(options: ShortenOptions, folder: Path) -> list[Utterance]:
    """Cut recordings into ``folder`` until there is enough speech; what was cut before is kept.

    Raises:
        FinetuneError: there is no speech.
    """
    known = read_lists(options.audio)
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Utterance] = []
    seconds = 0.0
    for path in track(find_speech(options), "cutting", transient=True):
        own = _cut(path, folder, known.get(path, Known()), str(path.relative_to(options.audio)))
        found += own
        seconds += sum(utterance.seconds for utterance in own)
        if seconds > options.hours * 3600:
            break
    if not found:
        raise FinetuneError(f"no speech in {options.audio}")
    return found


def _cut(path: Path, folder: Path, known: Known, name: str) -> list[Utterance]:
    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    rows = folder / f"{key}.jsonl"
    if not rows.is_file():
        try:
            recording = read_recording(path)
            utterances = list(_utterances(recording, key, known))
        except BadRecording:
            utterances = []
        else:
            write_shard(folder / f"{key}.flac", recording.audio)
        write_rows(rows, (utterance.model_dump() for utterance in utterances))
    return [Utterance.model_validate(row) for row in read_rows(rows)]


def _utterances(recording: Recording, key: str, known: Known) -> Iterator[Utterance]:
    """Yield the speech of a recording; one that has a transcript stays whole."""
    for channel, pcm in enumerate(recording.audio.T):
        whole = bool(known.transcript) and len(pcm) <= LONGEST and recording.audio.shape[1] == 1
        for start, end in [(0, len(pcm))] if whole else speech_spans(pcm):
            if end - start < SHORTEST:
                continue
            yield Utterance(
                id=f"{key}/{channel}/{start}",
                call=key,
                audio=f"{key}.flac",
                channel=channel,
                start=start,
                end=min(end, start + LONGEST),
                speaker=known.speaker or f"{key}/{channel}",
                speaker_known=bool(known.speaker),
                role="unknown",
                text=known.transcript if whole else "",
                source=key,
                sample_rate=recording.sample_rate,
                sha256=pcm_sha256(pcm[start:end]),
                labels={LANGUAGE: known.language} if known.language else {},
            )


def deal(utterances: Sequence[Utterance], options: ShortenOptions) -> Sets:
    """Return train, dev and test, no speaker in two of them; train has utterances that break off as well.

    Raises:
        FinetuneError: there are fewer than three speakers, or one of them says nearly everything.
    """
    parts = groups(utterances)
    rng = random.Random(f"sets/{options.seed}")
    rng.shuffle(parts)
    parts.sort(key=lambda part: len(part) > len(utterances) * LARGEST)  # the largest ones are for training
    sets: Sets = {}
    for name, most in (("test", options.test_utterances), ("dev", options.dev_utterances)):
        sets[name] = []
        while parts and len(sets[name]) < min(most, SHARES[name] * len(utterances)):
            sets[name] += parts.pop(0)
        sets[name] = rng.sample(sets[name], min(most, len(sets[name])))
    sets["train"] = [utterance for part in parts for utterance in part]
    if not all(sets.values()):
        raise FinetuneError(
            f"too few recordings in {options.audio}: speakers for learning, watching and testing must differ"
        )
    long = [u for u in sets["train"] if rng.random() < options.cuts and u.seconds > 1]
    sets["train"] += [_broken_off(utterance, rng) for utterance in long]
    return sets


def _broken_off(utterance: Utterance, rng: random.Random) -> Utterance:
    end = utterance.start + rng.randint(SHORTEST, utterance.end - utterance.start)
    return utterance.model_copy(update={"id": f"{utterance.id}/{end}", "end": end, "text": ""})
