"""Running servable models over a manifest: exactly the product's engine."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.progress import track

from asr.base import AsrRequest
from asr.context import NO_GUARDS
from asr.directory import ModelDirectory
from asr.guards import GuardSettings
from asr.options import BEAM_SIZE, WhisperOptions
from asr.whisper import WhisperEngine
from models import ModelError
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.manifest import Manifest

BATCH = 8
PADDED_S = 30.0
SPEED_UTTERANCES = 60
SPEED_ROUNDS = 3
UNGUARDED = NO_GUARDS


def load(
    directory: ModelDirectory,
    *,
    context_s: float | None = None,
    guarded: bool = True,
    beam: int = BEAM_SIZE,
    device: str = "cpu",
    compute_type: str = "auto",
) -> WhisperEngine:
    """Load a model.

    Args:
        directory: of the model.
        context_s: shortest input, in place of what the directory declares.
        guarded: False lets everything through that the guards against invented text would stop.
        beam: of the search; 1 is greedy.
        device: cpu or cuda.
        compute_type: of CTranslate2; see :class:`asr.options.WhisperOptions`.

    Raises:
        FinetuneError: it cannot be loaded.
    """
    if context_s is not None:
        directory = replace(directory, min_context_s=context_s)
    try:
        return WhisperEngine(
            directory,
            WhisperOptions(
                beam_size=beam,
                device=device,
                compute_type=compute_type,
                guards=GuardSettings() if guarded else UNGUARDED,
            ),
        )
    except ModelError as error:
        raise FinetuneError(str(error)) from error


def write_all(engine: WhisperEngine, manifest: Manifest) -> list[str]:
    """Return what ``engine`` writes for each utterance, as finals, in the manifest's order."""
    requests = [AsrRequest(pcm=manifest.pcm(u), final=True) for u in manifest.utterances]
    order = sorted(range(len(requests)), key=lambda index: engine.bucket(requests[index]))
    texts = [""] * len(requests)
    starts = range(0, len(order), BATCH)
    for first in track(starts, engine.name, console=Console(stderr=True), disable=not sys.stderr.isatty()):
        buckets: dict[int, list[int]] = {}
        for index in order[first : first + BATCH]:
            buckets.setdefault(engine.bucket(requests[index]), []).append(index)
        for members in buckets.values():
            results = engine.transcribe([requests[index] for index in members])
            for index, result in zip(members, results, strict=True):
                texts[index] = result.text
    return texts


def compare_speed(engines: Sequence[WhisperEngine], manifest: Manifest) -> list[float]:
    """Return the real-time factor of each engine, measured in turns on the same utterances, one at a time.

    The median over rounds; a round gives every engine every utterance, so that whatever else the machine
    does strikes all alike.
    """
    clips = [manifest.pcm(u) for u in manifest.utterances[:SPEED_UTTERANCES]]
    seconds = sum(map(len, clips)) / 16_000
    rounds: list[list[float]] = []
    for _ in range(SPEED_ROUNDS + 1):
        spent = [0.0] * len(engines)
        for clip in clips:
            for index, engine in enumerate(engines):
                started = time.perf_counter()
                engine.transcribe([AsrRequest(pcm=clip, final=True)])
                spent[index] += time.perf_counter() - started
        rounds.append(spent)
    return [float(np.median([spent[i] for spent in rounds[1:]])) / seconds for i in range(len(engines))]
