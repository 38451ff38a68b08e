"""A speaker's usual voice, learned as the call goes on. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

READY_S = 5.0
"""Seconds of judged speech before the baseline is used."""
FULL_S = 10.0
"""Seconds of speech that count alike; later speech moves the mean only slowly."""
LATE_SHARE = 0.02
"""Share of a later window in the mean."""
CALM = 0.5
"""Score above which a later window is not taken for the usual voice."""


class SpeakerBaseline:
    """Mean of the figures of one speaker."""

    def __init__(self) -> None:
        self._mean: NDArray[np.float32] | None = None
        self._seconds = 0.0

    @property
    def value(self) -> NDArray[np.float32] | None:
        """Return the usual figures, None until enough was heard."""
        return self._mean if self._seconds >= READY_S else None

    def add(self, figures: NDArray[np.float32], seconds: float, score: float) -> None:
        """Take a judged window of ``seconds`` of new speech."""
        if self._mean is None:
            self._mean, self._seconds = figures.astype(np.float32), seconds
            return
        late = self._seconds >= FULL_S
        if late and score > CALM:
            return
        share = LATE_SHARE if late else seconds / (self._seconds + seconds)
        self._mean = (self._mean + share * (figures - self._mean)).astype(np.float32)
        self._seconds += seconds
