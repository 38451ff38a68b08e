"""From a window to what the bundled network reads; training and serving share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.base import SAMPLE_RATE
from emotion.functionals import functionals
from emotion.quality import Quality, judge
from emotion.spectrum import FLOOR, FRAME, RATE, analyse, mel_filters

Array = NDArray[np.float32]

MEL_BANDS = 40
MEL_LOW_HZ, MEL_HIGH_HZ = 200.0, 3600.0
LEAST_SAMPLES = 2 * FRAME * SAMPLE_RATE // RATE
"""64 ms, below which nothing can be computed."""
MOST_SAMPLES = 10 * SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """A window as the network reads it.

    Attributes:
        figures: level-free figures, float32, shape (COUNT,), see :mod:`emotion.functionals`.
        mel: log mel spectrum without its mean, float32, shape (MEL_BANDS, frames).
        quality: how well the window can be judged.
    """

    figures: Array
    mel: Array
    quality: Quality


def extract(pcm: Array) -> Features | None:
    """Return the features of a window; None if it is silent or shorter than 64 ms.

    Args:
        pcm: float32 mono at 16 kHz, shape (n,); of more than 10 s, the last 10 s are used.
    """
    pcm = np.nan_to_num(pcm[-MOST_SAMPLES:])
    if len(pcm) < LEAST_SAMPLES or float(np.std(pcm)) < 1e-7:
        return None
    frames = analyse(pcm)
    return Features(figures=functionals(frames), mel=log_mel(frames.power), quality=judge(pcm, frames))


def log_mel(power: Array) -> Array:
    """Return the log mel spectrum of ``power``, level removed, shape (MEL_BANDS, frames)."""
    mel = np.log(power @ mel_filters(MEL_BANDS, MEL_LOW_HZ, MEL_HIGH_HZ).T + FLOOR)
    return np.ascontiguousarray((mel - mel.mean()).T, np.float32)
