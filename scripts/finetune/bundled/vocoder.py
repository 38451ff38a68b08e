"""Many voices out of one: recorded Cantonese syllables taken apart by WORLD and put together as sentences.

Meant for jyutnet_kt (粵音資料集叢, CC BY-SA 4.0): one man reads every syllable; the transcript is its
Jyutping. WORLD (Morise et al. 2016) splits speech into pitch, spectral envelope and aperiodicity, so that a
sentence can be given another pitch, another vocal tract and another pace before it is spoken once.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyworld
import soundfile as sf
from numpy.typing import NDArray

from models.files import replacing

SAMPLE_RATE = 16_000
FRAME_S = 0.005
ENVELOPE, FFT_SIZE = 48, 1024
"""Coefficients that keep an envelope (mel-cepstrum, Morise et al. 2017), and WORLD's size at 16 kHz."""
OWN_PITCH_HZ = 141.0
"""Geometric mean of the pitch of jyutnet_kt, over voiced frames."""
AUDIBLE = 0.06
"""Share of a syllable's loudest level at which it begins and ends."""
_FLOAT = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A voice and a way to speak.

    Attributes:
        pitch_hz: mean pitch.
        pitch_range: of the tones; 1 as recorded.
        tract: how much higher formants lie than the recorded man's.
        seconds: mean length of a syllable.
        breath: added aperiodicity, 0 to 0.4.
        slur: how far neighbouring sounds run into one another, in frames.
        tilt: gain in dB at 4 kHz against 250 Hz.
    """

    pitch_hz: float
    pitch_range: float
    tract: float
    seconds: float
    breath: float
    slur: float
    tilt: float

    @classmethod
    def random(cls, rng: random.Random) -> Speaker:
        """Draw a voice: men, women, the young and the old, hasty and slow."""
        woman = rng.random() < 0.55
        pitch = rng.lognormvariate(np.log(215), 0.16) if woman else rng.lognormvariate(np.log(122), 0.18)
        return cls(
            pitch_hz=min(340.0, max(75.0, pitch)),
            pitch_range=rng.uniform(0.6, 1.2),
            tract=rng.gauss(1.15, 0.05) if woman else rng.gauss(1.0, 0.06),
            seconds=min(0.3, max(0.105, rng.lognormvariate(np.log(0.18), 0.2))),
            breath=max(0.0, rng.gauss(0.0, 0.05)),
            slur=rng.uniform(0.3, 1.5),
            tilt=rng.gauss(0.0, 2.5),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Syllable:
    """A recorded syllable, taken apart; one row each 5 ms.

    Attributes:
        pitch: log2 of the pitch over the speaker's mean, 0 where it is unvoiced.
        voiced: bool.
        envelope: mel-cepstrum, shape (n, :data:`ENVELOPE`).
        aperiodicity: coded, shape (n,).
    """

    pitch: _FLOAT
    voiced: NDArray[np.bool_]
    envelope: _FLOAT
    aperiodicity: _FLOAT


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenSyllables:
    """A sentence.

    Attributes:
        pcm: float32 mono at 16 kHz, shape (n,).
        ends: sample behind each syllable, in the order given.
    """

    pcm: NDArray[np.float32]
    ends: tuple[int, ...]


def analyse(pcm: _FLOAT) -> tuple[_FLOAT, _FLOAT, _FLOAT]:
    """Return pitch in Hz (0 unvoiced), coded envelope and coded aperiodicity of 16 kHz ``pcm``."""
    coarse, times = pyworld.dio(pcm, SAMPLE_RATE, f0_floor=65, f0_ceil=300, frame_period=1000 * FRAME_S)
    pitch = pyworld.stonemask(pcm, coarse, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(pcm, pitch, times, SAMPLE_RATE, fft_size=FFT_SIZE)
    noise = pyworld.d4c(pcm, pitch, times, SAMPLE_RATE, fft_size=FFT_SIZE)
    coded = pyworld.code_spectral_envelope(envelope, SAMPLE_RATE, ENVELOPE)
    return pitch, coded, pyworld.code_aperiodicity(noise, SAMPLE_RATE)[:, 0]


def trimmed(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pcm`` without the silence around it, at a peak of 0.7."""
    level = np.sqrt(np.convolve(pcm**2, np.ones(320) / 320, "same"))
    loud = np.flatnonzero(level > AUDIBLE * level.max())
    cut = pcm[max(0, loud[0] - 160) : loud[-1] + 160]
    return cut * np.float32(0.7 / max(1e-4, float(np.abs(cut).max())))


