"""Log mel filter banks as speaker models want them: Kaldi's recipe with its choices left open.

Every published embedding was trained on one such front end and fails quietly with another; the choices are
therefore data that a model directory declares, and the training of the bundled model reads the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from diarization.base import SAMPLE_RATE, Pcm
from models.mel import mel_points, to_mel, triangles

Array = NDArray[np.float32]

FFT = 512
"""Kaldi rounds a frame of 25 ms at 16 kHz up to the next power of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FbankSpec:
    """One front end.

    Attributes:
        bins: mel bands.
        low_hz: lower edge of the lowest band.
        high_hz: upper edge of the highest band.
        frame_ms: length of a frame.
        shift_ms: from one frame to the next.
        window: hamming, hann or povey (Kaldi's hann to the power of 0.85).
        preemphasis: factor of the sample before that is taken away; Kaldi uses 0.97.
        scale: samples are multiplied by it; Kaldi reads 16 bit integers, so 32768.
        remove_dc: take each frame's mean away.
        normalise: mean over time taken away from each band, also divided by its deviation, or neither.
    """

    bins: int = 80
    low_hz: float = 20.0
    high_hz: float = 8000.0
    frame_ms: float = 25.0
    shift_ms: float = 10.0
    window: Literal["hamming", "hann", "povey"] = "povey"
    preemphasis: float = 0.97
    scale: float = 32768.0
    remove_dc: bool = True
    normalise: Literal["mean", "mean-variance", "none"] = "mean"

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return int(self.frame_ms * SAMPLE_RATE / 1000)

    @property
    def shift(self) -> int:
        """Samples from one frame to the next."""
        return int(self.shift_ms * SAMPLE_RATE / 1000)


def fbank(pcm: Pcm, spec: FbankSpec) -> Array:
    """Return log mel energies.

    Args:
        pcm: float32 mono at 16 kHz in [-1, 1], shape (n,), at least one frame long.
        spec: the front end.

    Returns:
        float32, shape (frames, bins); only whole frames are taken (Kaldi's snip_edges).
    """
    frames = np.lib.stride_tricks.sliding_window_view(pcm, spec.frame)[:: spec.shift]
    scaled = frames * np.float32(spec.scale)
    if spec.remove_dc:
        scaled -= scaled.mean(axis=1, keepdims=True)
    if spec.preemphasis:
        before = np.concatenate([scaled[:, :1], scaled[:, :-1]], axis=1)
        scaled = scaled - np.float32(spec.preemphasis) * before
    spectrum = np.fft.rfft(scaled * window_of(spec.window, spec.frame), FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    energies = np.log(np.maximum(power @ mel_filters(spec.bins, spec.low_hz, spec.high_hz), _FLOOR))
    return normalised(energies, spec.normalise)


_FLOOR = np.float32(np.finfo(np.float32).eps)


def normalised(energies: Array, how: str) -> Array:
    """Return ``energies``, shape (frames, bins), normalised over time as :class:`FbankSpec` says."""
    if how == "none":
        return energies
    centred = energies - energies.mean(axis=0, keepdims=True)
    if how == "mean":
        return np.asarray(centred, np.float32)
    return np.asarray(centred / (energies.std(axis=0, keepdims=True) + np.float32(1e-5)), np.float32)


@lru_cache(maxsize=8)
def window_of(name: str, size: int) -> Array:
    """Return a window of ``size`` samples."""
    if name == "hamming":
        return np.hamming(size).astype(np.float32)
    hann = np.hanning(size)
    return (hann if name == "hann" else hann**0.85).astype(np.float32)


@lru_cache(maxsize=8)
def mel_filters(bins: int, low_hz: float, high_hz: float) -> Array:
    """Return triangles that are straight in mel (Kaldi), shape (FFT // 2 + 1, bins)."""
    positions = to_mel(np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE))
    filters = triangles(positions, mel_points(low_hz, high_hz, bins))
    return np.ascontiguousarray(filters.T, np.float32)
