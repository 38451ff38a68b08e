"""Telephone keys that are heard in the sound: found, so that they can be silenced. Pure.

A key is a low and a high tone at once (ITU-T Q.23) of 40 ms or more (Q.24). Found by Goertzel's algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calls.info import SAMPLE_RATE

Pcm = NDArray[np.float32]
LOW = (697.0, 770.0, 852.0, 941.0)
HIGH = (1209.0, 1336.0, 1477.0, 1633.0)
FRAME = SAMPLE_RATE * 20 // 1000
"""Samples of one look: 20 ms, half of the shortest key."""
HOP = FRAME // 2
SHARE = 0.7
"""Least share of a frame's energy in its two tones: all keys at 15 dB above noise, 0.1 % of real speech."""
TWIST = 40.0
"""Most by which one tone may be stronger than the other in energy: 16 dB."""
QUIETEST = 1e-6
"""Mean square below which nothing is looked for."""
PAD = SAMPLE_RATE // 20
"""Samples around a key that are silenced with it: 50 ms."""

_ANGLES = 2 * np.pi * np.outer(np.array(LOW + HIGH), np.arange(FRAME)) / SAMPLE_RATE
_WINDOW = np.hanning(FRAME).astype(np.float32)
_WINDOW_SQUARED = _WINDOW**2
_PROBES = np.concatenate([_WINDOW * np.cos(_ANGLES), _WINDOW * -np.sin(_ANGLES)]).astype(np.float32).T.copy()
_TO_ENERGY = 2 * float(np.sum(_WINDOW**2)) / float(np.sum(_WINDOW)) ** 2
"""From what a probe finds of a tone, squared, to the windowed energy that the tone brings."""


@dataclass(slots=True)
class DtmfDetector:
    """Finds keys in the sound of one channel.

    Attributes:
        position: samples heard.
        rest: samples that belong to no whole frame yet.
    """

    position: int = 0
    rest: Pcm | None = None

    def accept(self, pcm: Pcm) -> list[tuple[int, int]]:
        """Take sound; return the stretches of keys in it, padded, in samples of the channel.

        Args:
            pcm: float32 at 16 kHz, shape (n,).
        """
        samples = pcm if self.rest is None else np.concatenate([self.rest, pcm])
        first = self.position - (0 if self.rest is None else len(self.rest))
        self.position += len(pcm)
        count = max(0, (len(samples) - FRAME) // HOP + 1)
        self.rest = samples[count * HOP :].copy()
        if not count:
            return []
        frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[: count * HOP : HOP]
        keys = _are_keys(frames)
        return [
            (max(0, first + int(index) * HOP - PAD), first + int(index) * HOP + FRAME + PAD)
            for index in np.flatnonzero(keys)
        ]


def _are_keys(frames: Pcm) -> NDArray[np.bool_]:
    """Tell for each frame, shape (n, FRAME), whether a key is heard in it."""
    energy = (frames * frames) @ _WINDOW_SQUARED
    loud = energy > QUIETEST * FRAME
    found: NDArray[np.bool_] = np.zeros(len(frames), bool)
    if not loud.any():
        return found
    parts = (frames[loud] @ _PROBES) ** 2
    tones = (parts[:, : len(_ANGLES)] + parts[:, len(_ANGLES) :]) * _TO_ENERGY
    low, high = tones[:, :4].max(axis=1), tones[:, 4:].max(axis=1)
    share = (low + high) / np.maximum(energy[loud], 1e-12)
    balanced = np.maximum(low, high) < TWIST * np.maximum(np.minimum(low, high), 1e-12)
    found[loud] = (share > SHARE) & balanced
    return found
