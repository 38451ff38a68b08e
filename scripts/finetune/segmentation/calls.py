"""A centre's own calls with truth: recordings with RTTM, or recordings of two channels, mixed down.

An archive that keeps agent and customer on channels of their own is free truth for calls on one channel: who
speaks is known by where the speech is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from diarization import DiarizationError
from diarization.base import SAMPLE_RATE
from diarization.turns import read_rttm
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.segmentation.training import Call
from scripts.finetune.voices.mixtures import Turn, spoken
from scripts.finetune.voices.sets import share_of

AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3")
TEST_SHARE, WATCH_SHARE = 0.25, 0.15
SILENT_DB = -60.0
"""A channel that is never louder carries nobody."""


def part(name: str) -> str:
    """Return test, dev or train: always the same for a recording's name."""
    share = share_of(name)
    if share < TEST_SHARE:
        return "test"
    return "dev" if share < TEST_SHARE + WATCH_SHARE else "train"


def find_calls(folder: Path) -> dict[str, Path]:
    """Return the recordings in ``folder``, by name.

    Raises:
        FinetuneError: there are none, or two have one name.
    """
    if not folder.is_dir():
        raise FinetuneError(f"no folder {folder}")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in AUDIO:
            continue
        if path.stem in found:
            raise FinetuneError(
                f"{folder}: two recordings are called {path.stem}; RTTM could not tell them apart"
            )
        found[path.stem] = path
    if not found:
        raise FinetuneError(f"{folder} holds no recording ({', '.join(AUDIO)})")
    return found


def read_calls(folder: Path, wanted: str) -> Iterator[Call]:
    """Yield the calls of a part (train, dev or test), one after the other.

    Raises:
        FinetuneError: a recording cannot be read, or has neither RTTM nor two channels.
    """
    try:
        truths = [read_rttm(path) for path in sorted(folder.rglob("*.rttm"))]
    except DiarizationError as error:
        raise FinetuneError(str(error)) from error
    known = {name: turns for truth in truths for name, turns in truth.items()}
    for name, path in find_calls(folder).items():
        if part(name) != wanted:
            continue
        channels = _read(path)
        if name in known:
            turns = tuple(Turn(speaker=t.speaker, start=t.start, end=t.end) for t in known[name])
        elif len(channels) == 2:
            turns = tuple(_by_channel(channels))
        else:
            raise FinetuneError(f"{path.name} has one channel and no RTTM that names {name}")
        mixed = np.clip(channels.mean(axis=0) * len(channels) ** 0.5, -1, 1)
        yield Call(name=name, pcm=(mixed * 32767).astype(np.int16), turns=turns)


def _read(path: Path) -> np.ndarray:
    """Return the channels of a file, float32 16 kHz, shape (channels, n)."""
    try:
        pcm, rate = sf.read(path, dtype="float32", always_2d=True)
    except (OSError, sf.SoundFileError) as error:
        raise FinetuneError(f"{path} cannot be read as audio") from error
    if not 1 <= pcm.shape[1] <= 2:
        raise FinetuneError(f"{path.name} has {pcm.shape[1]} channels; a call has one or two")
    wide = pcm if rate == SAMPLE_RATE else soxr.resample(pcm, rate, SAMPLE_RATE)
    return np.ascontiguousarray(np.asarray(wide, np.float32).T)


def _by_channel(channels: np.ndarray) -> Iterator[Turn]:
    """Yield where each channel is loud; what is softer than the other channel by 20 dB is its echo."""
    hop = SAMPLE_RATE // 100
    power = [(pcm[: len(pcm) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1) for pcm in channels]
    for number, pcm in enumerate(channels):
        if 10 * np.log10(power[number].max(initial=1e-12)) < SILENT_DB:
            continue
        around = np.convolve(power[1 - number], np.ones(50) / 50, "same")
        clean = np.repeat(power[number] > 0.01 * around, hop)
        own = pcm[: len(clean)] * clean
        yield from (Turn(speaker=f"channel {number}", start=a, end=b) for a, b in spoken(own))
