"""Calls on one channel with known truth: turns of several voices, mixed down and sent over one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scripts.finetune.voices.line import Line
from scripts.finetune.voices.sets import Clip, load

Pcm = NDArray[np.float32]

SAMPLE_RATE = 16_000
_HOP = SAMPLE_RATE // 100
AUDIBLE = 0.012
"""Share of the power of loud speech (19 dB below it) below which a telephone line's noise drowns speech."""
PAUSE_S = 0.4
"""A silence of this length within a turn belongs to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Speech of one voice; positions in samples."""

    speaker: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixture:
    """A call on one channel.

    Attributes:
        pcm: float32 mono 16 kHz, shape (n,).
        turns: by start; they may overlap.
    """

    pcm: Pcm
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSpec:
    """How a call goes.

    Attributes:
        seconds: of the call.
        turn_s: shortest and longest turn.
        overlapping: share of turns that begin before the other has ended.
        overlap_s: shortest and longest overlap.
        gap_s: shortest and longest silence between two turns.
        again: share of turns after which the same voice goes on.
        snr_db: range; None leaves it to the line.
        level_db: of one voice against the other, at most.
        own_colour: share of calls in which each voice has a microphone of its own.
        disturbed: share of calls with music or crying.
        hard_line: lose packets and clip at times.
    """

    seconds: float = 60.0
    turn_s: tuple[float, float] = (1.0, 6.0)
    overlapping: float = 0.35
    overlap_s: tuple[float, float] = (0.3, 1.6)
    gap_s: tuple[float, float] = (0.05, 0.9)
    again: float = 0.1
    snr_db: tuple[float, float] | None = (10.0, 20.0)
    level_db: float = 4.0
    own_colour: float = 0.0
    disturbed: float = 0.0
    hard_line: bool = False


