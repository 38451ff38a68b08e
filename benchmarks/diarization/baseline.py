"""What anybody would try first: speech by energy, voices by pitch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diarization import SpeakerTurn
from diarization.local import runs
from pipeline.calls.info import SAMPLE_RATE

HOP = SAMPLE_RATE // 100
LOWEST_HZ, HIGHEST_HZ = 70, 400
LEAST_S, FILL_S = 0.3, 0.3


def energy_and_pitch(pcm: NDArray[np.float32]) -> list[SpeakerTurn]:
    """Return stretches louder than the noise, divided into two groups by their median pitch."""
    frames = pcm[: len(pcm) // HOP * HOP].reshape(-1, HOP)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-9)
    loud = level > (np.percentile(level, 10) + np.percentile(level, 95)) / 2
    for first, last in runs(~loud):
        if (last - first) * HOP < FILL_S * SAMPLE_RATE:
            loud[first:last] = True
    stretches = [(a, b) for a, b in runs(loud) if (b - a) * HOP >= LEAST_S * SAMPLE_RATE]
    pitches = np.array([_pitch(pcm[a * HOP : b * HOP]) for a, b in stretches])
    if not len(pitches):
        return []
    middle = (np.percentile(pitches, 10) + np.percentile(pitches, 90)) / 2
    return [
        SpeakerTurn(speaker="A1" if pitch < middle else "A2", start=a * HOP, end=b * HOP)
        for (a, b), pitch in zip(stretches, pitches, strict=True)
    ]


def _pitch(pcm: NDArray[np.float32]) -> float:
    """Return the lag of the highest peak of the autocorrelation as a frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(pcm, 2 * len(pcm))) ** 2
    correlation = np.fft.irfft(spectrum)
    lags = np.arange(SAMPLE_RATE // HIGHEST_HZ, min(SAMPLE_RATE // LOWEST_HZ, len(pcm)))
    return SAMPLE_RATE / float(lags[np.argmax(correlation[lags])])