class VocoderVoice:
    """Speaks Jyutping syllables in any :class:`Speaker`'s voice.

    Args:
        folder: recordings with a ``manifest.csv`` (columns file and transcript).
        cache: file that keeps the analysis, 80 MB; made when it is not there (four minutes).

    Raises:
        FileNotFoundError: there is no manifest.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        if not cache.is_file():
            _write_cache(folder, cache)
        with np.load(cache) as stored:
            names = [str(name) for name in stored["names"]]
            self._starts = dict(zip(names, stored["starts"].tolist(), strict=True))
            self._counts = dict(zip(names, stored["counts"].tolist(), strict=True))
            self._rows = stored["rows"]

    def __contains__(self, name: str) -> bool:
        return name in self._starts

    def syllable(self, name: str) -> Syllable:
        """Return a syllable by its Jyutping with tone, such as ``gwong2``."""
        start = self._starts[name]
        rows = self._rows[start : start + self._counts[name]].astype(np.float64)
        voiced = rows[:, 0] > 0
        pitch = np.zeros(len(rows))
        pitch[voiced] = np.log2(rows[voiced, 0] / OWN_PITCH_HZ)
        return Syllable(pitch=pitch, voiced=voiced, envelope=rows[:, 2:], aperiodicity=rows[:, 1])

    def speak(self, names: Sequence[str], speaker: Speaker, rng: random.Random) -> SpokenSyllables:
        """Return the syllables as one utterance; ``""`` is a pause.

        Raises:
            KeyError: a syllable was not recorded.
        """
        plan = [self._planned(name, index, names, speaker, rng) for index, name in enumerate(names)]
        pitch = _joined([part.pitch for part in plan])
        voiced = np.concatenate([part.voiced for part in plan])
        envelope = _smoothed(np.concatenate([part.envelope for part in plan]), speaker.slur)
        noise = np.concatenate([part.aperiodicity for part in plan])
        hertz = _melody(pitch, speaker, rng)
        hertz[~voiced] = 0.0
        spectrum = _shaped(envelope, speaker)
        aperiodicity = np.clip(
            pyworld.decode_aperiodicity(noise[:, None], SAMPLE_RATE, FFT_SIZE) + speaker.breath, 0, 1
        )
        pcm = pyworld.synthesize(hertz, spectrum, aperiodicity, SAMPLE_RATE, 1000 * FRAME_S)
        ends = np.cumsum([len(part.voiced) for part in plan]) * int(FRAME_S * SAMPLE_RATE)
        return SpokenSyllables(pcm=pcm.astype(np.float32), ends=tuple(int(end) for end in ends))

    def _planned(
        self, name: str, index: int, names: Sequence[str], speaker: Speaker, rng: random.Random
    ) -> Syllable:
        """Return a syllable at the length that it has in this sentence."""
        if not name:
            return _pause(int(rng.uniform(0.04, 0.45) / FRAME_S))
        last = index + 1 == len(names) or not names[index + 1]
        seconds = speaker.seconds * rng.lognormvariate(0, 0.22) * (rng.uniform(1.1, 1.9) if last else 1.0)
        if name[-2] in "ptk":
            seconds *= 0.85
        return _warped(self.syllable(name), max(8, int(seconds / FRAME_S)), rng.gauss(0, 0.25))


def _pause(frames: int) -> Syllable:
    quiet = np.zeros((frames, ENVELOPE))
    quiet[:, 0] = -18.0
    return Syllable(
        pitch=np.zeros(frames),
        voiced=np.zeros(frames, np.bool_),
        envelope=quiet,
        aperiodicity=np.zeros(frames),
    )


def _warped(syllable: Syllable, frames: int, gain: float) -> Syllable:
    """Return ``syllable`` in so many frames: its onset is shortened least, its steady vowel most."""
    length = len(syllable.voiced)
    onset, tail = min(0.3 * length, 0.08 / FRAME_S), 0.2 * length
    source = np.array([0.0, onset, length - tail, length - 1.0])
    share = min(0.4, onset / frames)
    at = np.interp(np.linspace(0, 1, frames), [0.0, share, 0.8, 1.0], source)
    low = np.clip(at.astype(int), 0, length - 2)
    part = (at - low)[:, None]
    envelope = syllable.envelope[low] * (1 - part) + syllable.envelope[low + 1] * part
    envelope[:, 0] += gain
    nearest = np.round(at).astype(int)
    return Syllable(
        pitch=syllable.pitch[nearest],
        voiced=syllable.voiced[nearest],
        envelope=envelope,
        aperiodicity=syllable.aperiodicity[nearest],
    )


def _joined(parts: Sequence[_FLOAT]) -> _FLOAT:
    """Return one pitch contour, carried through where there is none."""
    pitch = np.concatenate(parts)
    known = np.flatnonzero(pitch)
    if not len(known):
        return pitch
    return np.interp(np.arange(len(pitch)), known, pitch[known])


def _smoothed(rows: _FLOAT, frames: float) -> _FLOAT:
    """Return rows that run into one another, by a Gaussian of ``frames``."""
    reach = int(np.ceil(2.5 * frames))
    if not reach:
        return rows
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    total = np.zeros_like(rows)
    for index, weight in enumerate(weights / weights.sum()):
        total += weight * padded[index : index + len(rows)]
    return total


def _melody(pitch: _FLOAT, speaker: Speaker, rng: random.Random) -> _FLOAT:
    """Return the pitch in Hz: tones, declination, a slow wander and the joints rounded."""
    frames = len(pitch)
    tones = _smoothed(pitch[:, None], 2.0)[:, 0] * speaker.pitch_range
    falling = np.linspace(rng.uniform(0.0, 0.25), -rng.uniform(0.0, 0.3), frames)
    knots = np.linspace(0, frames - 1, max(2, frames // 60))
    wander = np.interp(np.arange(frames), knots, [rng.gauss(0, 0.08) for _ in knots])
    return np.clip(speaker.pitch_hz * 2.0 ** (tones + falling + wander), 60, 500)


def _shaped(envelope: _FLOAT, speaker: Speaker) -> _FLOAT:
    """Return spectral envelopes (n, 513), formants moved and tilted."""
    spectrum = pyworld.decode_spectral_envelope(np.ascontiguousarray(envelope), SAMPLE_RATE, FFT_SIZE)
    bins = spectrum.shape[1]
    at = np.minimum(np.arange(bins) / speaker.tract, bins - 1.001)
    low = at.astype(int)
    part = at - low
    moved = spectrum[:, low] * (1 - part) + spectrum[:, low + 1] * part
    octaves = np.log2(np.maximum(np.arange(bins), 16) / 16.0) / 4.0  # 0 at 250 Hz, 1 at 4 kHz
    return np.ascontiguousarray(moved * 10 ** (speaker.tilt * octaves / 10))


def _write_cache(folder: Path, cache: Path) -> None:
    """Take every syllable apart and keep the result."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise FileNotFoundError(f"no manifest.csv in {folder}; it should hold the recorded syllables")
    with manifest.open(newline="", encoding="utf-8") as rows:
        files = {row["transcript"]: folder / row["file"] for row in csv.DictReader(rows)}
    names, parts = [], []
    for name, path in files.items():
        pcm, rate = sf.read(path, dtype="float32")
        if rate != SAMPLE_RATE:
            raise ValueError(f"{path.name}: expected {SAMPLE_RATE} Hz")
        pitch, envelope, noise = analyse(trimmed(pcm).astype(np.float64))
        if len(pitch) < 8:
            continue
        names.append(name)
        parts.append(np.column_stack([pitch, noise, envelope]).astype(np.float16))
    counts = np.array([len(part) for part in parts])
    cache.parent.mkdir(parents=True, exist_ok=True)
    with replacing(cache) as file:
        np.savez(
            file,
            names=np.array(names),
            counts=counts,
            starts=np.cumsum(counts) - counts,
            rows=np.concatenate(parts),
        )
