"""Sound in which nobody speaks: line noise, tones, dialling, music, cries and clicks, made here."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scripts.finetune.recogniser.line import SAMPLE_RATE, noise

Pcm = NDArray[np.float32]
_KEYS = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
}
"""Frequencies of DTMF keys (ITU-T Q.23)."""
_CALL_TONES = ((440, 480), (350, 440), (480, 620), (425,), (400, 450), (1000,))


def no_speech(rng: random.Random) -> Pcm:
    """Return 0.5 to 8 s without speech: float32 mono at 16 kHz."""
    samples = int(SAMPLE_RATE * min(8.0, rng.lognormvariate(0.6, 0.7) + 0.4))
    kinds: tuple[Callable[[random.Random, int], Pcm], ...] = (_hiss, _tones, _dialling, _music, _cry, _clicks)
    sound = rng.choices(kinds, [0.4, 0.12, 0.1, 0.2, 0.1, 0.08])[0](rng, samples)
    level = 10 ** (rng.uniform(-50, -6) / 20)
    return (sound / max(1e-6, float(np.abs(sound).max())) * level).astype(np.float32)


def _time(samples: int) -> NDArray[np.float64]:
    return np.arange(samples) / SAMPLE_RATE


def _hiss(rng: random.Random, samples: int) -> Pcm:
    sound = noise(np.random.default_rng(rng.getrandbits(32)), samples)
    if rng.random() < 0.5:  # it comes and goes, as wind and traffic do
        knots = max(2, samples // 4000)
        swell = np.interp(
            np.arange(samples), np.linspace(0, samples, knots), [rng.random() for _ in range(knots)]
        )
        sound = sound * swell.astype(np.float32)
    return sound


def _tones(rng: random.Random, samples: int) -> Pcm:
    time = _time(samples)
    sound = sum(np.sin(2 * np.pi * hertz * time) for hertz in rng.choice(_CALL_TONES))
    on, off = rng.choice(((0.4, 0.2), (0.5, 0.5), (1.0, 2.0), (9.0, 0.0)))
    return (sound * (time % (on + off) < on)).astype(np.float32)


def _dialling(rng: random.Random, samples: int) -> Pcm:
    sound, time = np.zeros(samples), _time(samples)
    length, gap = rng.uniform(0.06, 0.25), rng.uniform(0.05, 0.3)
    for start in np.arange(0.05, samples / SAMPLE_RATE, length + gap):
        low, high = rng.choice(list(_KEYS.values()))
        pressed = (time >= start) & (time < start + length)
        sound += pressed * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time))
    return sound.astype(np.float32)


def _music(rng: random.Random, samples: int) -> Pcm:
    """Chords and a melody of decaying harmonics over a beat: music on hold."""
    sound, time = np.zeros(samples), _time(samples)
    root, beat = rng.uniform(110, 260), rng.uniform(0.18, 0.6)
    scale = rng.choice(((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 2, 4, 5, 7, 9, 11)))
    harmonics, fall = rng.randint(2, 8), rng.uniform(0.5, 6.0)
    for start in np.arange(0, samples / SAMPLE_RATE, beat):
        first = int(start * SAMPLE_RATE)
        after = time[: samples - first]
        for _ in range(rng.choice((1, 1, 3))):
            hertz = root * 2 ** ((rng.choice(scale) + 12 * rng.randint(0, 2)) / 12)
            for number in range(1, harmonics + 1):
                sound[first:] += (
                    np.exp(-fall * after) * np.sin(2 * np.pi * hertz * number * after) / number**1.3
                )
    if rng.random() < 0.4:
        hits = (time % beat < 0.04) * np.random.default_rng(rng.getrandbits(32)).standard_normal(samples)
        sound += hits * rng.uniform(0.3, 1.5)
    return sound.astype(np.float32)


def _cry(rng: random.Random, samples: int) -> Pcm:
    """A voice without words: glides with harmonics, in bursts, as a crying child or a laugh."""
    time = _time(samples)
    base, depth, rate = rng.uniform(250, 600), rng.uniform(0.1, 0.5), rng.uniform(0.4, 5.0)
    phase = 2 * np.pi * np.cumsum(base * (1 + depth * np.sin(2 * np.pi * rate * time))) / SAMPLE_RATE
    sound = sum(np.sin(number * phase) / number for number in range(1, 8))
    return (sound * np.clip(np.sin(2 * np.pi * rng.uniform(0.4, 3.0) * time) + 0.3, 0, 1)).astype(np.float32)


def _clicks(rng: random.Random, samples: int) -> Pcm:
    """Keys of a keyboard, a hand on the receiver."""
    sound = np.zeros(samples, np.float32)
    generator = np.random.default_rng(rng.getrandbits(32))
    for _ in range(max(1, int(samples / SAMPLE_RATE * rng.uniform(1, 8)))):
        start, size = rng.randrange(samples), rng.randint(40, 900)
        hit = generator.standard_normal(size) * np.exp(-np.arange(size) / (size / 5))
        sound[start : start + size] += hit[: samples - start].astype(np.float32) * np.float32(rng.random())
    return sound
