"""The mel scale and triangular filters: what the front ends of all models share.

Which edges, which axis and which normalisation a model takes stays beside the model: its weights were trained
on exactly those, and a model fails quietly with others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def to_mel(hertz: NDArray[np.floating] | float) -> Array:
    """Return frequencies in mel (O'Shaughnessy 1987; 1127 ln is 2595 log10), shape kept."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0))


def to_hertz(mel: NDArray[np.floating] | float) -> Array:
    """Return frequencies in Hz; the inverse of :func:`to_mel`."""
    return np.asarray(700.0 * np.expm1(np.asarray(mel, np.float64) / 1127.0))


def mel_points(low_hz: float, high_hz: float, bands: int) -> Array:
    """Return edges and centres of ``bands`` filters, equally spaced in mel; mel, shape (bands + 2,)."""
    return np.linspace(float(to_mel(low_hz)), float(to_mel(high_hz)), bands + 2)


def triangles(positions: NDArray[np.floating], points: Array) -> Array:
    """Return overlapping triangles of height 1.

    Args:
        positions: where they are sampled, shape (bins,); in the unit that the triangles are straight in.
        points: left edge, centres and right edge in the same unit, shape (bands + 2,).

    Returns:
        float64, shape (bands, bins): band ``i`` rises from ``points[i]`` to ``points[i + 1]`` and falls to
        ``points[i + 2]``.
    """
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    rising, falling = (positions - left) / (centre - left), (right - positions) / (right - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))
