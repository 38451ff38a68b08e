"""Cutting a channel into utterances with the product's own voice detector."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vad.endpointer import Endpointer, EndpointerSettings, SpeechEnded
from vad.gated import GatedVad

Span = tuple[int, int]
_FRAME = 320  # 20 ms at 16 kHz


@lru_cache(maxsize=1)
def _detector() -> GatedVad:
    return GatedVad()


def speech_spans(pcm: NDArray[np.float32], settings: EndpointerSettings | None = None) -> list[Span]:
    """Return the utterances in ``pcm`` as the server would cut them.

    Args:
        pcm: float32 mono at 16 kHz, shape (n,).
        settings: of the segmenter; None for the server's defaults.

    Returns:
        first sample and the one behind the last, in order, without overlap.
    """
    segmenter = Endpointer(settings or EndpointerSettings())
    events = [event for p in _detector().stream().accept(pcm) for event in segmenter.accept(p)]
    events += segmenter.flush()
    return [(event.start, min(event.end, len(pcm))) for event in events if isinstance(event, SpeechEnded)]


def within(spans: list[Span], window: Span) -> list[Span]:
    """Return the parts of ``spans`` inside ``window``, those above 0.1 s."""
    cut = [(max(start, window[0]), min(end, window[1])) for start, end in spans]
    return [(start, end) for start, end in cut if end - start > 1600]


def noise_power(pcm: NDArray[np.float32]) -> float:
    """Return the mean power of the quietest tenth of the 20 ms frames that are not digital silence."""
    frames = pcm[: len(pcm) // _FRAME * _FRAME].reshape(-1, _FRAME)
    power = np.sort((frames.astype(np.float64) ** 2).mean(1))
    power = power[power > 1e-10]
    return float(power[: max(1, len(power) // 10)].mean()) if len(power) else 1e-10


def snr_db(pcm: NDArray[np.float32], noise: float) -> float:
    """Return how far the speech in ``pcm`` is above ``noise``, in dB, within -10 to 80."""
    power = float((pcm.astype(np.float64) ** 2).mean())
    return float(np.clip(10 * np.log10(max(power - noise, 1e-10) / noise), -10, 80))
