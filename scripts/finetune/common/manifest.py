"""The manifest: one JSON line for each utterance, the same for every model that is trained here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import write_rows

SAMPLE_RATE = 16_000
MANIFEST = "manifest.jsonl"


class Utterance(BaseModel):
    """One utterance of one channel of one call.

    Attributes:
        id: unique in the manifest.
        call: the recording that it is from.
        audio: FLAC shard at 16 kHz, relative to the manifest's folder.
        channel: of the shard, from 0.
        start: first sample at 16 kHz since the start of the call.
        end: behind the last sample.
        speaker: who spoke; ``CALL/ROLE`` where nobody said.
        speaker_known: False if ``speaker`` is such a stand-in.
        role: ``customer``, ``agent`` or ``unknown``.
        text: verbatim form (see :mod:`cantonese.spoken`).
        source: transcript file and line that it is from.
        aligned: how well audio and text agree for the model that aligned them, 0 to 1; None if timed by hand.
        heard: what that model wrote; for finding wrong transcripts.
        snr_db: speech over the noise between words, dB.
        sample_rate: of the recording, Hz.
        sha256: of the utterance's 16-bit samples.
        labels: further targets by name, for models that learn something other than text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    call: str
    audio: str
    channel: int = Field(ge=0)
    start: int = Field(ge=0)
    end: int = Field(gt=0)
    speaker: str
    speaker_known: bool = True
    role: str
    text: str
    source: str
    aligned: float | None = None
    heard: str = ""
    snr_db: float = 0.0
    sample_rate: int = SAMPLE_RATE
    sha256: str
    labels: dict[str, str] = Field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length in s."""
        return (self.end - self.start) / SAMPLE_RATE


class Manifest:
    """Utterances and the folder that their audio paths are relative to."""

    def __init__(self, folder: Path, utterances: Sequence[Utterance]) -> None:
        self.folder = folder
        self.utterances = tuple(utterances)

    def __len__(self) -> int:
        return len(self.utterances)

    def pcm(self, utterance: Utterance) -> NDArray[np.float32]:
        """Return the audio: float32 mono at 16 kHz in [-1, 1], shape (n,).

        Raises:
            FinetuneError: the shard is missing or damaged.
        """
        return read_span(self.folder / utterance.audio, utterance.channel, utterance.start, utterance.end)

    @property
    def sha256(self) -> str:
        """A hash of audio and text, independent of order and folder."""
        lines = sorted(f"{u.sha256} {u.text}" for u in self.utterances)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def pcm_sha256(pcm: NDArray[np.float32]) -> str:
    """Return the SHA-256 of ``pcm`` as 16-bit samples, what a FLAC shard holds."""
    return hashlib.sha256(np.clip((pcm * 32768).round(), -32768, 32767).astype("<i2").tobytes()).hexdigest()


def read_span(path: Path, channel: int, start: int, end: int) -> NDArray[np.float32]:
    """Return samples ``start`` to ``end`` of one channel of a shard.

    Raises:
        FinetuneError: the shard is missing or damaged.
    """
    try:
        with sf.SoundFile(path) as file:
            file.seek(start)
            samples = file.read(end - start, dtype="float32", always_2d=True)
    except (sf.LibsndfileError, RuntimeError) as error:
        raise FinetuneError(f"cannot read {path}; run prepare again") from error
    if channel >= samples.shape[1] or len(samples) < end - start:
        raise FinetuneError(f"{path} is shorter than its manifest says; run prepare again")
    return np.ascontiguousarray(samples[:, channel])


def read_manifest(path: Path) -> Manifest:
    """Read a manifest: the file, or the folder that holds it.

    Raises:
        FinetuneError: there is none, a line is not an utterance, or two have one id.
    """
    file = path / MANIFEST if path.is_dir() else path
    if not file.is_file():
        raise FinetuneError(f"no manifest at {path}; make one with 'prepare'")
    utterances = []
    try:
        lines = [line for line in file.read_text("utf-8").split("\n") if line]
    except ValueError as error:
        raise FinetuneError(f"{file} is not UTF-8; run prepare again") from error
    for number, line in enumerate(lines, 1):
        try:
            utterances.append(Utterance.model_validate_json(line))
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"]) or "line"
            raise FinetuneError(f"{file}:{number}: not an utterance ({field})") from error
    if len({utterance.id for utterance in utterances}) < len(utterances):
        raise FinetuneError(f"{file}: two utterances have the same id; run prepare again")
    if not utterances:
        raise FinetuneError(f"{file} holds no utterances")
    return Manifest(file.parent, utterances)


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest file, whole or not at all."""
    write_rows(path, (utterance.model_dump() for utterance in utterances))


def move_manifest(manifest: Manifest, folder: Path) -> list[Utterance]:
    """Return the utterances with audio paths relative to ``folder``."""
    start = os.path.relpath(manifest.folder.resolve(), folder.resolve())
    return [
        u.model_copy(update={"audio": os.path.normpath(Path(start) / u.audio)}) for u in manifest.utterances
    ]