class Voices:
    """Recordings of many speakers; those that were asked for last are kept in memory."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips: dict[str, list[Clip]] = {}
        for clip in clips:
            self._clips.setdefault(clip.speaker, []).append(clip)
        self._read: dict[str, Pcm] = {}

    @property
    def speakers(self) -> Mapping[str, str]:
        """The set of every speaker that has at least ten seconds."""
        return {
            name: clips[0].source
            for name, clips in self._clips.items()
            if sum(clip.seconds * len(clip.files) for clip in clips) >= 10
        }

    def speech(self, speaker: str) -> Pcm:
        """Return all speech of ``speaker`` in one piece, at a common level."""
        if speaker not in self._read:
            parts = [load(clip) for clip in self._clips[speaker]]
            self._read[speaker] = np.concatenate([_levelled(part) for part in parts])
        return self._read[speaker]

    def draw(self, rng: np.random.Generator, count: int, *, same_set: float) -> tuple[str, ...]:
        """Draw ``count`` speakers, with probability ``same_set`` all from one set."""
        speakers = self.speakers
        names = sorted(speakers)
        first = names[rng.integers(len(names))]
        pool = [n for n in names if n != first]
        if rng.random() < same_set:
            near = [n for n in pool if speakers[n] == speakers[first]]
            pool = near if len(near) >= count - 1 else pool
        return (first, *(pool[i] for i in rng.permutation(len(pool))[: count - 1]))


def mix(rng: np.random.Generator, voices: Voices, speakers: Sequence[str], spec: MixtureSpec) -> Mixture:
    """Return one call of ``speakers``.

    Args:
        rng: of all draws.
        voices: whom to take speech from.
        speakers: who takes part.
        spec: how it goes.
    """
    pcm = np.zeros(int(spec.seconds * SAMPLE_RATE), np.float32)
    colours = {name: Line.draw(rng, training=False) for name in speakers}
    own = rng.random() < spec.own_colour
    gains = {name: 10 ** (rng.uniform(-spec.level_db, spec.level_db) / 40) for name in speakers}
    turns: list[Turn] = []
    for name, start, part in turns_of(rng, voices, speakers, spec):
        heard = colours[name].coloured(part) if own else part
        pcm[start : start + len(part)] += heard * np.float32(gains[name])
        turns += [Turn(speaker=name, start=start + a, end=start + b) for a, b in spoken(part)]
    if rng.random() < spec.disturbed:
        _disturb(rng, pcm, turns)
    line = Line.draw(rng, training=spec.hard_line)
    line = replace(line, voice=1.0, snr_db=line.snr_db if spec.snr_db is None else rng.uniform(*spec.snr_db))
    return Mixture(pcm=line.carry(rng, pcm), turns=tuple(sorted(turns, key=lambda turn: turn.start)))


def turns_of(
    rng: np.random.Generator, voices: Voices, speakers: Sequence[str], spec: MixtureSpec
) -> Iterator[tuple[str, int, Pcm]]:
    """Yield who speaks, from which sample, and what."""
    places = {name: int(rng.integers(len(voices.speech(name)))) for name in speakers}
    total = int(spec.seconds * SAMPLE_RATE)
    at, now = int(rng.uniform(0.1, 1.0) * SAMPLE_RATE), int(rng.integers(len(speakers)))
    while at < total - SAMPLE_RATE // 2:
        name = speakers[now]
        length = min(int(rng.uniform(*spec.turn_s) * SAMPLE_RATE), total - at)
        part = np.take(voices.speech(name), np.arange(places[name], places[name] + length), mode="wrap")
        places[name] = (places[name] + length) % len(voices.speech(name))
        yield name, at, part
        others = [i for i in range(len(speakers)) if i != now]
        same = not others or rng.random() < spec.again
        overlaps = not same and rng.random() < spec.overlapping
        step = -min(rng.uniform(*spec.overlap_s) * SAMPLE_RATE, 0.8 * length) if overlaps else None
        pause = rng.uniform(*spec.gap_s) + (0.4 if same else 0.0)
        at += length + int(pause * SAMPLE_RATE if step is None else step)
        now = now if same else others[rng.integers(len(others))]


def _levelled(pcm: Pcm) -> Pcm:
    return pcm * np.float32(0.05 / (np.sqrt(np.mean(pcm**2)) + 1e-9))


def spoken(pcm: Pcm) -> list[tuple[int, int]]:
    """Return where a clean recording is loud, pauses below PAUSE_S included; samples."""
    frames = len(pcm) // _HOP
    if not frames:
        return []
    power = (pcm[: frames * _HOP].reshape(frames, _HOP) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > np.percentile(power, 90) * AUDIBLE)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > PAUSE_S * 100)
    starts, ends = np.r_[loud[0], loud[breaks + 1]], np.r_[loud[breaks], loud[-1]]
    return [(int(a) * _HOP, (int(b) + 1) * _HOP) for a, b in zip(starts, ends, strict=True) if b - a >= 5]


def _disturb(rng: np.random.Generator, pcm: Pcm, turns: Sequence[Turn]) -> None:
    """Add hold music or crying, 10 dB below speech up to as loud, for some seconds."""
    length = int(rng.uniform(2, 8) * SAMPLE_RATE)
    start = int(rng.integers(0, max(1, len(pcm) - length)))
    made = (music if rng.random() < 0.5 else crying)(rng, length)[: len(pcm) - start]
    pcm[start : start + len(made)] += made * np.float32(0.05 * 10 ** (rng.uniform(-10, 0) / 20))


def music(rng: np.random.Generator, samples: int) -> Pcm:
    """Return chords of decaying partials, unit power: hold music without a singer."""
    out = np.zeros(samples, np.float32)
    beat = int(SAMPLE_RATE * rng.uniform(0.18, 0.5))
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12) * rng.uniform(0.8, 1.6)
    for at in range(0, samples, beat):
        time = np.arange(min(3 * beat, samples - at)) / SAMPLE_RATE
        for tone in rng.choice(scale, int(rng.integers(1, 4)), replace=False):
            partials = sum(np.sin(2 * np.pi * tone * k * time) / k**1.5 for k in range(1, 6))
            out[at : at + len(time)] += (partials * np.exp(-time * rng.uniform(2, 6))).astype(np.float32)
    return out / np.float32(np.std(out) + 1e-9)


_CRY = (1, 0.8, 0.7, 0.4, 0.3, 0.2)


def crying(rng: np.random.Generator, samples: int) -> Pcm:
    """Return cries of about a second, 350 to 600 Hz with a rise and a fall, unit power."""
    out = np.zeros(samples, np.float32)
    at = 0
    while at < samples:
        length = int(rng.uniform(0.5, 1.3) * SAMPLE_RATE)
        time = np.arange(length) / length
        pitch = rng.uniform(350, 550) * (1 + 0.2 * np.sin(np.pi * time)) * (1 + 0.02 * np.sin(40 * time))
        phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
        cry = sum(
            np.sin(k * phase) * w for k, w in zip(range(1, 7), (1, 0.8, 0.7, 0.4, 0.3, 0.2), strict=True)
        )
        part = (cry * np.sin(np.pi * time) ** 0.5).astype(np.float32)[: samples - at]
        out[at : at + len(part)] += part
        at += length + int(rng.uniform(0.2, 0.7) * SAMPLE_RATE)
    return out / np.float32(np.std(out) + 1e-9)
