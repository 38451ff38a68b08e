"""Contracts of voice activity detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 512
"""Samples a decision covers: 32 ms at 16 kHz, the window that Silero v5 and later are trained on."""


class VadStream(Protocol):
    """One channel of one call: everything that changes with time. Not thread-safe."""

    def accept(self, pcm: NDArray[np.float32]) -> list[float]:
        """Take audio of any length and return the decisions that became due.

        Args:
            pcm: float32 mono at 16 kHz in [-1, 1], shape (n,).

        Returns:
            One speech probability in [0, 1] for each further complete frame of
            :data:`FRAME_SAMPLES`, in order.
        """
        ...


class VadEngine(Protocol):
    """The model: built once, shared by all calls, thread-safe."""

    def stream(self) -> VadStream:
        """Return the state for one channel of one call."""
        ...

    def accept(self, parts: Sequence[tuple[VadStream, NDArray[np.float32]]]) -> list[list[float]]:
        """Take audio of many channels at once; cheaper than one by one.

        Args:
            parts: streams of this engine, all different, each with audio as for its ``accept``.

        Returns:
            For each part what its stream's ``accept`` would have returned.
        """
        ...
