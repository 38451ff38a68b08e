"""General Cantonese as manifests: held-out sentences to measure forgetting, training ones to prevent it.

A centre that has real general speech (Common Voice, CantoMap) prepares that and gives its manifests instead.
"""

from __future__ import annotations

import random
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import building, read_json, write_json
from scripts.finetune.common.manifest import MANIFEST, Utterance, pcm_sha256, write_manifest
from scripts.finetune.corpus.call import spoken
from scripts.finetune.corpus.recordings import write_shard
from scripts.finetune.tiny.evaluate import SETS, examples
from scripts.finetune.tiny.examples import make_example
from scripts.finetune.tiny.texts import Texts

LONGEST_CHARACTERS = 50
BLOCK = 50
"""Utterances that are lost, and made again, when espeak-ng crashes (about once in ten thousand sentences)."""
ATTEMPTS = 8
_Job = tuple[Path, int, int, int, int]


def _utterance(name: str, number: int, text: str, pcm: NDArray[np.float32], folder: Path) -> Utterance:
    """Write one shard; return its line of the manifest."""
    audio = f"audio/{name}-{number:05d}.flac"
    kept = write_shard(folder / audio, pcm[:, None])[:, 0]
    return Utterance(
        id=f"{name}/{number}",
        call=f"{name}-{number}",
        audio=audio,
        channel=0,
        start=0,
        end=len(kept),
        speaker=f"{name}-{number}",
        speaker_known=False,
        role="unknown",
        text=text,
        source="synthetic",
        sha256=pcm_sha256(kept),
        labels={"set": name},
    )


def make_general(out: Path, *, count: int, seed: int) -> int:
    """Write a manifest of ``count`` held-out sentences of each set; return how many there are.

    Raises:
        FinetuneError: ``out`` exists.
    """
    utterances = []
    with building(out, {"count": count, "seed": seed}) as folder:
        (folder / "audio").mkdir(exist_ok=True)
        for name in SETS:
            drawn = examples(name, count, seed, None)
            for number, (text, pcm) in enumerate(track(drawn, name, disable=not sys.stderr.isatty())):
                utterances.append(_utterance(name, number, spoken(text), pcm, folder))
        write_manifest(folder / MANIFEST, utterances)
    return len(utterances)


@lru_cache(maxsize=1)
def _texts() -> Texts:
    return Texts()


def _block(job: _Job) -> None:
    """Write one block of training utterances, unless it is there."""
    folder, seed, block, count, attempt = job
    record = folder / "blocks" / f"{block}.json"
    if record.exists():
        return
    rng = random.Random(f"replay/{seed}/{block}/{attempt}")
    rows = []
    for number in range(block * BLOCK, block * BLOCK + count):
        example = make_example(rng, _texts(), held_out_voice=False, longest=LONGEST_CHARACTERS)
        while not example.text:  # silence has no place in a manifest
            example = make_example(rng, _texts(), held_out_voice=False, longest=LONGEST_CHARACTERS)
        rows.append(_utterance("replay", number, example.text, example.pcm, folder).model_dump())
    write_json(record, rows)


def _all_blocks(jobs: list[_Job]) -> bool:
    """Make what is missing; return False if espeak-ng took a process with it."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        try:
            done = pool.map(_block, jobs)
            list(track(done, "speaking", total=len(jobs), disable=not sys.stderr.isatty()))
        except BrokenProcessPool:
            return False
    return True


def make_replay(out: Path, *, count: int, seed: int) -> int:
    """Write a manifest of ``count`` utterances as the small model was trained on; return how many.

    Raises:
        FinetuneError: ``out`` exists.
    """
    with building(out, {"count": count, "seed": seed}) as folder:
        for name in ("audio", "blocks"):
            (folder / name).mkdir(exist_ok=True)
        blocks = range(-(-count // BLOCK))
        jobs = [(folder, seed, block, min(BLOCK, count - block * BLOCK)) for block in blocks]
        for attempt in range(ATTEMPTS):
            if _all_blocks([(*job, attempt) for job in jobs]):
                break
        else:
            raise FinetuneError("espeak-ng crashes again and again; choose another --seed")
        rows = [row for block in blocks for row in read_json(folder / "blocks" / f"{block}.json")]
        write_manifest(folder / MANIFEST, (Utterance.model_validate(row) for row in rows))
    return count
