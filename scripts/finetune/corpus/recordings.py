"""Recordings of any sample rate and coding as 16 kHz audio."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from client.decoding import SUFFIXES, decode_bytes
from client.errors import BadAudio
from models.files import replace_file
from scripts.finetune.common.manifest import SAMPLE_RATE
from scripts.finetune.corpus.transcripts import BadLine

UNREAD = (".raw", ".pcm", ".g729", ".qcp")
MAX_HOURS = 4.0


class BadRecording(Exception):
    """A recording that cannot be used; the message is the reason in the rejects file."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """A decoded recording.

    Attributes:
        audio: float32 at 16 kHz in [-1, 1], shape (samples, channels).
        sample_rate: of the file, Hz.
        clipped: share of samples at full scale.
        sha256: of the file.
    """

    audio: NDArray[np.float32]
    sample_rate: int
    clipped: float
    sha256: str


def find_recordings(folder: Path) -> tuple[list[Path], list[BadLine]]:
    """Return every audio file below ``folder``, sorted, and those that cannot be read by kind or name."""
    found, bad = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."):
        name = str(path.relative_to(folder))
        if path.suffix.lower() in UNREAD:
            bad.append(BadLine(name, f"{path.suffix} is not read; convert it to WAV or FLAC"))
        elif path.suffix.lower() in SUFFIXES:
            if any("\ud800" <= char <= "\udfff" for char in name):
                bad.append(BadLine(ascii(name), "the file name is not valid UTF-8; rename it"))
            else:
                found.append(path)
    return found, bad


def read_recording(path: Path) -> Recording:
    """Decode and resample.

    Raises:
        BadRecording: damaged, empty, too long, or more than two channels.
    """
    try:
        data = path.read_bytes()
        found = decode_bytes(data, path.name)
    except (BadAudio, OSError) as error:
        raise BadRecording(str(error)) from error
    rate, samples = found.rate, found.samples
    if len(samples) > MAX_HOURS * 3600 * rate:
        raise BadRecording(f"longer than {MAX_HOURS:g} hours")
    if len(samples) < rate // 10:
        raise BadRecording("shorter than 0.1 s")
    audio = samples if rate == SAMPLE_RATE else soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ")
    return Recording(
        audio=np.clip(audio, -1, 1).astype(np.float32),
        sample_rate=int(rate),
        clipped=float((np.abs(samples) >= 0.999).mean()),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def write_shard(path: Path, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Write 16-bit FLAC, whole or not at all; return the samples as they will be read back."""
    whole = (np.clip(audio, -1, 1) * 32767).round().astype(np.int16)
    _write(path, whole)
    return (whole / 32768).astype(np.float32)


def rewrite_shard(path: Path, audio: NDArray[np.float32]) -> None:
    """Write a shard again, from samples as they were read back from it: the others stay bit for bit."""
    _write(path, (audio * 32768).round().astype(np.int16))


def _write(path: Path, whole: NDArray[np.int16]) -> None:
    coded = io.BytesIO()  # libsndfile hides a failing write of a real file
    sf.write(coded, whole, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    replace_file(path, coded.getvalue())
