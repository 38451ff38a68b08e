"""Figures of a window that do not depend on its level: how a voice sounds, not how loud the line is.

Voice quality and spectral tilt carry most of what a telephone leaves of arousal (Eyben et al. 2016, "The
Geneva Minimalistic Acoustic Parameter Set", names the same kinds); this is our own, smaller set, in numpy.
There is no absolute level, no MFCC 0, and nothing that depends on the length of the window or on its pauses.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emotion.spectrum import FLOOR, HIGH_HZ, HOP, LOW_HZ, RATE, Frames, band, frequencies, mel_filters

Array = NDArray[np.float32]

MEL_BANDS = 24
CEPSTRA = 12
_STATISTICS = ("mean", "deviation", "low", "high", "motion")


@lru_cache(maxsize=1)
def _cepstral_basis() -> Array:
    """Return rows 1 to CEPSTRA of the DCT-II, shape (CEPSTRA, MEL_BANDS)."""
    order = np.arange(1, CEPSTRA + 1)[:, None]
    return np.cos(np.pi * order * (np.arange(MEL_BANDS) + 0.5) / MEL_BANDS).astype(np.float32)


_SPECTRAL = (
    "tilt", "hammarberg", "slope_low", "slope_high", "centroid", "spread", "rolloff", "flatness",
    "share_500", "share_1000", "share_2000", "share_3000",
)  # fmt: skip
_VOICED = ("pitch", "harmonicity", *_SPECTRAL, *(f"cepstrum_{i + 1}" for i in range(CEPSTRA)))
_ACTIVE = ("loudness", "flux", *(f"all_{name}" for name in _SPECTRAL))
_SINGLE = (
    "jitter", "shimmer", "voiced_share", "voiced_runs", "pitch_rise", "pitch_fall", "onset_rate",
    "slow_modulation", "fast_modulation",
)  # fmt: skip
NAMES = (
    *(f"{name}.{statistic}" for name in _VOICED + _ACTIVE for statistic in _STATISTICS),
    *_SINGLE,
)
"""Names of the figures, in the order of :func:`functionals`."""
COUNT = len(NAMES)


def functionals(frames: Frames) -> Array:
    """Return the figures of one window, float32, shape (COUNT,); all finite."""
    decibel = 10 * np.log10(frames.power)
    spectral = _spectral(frames.power, decibel)
    mel = np.log(frames.power @ mel_filters(MEL_BANDS).T + FLOOR)
    cepstra = mel @ _cepstral_basis().T
    pitch = 12 * np.log2(np.maximum(frames.f0, 1.0) / 55.0)
    harmonicity = 10 * np.log10((frames.periodicity + 1e-3) / (1 - frames.periodicity + 1e-3))
    voiced = np.column_stack([pitch, harmonicity, spectral, cepstra])
    loudness = frames.energy - np.percentile(frames.energy, 95)
    active = np.column_stack([loudness, _flux(mel), spectral])
    values = np.concatenate(
        [
            _statistics(voiced, frames.voiced).ravel(),
            _statistics(active, frames.active).ravel(),
            _single(frames, pitch, loudness),
        ]
    )
    return np.asarray(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), np.float32)


def _spectral(power: Array, decibel: Array) -> Array:
    """Return the shape of each spectrum in the telephone band, shape (frames, len(_SPECTRAL))."""
    inside = power[:, band(LOW_HZ, HIGH_HZ)]
    hertz = frequencies()[band(LOW_HZ, HIGH_HZ)]
    total = inside.sum(axis=1)
    share = inside / total[:, None]
    low, high = power[:, band(LOW_HZ, 1000)].sum(axis=1), power[:, band(1000, HIGH_HZ)].sum(axis=1)
    octave = np.log2(hertz / 1000)
    centroid = share @ octave
    spread = np.sqrt(np.maximum(share @ octave**2 - centroid**2, 0))
    cumulated = np.cumsum(share, axis=1)
    rolloff = octave[np.argmax(cumulated >= 0.85, axis=1)]
    flatness = decibel[:, band(LOW_HZ, HIGH_HZ)].mean(axis=1) - 10 * np.log10(total / len(hertz))
    return np.column_stack(
        [
            10 * np.log10(high / low),
            decibel[:, band(LOW_HZ, 2000)].max(axis=1) - decibel[:, band(2000, HIGH_HZ)].max(axis=1),
            _slope(decibel, LOW_HZ, 1000),
            _slope(decibel, 1000, HIGH_HZ),
            centroid,
            spread,
            rolloff,
            flatness,
            *(
                10 * np.log10(power[:, band(start, end)].sum(axis=1) / total)
                for start, end in ((LOW_HZ, 500), (500, 1000), (1000, 2000), (2000, HIGH_HZ))
            ),
        ]
    )


def _slope(decibel: Array, low: float, high: float) -> Array:
    """Return dB an octave of a straight line through the bins from ``low`` to ``high`` Hz."""
    octave = np.log2(frequencies()[band(low, high)])
    octave = octave - octave.mean()
    return np.asarray(decibel[:, band(low, high)] @ octave / (octave @ octave), np.float32)


def _flux(mel: Array) -> Array:
    """Return how much the shape of the spectrum changes from frame to frame."""
    shape = mel - mel.mean(axis=1, keepdims=True)
    change = np.sqrt(np.mean(np.diff(shape, axis=0, prepend=shape[:1]) ** 2, axis=1))
    return np.asarray(change, np.float32)


def _statistics(columns: Array, chosen: NDArray[np.bool_]) -> Array:
    """Return mean, deviation, 10th and 90th percentile and mean movement, shape (columns, 5)."""
    values = columns[chosen]
    if len(values) < 2:
        return np.zeros((columns.shape[1], len(_STATISTICS)), np.float32)
    ordered = np.sort(values, axis=0)
    low, high = ordered[int(0.1 * len(values))], ordered[min(len(values) - 1, int(0.9 * len(values)))]
    steps = np.abs(np.diff(columns, axis=0))[chosen[1:] & chosen[:-1]]
    motion = steps.mean(axis=0) if len(steps) else np.zeros(columns.shape[1])
    return np.column_stack([values.mean(axis=0), values.std(axis=0), low, high, motion]).astype(np.float32)


def _single(frames: Frames, pitch: Array, loudness: Array) -> Array:
    voiced = frames.voiced
    pairs = voiced[1:] & voiced[:-1]
    steps = np.diff(pitch)[pairs]
    smooth = steps[np.abs(steps) < 4]  # larger ones are octave errors
    seconds = max(1, len(frames.energy)) / (RATE / HOP)
    starts = float(np.sum(voiced[1:] & ~voiced[:-1]))
    envelope = np.maximum(loudness, -40)
    slow, fast = _modulation(envelope)
    return np.array([
        np.abs(smooth).mean() if len(smooth) else 0.0,
        np.abs(np.diff(loudness)[pairs]).mean() if pairs.any() else 0.0,
        voiced.sum() / max(1, frames.active.sum()),
        voiced.sum() / (RATE / HOP) / max(1.0, starts),
        smooth[smooth > 0].mean() if (smooth > 0).any() else 0.0,
        smooth[smooth < 0].mean() if (smooth < 0).any() else 0.0,
        float(np.sum(np.diff((np.diff(envelope) > 2).astype(np.int8)) == 1)) / seconds,
        slow,
        fast,
    ])  # fmt: skip


def _modulation(envelope: Array) -> tuple[float, float]:
    """Return the movement of the envelope at 2 to 6 Hz (syllables) and 6 to 16 Hz (roughness), log10."""
    centred = envelope - envelope.mean()
    power = np.abs(np.fft.rfft(centred * np.hanning(len(centred)))) ** 2 / max(1, len(centred))
    hertz = np.fft.rfftfreq(len(centred), HOP / RATE)
    slow, fast = (power[(hertz >= a) & (hertz < b)] for a, b in ((2, 6), (6, 16)))
    return (
        float(np.log10(slow.mean() + 1e-3)) if len(slow) else 0.0,
        float(np.log10(fast.mean() + 1e-3)) if len(fast) else 0.0,
    )
