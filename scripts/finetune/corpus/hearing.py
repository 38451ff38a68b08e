"""What the current model hears in utterances, for aligning and for finding wrong transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.base import AsrRequest
from asr.directory import ModelDirectory
from asr.finding import find_recogniser
from asr.options import WhisperOptions
from asr.whisper import WhisperEngine
from cantonese.spoken import normalize_spoken
from models import ModelError
from scripts.finetune.common.errors import FinetuneError

BATCH = 8


def open_directory(model: str, models: Path) -> ModelDirectory:
    """Return the directory that ``model`` means.

    Raises:
        FinetuneError: there is no such model.
    """
    try:
        return find_recogniser(model, models)
    except ModelError as error:
        raise FinetuneError(str(error)) from error


@lru_cache(maxsize=2)
def engine(model: str, models: Path, device: str = "cpu") -> WhisperEngine:
    """Return the recogniser called ``model``, loaded once in this process.

    Raises:
        FinetuneError: there is no such model, or it cannot be loaded.
    """
    try:
        return WhisperEngine(open_directory(model, models), WhisperOptions(device=device, beam_size=1))
    except ModelError as error:
        raise FinetuneError(str(error)) from error


def hear(recogniser: WhisperEngine, clips: Sequence[NDArray[np.float32]]) -> list[str]:
    """Return what is said in each clip, verbatim form, greedy; clips of one length go together."""
    requests = [AsrRequest(pcm=clip, final=False) for clip in clips]
    order = sorted(range(len(requests)), key=lambda index: recogniser.bucket(requests[index]))
    texts = [""] * len(requests)
    while order:
        bucket = recogniser.bucket(requests[order[0]])
        batch = [i for i in order[:BATCH] if recogniser.bucket(requests[i]) == bucket]
        order = order[len(batch) :]
        for index, result in zip(batch, recogniser.transcribe([requests[i] for i in batch]), strict=True):
            texts[index] = normalize_spoken(result.text)
    return texts
