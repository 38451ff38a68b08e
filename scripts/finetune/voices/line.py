"""Telephone lines: one carries a whole call, so that a baseline and a window can share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.finetune.recogniser.line import (
    SAMPLE_RATE,
    TELEPHONE_RATE,
    add_noise,
    band_limit,
    codec_round_trip,
    lose_packets,
    reverberate,
    shift_voice,
    to_narrow,
    to_wide,
)

Pcm = NDArray[np.float32]

_POINTS_HZ = np.array([100.0, 300.0, 600.0, 1200.0, 2400.0, 4000.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One telephone line.

    Attributes:
        voice: factor of pitch, formants and pace; 1 leaves the voice as it is.
        gains: dB at _POINTS_HZ, of microphone and network.
        tilt: dB an octave.
        room: seed of a room response, None for a handset.
        snr_db: of the noise.
        level_db: RMS level in dBFS.
        drive: factor into clipping; 1 does not clip.
        low: lower edge in Hz.
        high: upper edge in Hz.
        lost: share of 20 ms packets.
        codec: of libsndfile.
    """

    voice: float
    gains: NDArray[np.float64]
    tilt: float
    room: int | None
    snr_db: float
    level_db: float
    drive: float
    low: float
    high: float
    lost: float
    codec: str

    @classmethod
    def draw(cls, rng: np.random.Generator, *, training: bool) -> Line:
        """Draw a line; in training, voices are changed too, packets lost and peaks clipped."""
        kind = rng.random()
        return cls(
            voice=rng.uniform(0.86, 1.16) if training and rng.random() < 0.75 else 1.0,
            gains=np.cumsum(rng.normal(0, 2.0, len(_POINTS_HZ))),
            tilt=rng.uniform(-3, 3),
            room=int(rng.integers(1 << 30)) if rng.random() < 0.1 else None,
            snr_db=rng.uniform(8 if training else 10, 30) if rng.random() < 0.8 else 45.0,
            level_db=rng.uniform(-38, -16),
            drive=rng.uniform(1.5, 6.0) if training and rng.random() < 0.1 else 1.0,
            low=rng.uniform(200, 350),
            high=rng.uniform(3200, 3800),
            lost=rng.uniform(0.005, 0.05) if rng.random() < 0.15 else 0.0,
            codec="ULAW" if kind < 0.6 else "ALAW" if kind < 0.85 else "GSM610",
        )

    def carry(self, rng: np.random.Generator, pcm: Pcm, gain_db: float = 0.0) -> Pcm:
        """Return ``pcm``, 16 kHz, as heard at the other end, then changed in level by ``gain_db``."""
        if self.voice != 1.0:
            pcm = shift_voice(pcm, SAMPLE_RATE, self.voice)
        pcm = self.coloured(pcm)
        if self.room is not None:
            pcm = reverberate(np.random.default_rng(self.room), pcm)
        if self.drive > 1.0:
            peak = np.float32(np.max(np.abs(pcm)) / self.drive)
            pcm = np.clip(pcm, -peak, peak)
        pcm = add_noise(rng, pcm, self.snr_db)
        level = np.float32(10 ** (self.level_db / 20) / (np.sqrt(np.mean(pcm**2)) + 1e-9))
        narrow = band_limit(to_narrow(np.clip(pcm * level, -1, 1)), TELEPHONE_RATE, self.low, self.high)
        if self.lost:
            narrow = lose_packets(rng, narrow, TELEPHONE_RATE, self.lost)
        wide = to_wide(codec_round_trip(narrow, self.codec))
        return np.asarray(wide * np.float32(10 ** (gain_db / 20)), np.float32)

    def coloured(self, pcm: Pcm) -> Pcm:
        """Return ``pcm`` as microphone and network colour it."""
        size = 1 << (len(pcm) - 1).bit_length()
        hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
        octave = np.log2(np.maximum(hertz, 50.0))
        decibel = np.interp(octave, np.log2(_POINTS_HZ), self.gains)
        decibel += self.tilt * np.log2(np.maximum(hertz, 100.0) / 1000)
        spectrum = np.fft.rfft(pcm, size) * 10 ** (decibel / 20)
        return np.fft.irfft(spectrum, size)[: len(pcm)].astype(np.float32)
