"""A recording as the engines hear it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import SettingsError

Pcm = NDArray[np.float32]

USUAL_RMS = 10 ** (-26 / 20)
"""-26 dBov, the active speech level that telephone tests are made at (ITU-T P.56, P.501)."""
GREATEST_GAIN = 10 ** (40 / 20)
LONGEST_S = 8 * 3600


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedRecording:
    """A file, decoded.

    Attributes:
        channels: float32 at 16 kHz, each of shape (n,); one or two.
        seconds: length.
    """

    channels: tuple[Pcm, ...]
    seconds: float


def read_audio(path: Path, *, level: bool = True) -> DecodedRecording:
    """Read WAV, FLAC, OGG or MP3 of one or two channels.

    Args:
        path: of the file.
        level: bring it to the usual level of a call, with one gain for all channels: a voice detector hears
            levels, and a recording may have any. Without, it is heard as a live call would be.

    Raises:
        SettingsError: no such file, not audio, empty, or more than two channels.
    """
    if not path.is_file():
        raise SettingsError(f"no recording at {path}" if not path.exists() else f"{path} is no file")
    try:
        with sf.SoundFile(os.fsencode(path)) as file:  # a name may be of any encoding
            if file.channels > 2:
                raise SettingsError(f"{path.name} has {file.channels} channels; a call has one or two")
            if len(file) > LONGEST_S * file.samplerate:
                raise SettingsError(f"{path.name} is longer than {LONGEST_S // 3600} h; cut it")
            samples, rate = file.read(dtype="float32", always_2d=True), file.samplerate
    except (sf.SoundFileError, OSError) as error:
        raise SettingsError(f"{path.name} is not audio that can be read (WAV, FLAC, OGG, MP3)") from error
    if not len(samples):
        raise SettingsError(f"{path.name} has no samples")
    samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    samples = samples / np.float32(max(1.0, float(np.max(np.abs(samples)))))  # squares of 1e30 overflow
    channels = [np.ascontiguousarray(channel) for channel in samples.T]
    if rate != SAMPLE_RATE:
        channels = [np.asarray(soxr.resample(channel, rate, SAMPLE_RATE), np.float32) for channel in channels]
    gain = np.float32(min(GREATEST_GAIN, USUAL_RMS / max(_active_rms(c) for c in channels)) if level else 1.0)
    return DecodedRecording(
        channels=tuple(channel * gain for channel in channels), seconds=len(samples) / rate
    )


def _active_rms(pcm: Pcm) -> float:
    """Return the level of the louder half of those 20 ms that are within 30 dB of the loudest ones."""
    size = SAMPLE_RATE // 50
    whole = pcm[: len(pcm) // size * size].reshape(-1, size) if len(pcm) >= size else pcm[None]
    power = np.mean(whole**2, axis=1)
    active = power[power >= np.percentile(power, 95) * 1e-3]
    return float(np.sqrt(np.mean(active)) + 1e-9)
