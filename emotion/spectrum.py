"""Frames, spectra and pitch of telephone speech: what every front end of this package starts from.

Everything is computed at 8 kHz, because a telephone carries no more and a recording from elsewhere must not
look different. All of it is vectorised over the frames of one window; there is no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

from emotion.base import SAMPLE_RATE
from models.mel import mel_points, to_hertz, triangles

Array = NDArray[np.float32]

RATE = 8_000
FRAME = 256
"""32 ms: two periods of the lowest voices."""
HOP = 80
"""10 ms."""
FFT = 512
LOW_HZ, HIGH_HZ = 250.0, 3400.0
"""The telephone band, inside the slopes of ITU-T G.712."""
F0_LOW, F0_HIGH = 70.0, 500.0
"""Pitch of grown-up voices, shouts included."""
FLOOR = np.float32(1e-10)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """One window, analysed.

    Attributes:
        power: power spectra, float32, shape (frames, FFT // 2 + 1).
        energy: dB in the telephone band, shape (frames,).
        f0: Hz, 0 where unvoiced, shape (frames,).
        periodicity: height of the autocorrelation peak in [0, 1], shape (frames,).
        active: frames within 30 dB of the loudest ones, shape (frames,), bool.
    """

    power: Array
    energy: Array
    f0: Array
    periodicity: Array
    active: NDArray[np.bool_]

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Active frames with a pitch."""
        return self.active & (self.f0 > 0)


@lru_cache(maxsize=1)
def frequencies() -> Array:
    """Return the frequency of each bin in Hz, shape (FFT // 2 + 1,)."""
    return np.fft.rfftfreq(FFT, 1 / RATE).astype(np.float32)


@lru_cache(maxsize=8)
def mel_filters(bands: int, low: float = LOW_HZ, high: float = HIGH_HZ) -> Array:
    """Return triangular filters, straight in Hz and of area 1, shape (bands, FFT // 2 + 1)."""
    filters = triangles(frequencies(), to_hertz(mel_points(low, high, bands)))
    return np.asarray(filters / np.maximum(filters.sum(axis=1, keepdims=True), FLOOR), np.float32)


def band(low: float, high: float) -> slice:
    """Return the bins from ``low`` to ``high`` Hz."""
    return slice(int(np.ceil(low * FFT / RATE)), int(high * FFT / RATE) + 1)


def narrow(pcm: Array) -> Array:
    """Return 16 kHz ``pcm`` at 8 kHz."""
    return np.asarray(soxr.resample(pcm, SAMPLE_RATE, RATE, quality="MQ"), np.float32)


def analyse(pcm: Array) -> Frames:
    """Analyse one window.

    Args:
        pcm: float32 mono at 16 kHz, shape (n,), at least 64 ms; its level does not matter.
    """
    audio = narrow(pcm)
    audio = audio - np.float32(audio.mean())
    scale = np.float32(np.sqrt(np.mean(audio**2)))
    audio /= np.maximum(scale, FLOOR)
    frames = np.lib.stride_tricks.sliding_window_view(audio, FRAME)[::HOP]
    windowed = frames * _window()
    spectrum = np.fft.rfft(windowed, FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) + FLOOR
    energy = (10 * np.log10(power[:, band(LOW_HZ, HIGH_HZ)].sum(axis=1))).astype(np.float32)
    f0, periodicity = _pitch(power)
    active = energy > np.percentile(energy, 95) - 30
    return Frames(power=power, energy=energy, f0=f0, periodicity=periodicity, active=active)


@lru_cache(maxsize=1)
def _window() -> Array:
    return np.hanning(FRAME).astype(np.float32)


@lru_cache(maxsize=1)
def _window_correlation() -> Array:
    """Return the autocorrelation of the window itself, which the frames' one is divided by (Boersma 1993)."""
    power = np.abs(np.fft.rfft(_window(), FFT)) ** 2
    correlation = np.fft.irfft(power)[: FFT // 2]
    return np.asarray(correlation / correlation[0], np.float32)


def _pitch(power: Array) -> tuple[Array, Array]:
    """Return pitch and periodicity of each frame, by autocorrelation (Boersma 1993, without tracking)."""
    shortest, longest = int(RATE / F0_HIGH), int(RATE / F0_LOW)
    lags = np.arange(shortest, longest + 1)
    correlation = np.fft.irfft(power, axis=1)[:, : longest + 2]
    normal = correlation / np.maximum(correlation[:, :1], FLOOR) / _window_correlation()[: longest + 2]
    inside = normal[:, shortest : longest + 1]
    # Of two equal peaks an octave apart, the shorter lag is the pitch.
    best = np.argmax(inside - 0.02 * np.log2(lags / shortest), axis=1)
    rows = np.arange(len(power))
    centre = best + shortest
    before, peak, after = (normal[rows, centre + step] for step in (-1, 0, 1))
    curvature = before - 2 * peak + after
    shift = np.where(
        np.abs(curvature) > 1e-6, 0.5 * (before - after) / np.where(curvature == 0, 1, curvature), 0
    )
    f0 = RATE / (centre + np.clip(shift, -0.5, 0.5))
    periodicity = np.clip(peak, 0.0, 0.999)
    return (
        np.where(periodicity > 0.45, f0, 0).astype(np.float32),
        periodicity.astype(np.float32),
    )
