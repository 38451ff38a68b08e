"""Whisper's log-mel front end at an utterance's own length.

Source: Radford et al. 2022, section 2.2; the same figures as openai/whisper ``log_mel_spectrogram``
(25 ms Hann window, 10 ms hop, Slaney mels, log10 clipped 8 below the maximum, (x + 4) / 4), computed by
faster-whisper's extractor without its padding to 30 s.
"""

from __future__ import annotations

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
HOP_SAMPLES = 160
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_SAMPLES


class LogMel:
    """Turns audio into features; stateless after construction, safe to share between threads.

    Args:
        n_mels: 80 for Whisper up to large-v2, 128 from large-v3 on.
    """

    def __init__(self, n_mels: int = 80) -> None:
        self._extractor = FeatureExtractor(feature_size=n_mels)

    def __call__(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return log-mel features.

        Args:
            pcm: float32 mono at 16 kHz in [-1, 1], shape (n,), n >= 400.

        Returns:
            float32, shape (n_mels, n // 160).
        """
        features = self._extractor(pcm, padding=0)
        return np.ascontiguousarray(features[:, : len(pcm) // HOP_SAMPLES], dtype=np.float32)
