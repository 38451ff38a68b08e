"""May a window be judged at all? Too short, too noisy, clipped, or not speech: then no opinion. Pure.

The limits are ours, set on the sets named in the model card; ``python -m benchmarks emotion`` shows what
passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.spectrum import FLOOR, HIGH_HZ, HOP, LOW_HZ, RATE, Frames, band, mel_filters

FULL_ACTIVE_S = 1.5
LEAST_ACTIVE_S = 0.4
"""Least seconds of active frames; a shout of 0.2 s says nothing about a mood."""
FULL_SNR_DB, LEAST_SNR_DB = 15.0, 3.0
LEAST_VOICED = 0.15
"""Share of active frames with a pitch; breath, clicks and noise have less."""
MOST_KEYS = 0.3
"""Share of active frames that sound like a telephone key."""
LEAST_CHANGE = 0.78
"""Median change of the log mel spectrum within 40 ms, in nepers: five sets of speech have 0.9 to 3, music
0.4 to 0.8."""
CLIPPED_LEAST = 0.3
"""Quality that even a badly clipped window keeps: lines that are too loud are common, and a clipped voice is
still told apart (docs/emotion.md has the figure)."""
MEL_BANDS = 24
CLIPPED = 0.985


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well a window can be judged.

    Attributes:
        value: 0 no opinion to 1 sure.
        reason: what spoils it: short, noisy, unvoiced, keys, music or clipped; None if nothing does.
    """

    value: float
    reason: str | None = None


def judge(pcm: NDArray[np.float32], frames: Frames) -> Quality:
    """Return the quality of a window.

    Args:
        pcm: of the window, float32 mono at 16 kHz, shape (n,).
        frames: the window, analysed.
    """
    active_s = frames.active.sum() * HOP / RATE
    voiced = frames.voiced.sum() / max(1, frames.active.sum())
    refused = _refused(frames, active_s, voiced)
    if refused:
        return Quality(value=0.0, reason=refused)
    factors = {
        "short": min(1.0, active_s / FULL_ACTIVE_S),
        "noisy": _ramp(_snr(frames), LEAST_SNR_DB, FULL_SNR_DB),
        "unvoiced": _ramp(voiced, LEAST_VOICED, 0.35),
        "clipped": 1 - (1 - CLIPPED_LEAST) * _ramp(_clipping(pcm), 0.01, 0.1),
    }
    worst = min(factors, key=factors.__getitem__)
    value = float(np.prod(list(factors.values())))
    return Quality(value=value, reason=worst if factors[worst] < 0.5 else None)


def _refused(frames: Frames, active_s: float, voiced: float) -> str | None:
    if active_s < LEAST_ACTIVE_S:
        return "short"
    if voiced < LEAST_VOICED:
        return "unvoiced"
    if _keys(frames) > MOST_KEYS:
        return "keys"
    return "music" if _change(frames) < LEAST_CHANGE else None


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


def _snr(frames: Frames) -> float:
    """Return dB between the loud and the quiet frames; a window without pauses is not held noisy."""
    if frames.active.mean() > 0.9 and frames.periodicity[frames.active].mean() > 0.6:
        return FULL_SNR_DB
    loud, quiet = np.percentile(frames.energy, [90, 8])
    return float(loud - quiet)


def _clipping(pcm: NDArray[np.float32]) -> float:
    """Return the share of samples at the rail, wherever the rail is: a flat top at the highest value."""
    peak = float(np.max(np.abs(pcm), initial=0.0))
    return float(np.mean(np.abs(pcm) >= CLIPPED * peak)) if peak > 0 else 0.0


def _keys(frames: Frames) -> float:
    """Return the share of active frames that are a tone of each DTMF group (ITU-T Q.23) and little else."""
    active = frames.power[frames.active]
    if not len(active):
        return 0.0
    total = active[:, band(LOW_HZ, HIGH_HZ)].sum(axis=1)
    tones = [_lobe(active, low, high) / total for low, high in ((670, 970), (1180, 1660))]
    return float(np.mean((np.minimum(*tones) > 0.15) & (sum(tones) > 0.85)))


def _lobe(power: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Return the energy of the strongest bin between ``low`` and ``high`` Hz, main lobe included."""
    bins = band(low, high)
    peak = power[:, bins].argmax(axis=1) + bins.start
    around = peak[:, None] + np.arange(-4, 5)
    return np.asarray(np.take_along_axis(power, around, axis=1).sum(axis=1), np.float32)


def _change(frames: Frames) -> float:
    """Return the median change of the spectrum's shape within 40 ms of active frames."""
    apart = 4
    mel = np.log(frames.power @ mel_filters(MEL_BANDS).T + FLOOR)
    moved = np.sqrt(np.mean((mel[apart:] - mel[:-apart]) ** 2, axis=1))
    chosen = moved[frames.active[apart:] & frames.active[:-apart]]
    return float(np.median(chosen)) if len(chosen) else 0.0
