"""A recording as the engines hear it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from client.decoding import RawFormat, decode_file
from client.errors import BadAudio
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import SettingsError

Pcm = NDArray[np.float32]

USUAL_RMS = 10 ** (-26 / 20)
"""-26 dBov, the active speech level that telephone tests are made at (ITU-T P.56, P.501)."""
GREATEST_GAIN = 10 ** (40 / 20)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedRecording:
    """A file, decoded.

    Attributes:
        channels: float32 at 16 kHz, each of shape (n,); one or two.
        seconds: length.
    """

    channels: tuple[Pcm, ...]
    seconds: float


def read_audio(path: Path, *, level: bool = True, raw: RawFormat | None = None) -> DecodedRecording:
    """Read a recording of one or two channels, of any kind that :mod:`client.decoding` reads.

    Args:
        path: of the file.
        raw: how a file without a header is coded.
        level: bring it to the usual level of a call, with one gain for all channels: a voice detector hears
            levels, and a recording may have any. Without, it is heard as a live call would be.

    Raises:
        SettingsError: no such file, not audio, empty, too long, or more than two channels.
    """
    try:
        found = decode_file(path, raw)
    except BadAudio as error:
        raise SettingsError(str(error)) from error
    samples, rate = found.samples, found.rate
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
