"""Make clean speech sound like a Hong Kong telephone call.

All functions take and return float32 mono of shape (n,) in [-1, 1] and draw from a numpy generator, so
that a seed repeats the result.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

Pcm = NDArray[np.float32]
SAMPLE_RATE = 16_000
TELEPHONE_RATE = 8_000


def shift_voice(pcm: Pcm, rate: int, factor: float) -> Pcm:
    """Resample ``pcm`` from ``rate`` to 16 kHz, scaling pitch, formants and pace by ``factor``."""
    return np.asarray(soxr.resample(pcm, rate * factor, SAMPLE_RATE, quality="HQ"), np.float32)


def to_narrow(pcm: Pcm) -> Pcm:
    """Resample 16 kHz to 8 kHz."""
    return np.asarray(soxr.resample(pcm, SAMPLE_RATE, TELEPHONE_RATE, quality="HQ"), np.float32)


def to_wide(pcm: Pcm) -> Pcm:
    """Resample 8 kHz to 16 kHz."""
    return np.asarray(soxr.resample(pcm, TELEPHONE_RATE, SAMPLE_RATE, quality="HQ"), np.float32)


def codec_round_trip(pcm: Pcm, subtype: str) -> Pcm:
    """Send 8 kHz ``pcm`` through a coder of libsndfile: G.711 (``ULAW``, ``ALAW``) or ``GSM610``."""
    buffer = io.BytesIO()
    if subtype == "GSM610":
        sf.write(buffer, pcm, TELEPHONE_RATE, subtype=subtype, format="WAV")
        buffer.seek(0)
        decoded, _ = sf.read(buffer, dtype="float32")
        return np.asarray(decoded[: len(pcm)], np.float32)
    options = {"samplerate": TELEPHONE_RATE, "subtype": subtype, "format": "RAW"}
    sf.write(buffer, pcm, **options)
    buffer.seek(0)
    decoded, _ = sf.read(buffer, channels=1, dtype="float32", **options)
    return np.asarray(decoded, np.float32)


def _fft_size(samples: int) -> int:
    """Return a size at or just above ``samples`` without large prime factors."""
    step = 1 << max(0, samples.bit_length() - 4)
    return samples + -samples % step


def band_limit(pcm: Pcm, rate: int, low: float, high: float) -> Pcm:
    """Keep ``low`` to ``high`` Hz with soft edges, in the frequency domain."""
    size = _fft_size(len(pcm))
    hertz = np.fft.rfftfreq(size, 1 / rate)
    gain = 1 / (1 + (low / np.maximum(hertz, 1.0)) ** 4) / (1 + (hertz / high) ** 8)
    filtered = np.fft.irfft(np.fft.rfft(pcm, size) * gain.astype(np.float32), size)
    return filtered[: len(pcm)].astype(np.float32)


def noise(rng: np.random.Generator, samples: int) -> Pcm:
    """Return coloured noise of unit power: white to brown, at times with mains hum."""
    size = _fft_size(samples)
    spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
    tilt = np.maximum(np.arange(len(spectrum), dtype=np.float32), 1) ** -rng.uniform(0.0, 1.0)
    out = np.fft.irfft(spectrum * tilt.astype(np.float32), size)[:samples]
    if rng.random() < 0.15:
        time = np.arange(samples) / SAMPLE_RATE
        out = out / (np.std(out) + 1e-9) + rng.uniform(0.3, 1.0) * np.sin(2 * np.pi * 50 * time)
    return (out / (np.std(out) + 1e-9)).astype(np.float32)


def add_noise(rng: np.random.Generator, pcm: Pcm, snr_db: float) -> Pcm:
    """Add noise at ``snr_db`` below the speech power."""
    power = float(np.sqrt(np.mean(pcm**2)) + 1e-6)
    return pcm + noise(rng, len(pcm)) * np.float32(power * 10 ** (-snr_db / 20))


def lose_packets(rng: np.random.Generator, pcm: Pcm, rate: int, share: float) -> Pcm:
    """Silence ``share`` of the 20 ms packets, or repeat the one before at half level."""
    size = rate // 50
    out = pcm.copy()
    for index in np.flatnonzero(rng.random(len(pcm) // size) < share):
        start = index * size
        repeat = out[start - size : start] * 0.5 if index and rng.random() < 0.5 else 0.0
        out[start : start + size] = repeat
    return out


def reverberate(rng: np.random.Generator, pcm: Pcm) -> Pcm:
    """Add a short exponentially decaying room response (hands-free calls)."""
    length = int(SAMPLE_RATE * rng.uniform(0.05, 0.25))
    decay = np.exp(-np.arange(length) / (length / 5))
    response = rng.standard_normal(length) * decay * rng.uniform(0.01, 0.06)
    response[0] = 1.0
    size = _fft_size(len(pcm) + length)
    spectrum = np.fft.rfft(response.astype(np.float32), size)
    out = np.fft.irfft(np.fft.rfft(pcm, size) * spectrum, size)
    return out[: len(pcm)].astype(np.float32)


def telephone(rng: np.random.Generator, pcm: Pcm) -> Pcm:
    """Return 16 kHz ``pcm`` as heard at 16 kHz after a narrow-band telephone line."""
    narrow = to_narrow(pcm)
    if rng.random() < 0.5:
        narrow = band_limit(narrow, TELEPHONE_RATE, rng.uniform(80, 350), rng.uniform(3000, 3900))
    if rng.random() < 0.08:
        narrow = lose_packets(rng, narrow, TELEPHONE_RATE, rng.uniform(0.005, 0.03))
    if rng.random() < 0.8:
        narrow = codec_round_trip(narrow, "ULAW" if rng.random() < 0.7 else "ALAW")
    return to_wide(narrow)


def pad_silence(rng: np.random.Generator, pcm: Pcm, longest_s: float = 0.5) -> Pcm:
    """Put up to ``longest_s`` of silence on each side, as a voice detector would leave."""
    before, after = (int(SAMPLE_RATE * rng.uniform(0.0, longest_s)) for _ in range(2))
    return np.concatenate([np.zeros(before, np.float32), pcm, np.zeros(after, np.float32)])


def augment(rng: np.random.Generator, pcm: Pcm) -> Pcm:
    """Apply the whole chain to clean 16 kHz ``pcm``: room, gain, noise, line, gain."""
    pcm = pad_silence(rng, pcm)
    peak = float(np.max(np.abs(pcm), initial=1e-4))
    pcm = pcm * np.float32(10 ** (rng.uniform(-26, -1) / 20) / peak)
    if rng.random() < 0.1:
        pcm = reverberate(rng, pcm)
    if rng.random() < 0.6:
        pcm = add_noise(rng, pcm, rng.uniform(14, 45))
    if rng.random() < 0.03:
        pcm = np.clip(pcm * np.float32(rng.uniform(1, 4)), -1, 1)
    if rng.random() < 0.85:
        pcm = telephone(rng, np.clip(pcm, -1, 1))
    return np.clip(pcm, -1, 1).astype(np.float32)
