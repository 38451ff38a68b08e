"""From logits to a score with a fixed threshold, set on ordinary speech of unheard speakers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FALSE_ALARMS = 0.02
"""Share of ordinary windows, of speakers and sets that the network never heard, that score above 0.5,
in the set that is hardest."""
SPREAD = 2.0
"""Logit that the median angry clip gets: 0.88, sure but not certain."""


def calibrate(ordinary: Sequence[NDArray[np.float64]], angry: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset for logits.

    Args:
        ordinary: logits of ordinary speech, one array for each set.
        angry: logits of held-out angry clips; empty keeps the slope at 1.
    """
    edge = max(float(np.quantile(logits, 1 - FALSE_ALARMS)) for logits in ordinary)
    middle = float(np.median(angry)) if len(angry) else edge + SPREAD
    slope = float(np.clip(SPREAD / max(middle - edge, 0.2), 0.3, 3.0))
    return slope, -slope * edge
