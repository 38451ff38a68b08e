"""The agitation of one speaker: voice, words and behaviour fused into one explained curve. Pure.

Positions are samples at 16 kHz since the start of the call. The curve lives on a grid of :data:`STEP_S`;
when a point is asked for late, the ones before are computed just the same, so that it does not matter how
often anyone asks.

The three kinds of evidence are joined by a noisy or (Pearl 1988): each can raise agitation, none is
needed, and each has a ceiling. The ceiling of the voice lies below the alert threshold on purpose: an
aroused voice may be a happy one, and only words or behaviour tell (see docs/emotion.md for the measurement).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from emotion.base import SAMPLE_RATE
from emotion.behaviour import Behaviour
from emotion.words import WordsReading

STEP_S = 0.5
STEP = int(STEP_S * SAMPLE_RATE)
KEPT = 64
"""Pieces of evidence of each kind; when full, the oldest goes: it has faded anyway."""


class Level(StrEnum):
    """Agitation in words."""

    CALM = "calm"
    TENSE = "tense"
    AGITATED = "agitated"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgitationSettings:
    """How evidence becomes agitation; ``python -m benchmarks emotion`` shows what a change does.

    Attributes:
        voice: ceiling of the voice alone.
        words: ceiling of the words alone.
        behaviour: ceiling of behaviour alone.
        voice_half_life_s: after which a window of the voice counts half.
        words_half_life_s: the same for words.
        behaviour_half_life_s: the same for behaviour.
        positive_half_life_s: the same for words of thanks, which take weight from the voice.
        rise_s: time constant with which the curve follows rising evidence.
        fall_s: the same for falling evidence.
        tense: from which the level is tense.
        agitated: from which it is agitated.
        hysteresis: how far below its threshold a level is left.
    """

    voice: float = 0.45
    words: float = 0.92
    behaviour: float = 0.4
    voice_half_life_s: float = 8.0
    words_half_life_s: float = 20.0
    behaviour_half_life_s: float = 25.0
    positive_half_life_s: float = 15.0
    rise_s: float = 0.6
    fall_s: float = 6.0
    tense: float = 0.35
    agitated: float = 0.5
    hysteresis: float = 0.12

    def __post_init__(self) -> None:
        ceilings = (self.voice, self.words, self.behaviour)
        if not all(0 <= ceiling < 1 for ceiling in ceilings):
            raise ValueError("agitation: voice, words and behaviour must be from 0 to below 1")
        if not 0 <= self.hysteresis < self.tense < self.agitated < 1:
            raise ValueError("agitation: need 0 <= hysteresis < tense < agitated < 1")
        spans = (self.voice_half_life_s, self.words_half_life_s, self.behaviour_half_life_s,
                 self.positive_half_life_s, self.rise_s, self.fall_s)  # fmt: skip
        if not all(span > 0 for span in spans):
            raise ValueError("agitation: half-lives, rise_s and fall_s must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgitationPoint:
    """One point of the curve.

    Attributes:
        at: position.
        value: agitation in [0, 1], smoothed.
        evidence: what it is moving to, in [0, 1].
        voice: share of the voice in it; the three shares sum to 1, or are all 0 without evidence.
        words: share of the words.
        behaviour: share of behaviour.
        level: in words, with hysteresis.
        supported: there are words or behaviour behind it, not the voice alone.
    """

    at: int
    value: float
    evidence: float
    voice: float
    words: float
    behaviour: float
    level: Level
    supported: bool


@dataclass(frozen=True, slots=True)
class _Impulse:
    at: int
    weight: float


@dataclass(frozen=True, slots=True)
class _Voice:
    at: int
    score: float
    quality: float


@dataclass(slots=True)
class _Evidence:
    voice: deque[_Voice] = field(default_factory=lambda: deque(maxlen=KEPT))
    words: deque[_Impulse] = field(default_factory=lambda: deque(maxlen=KEPT))
    positive: deque[_Impulse] = field(default_factory=lambda: deque(maxlen=KEPT))
    behaviour: deque[_Impulse] = field(default_factory=lambda: deque(maxlen=KEPT))


VOICE_PRIOR = 0.4
"""Weight of 'calm' beside the windows: one window alone moves the mean by less than three do."""
SUPPORT = 0.12
"""Share of words or behaviour from which agitation is called supported."""
WITHHELD = 0.75
"""Share of the voice's evidence that is withheld when words of thanks are at their strongest."""


class AgitationCurve:
    """The curve of one speaker of one call.

    Args:
        settings: how evidence becomes agitation.
    """

    def __init__(self, settings: AgitationSettings) -> None:
        self._settings = settings
        self._evidence = _Evidence()
        self._next = 0
        self._value = 0.0
        self._level = Level.CALM

    def voice(self, at: int, score: float, quality: float) -> None:
        """Take a window of the voice that ended at ``at``; both figures in [0, 1]."""
        if quality > 0:
            self._evidence.voice.append(_Voice(at, score, quality))

    def words(self, at: int, reading: WordsReading) -> None:
        """Take the words of an utterance that ended at ``at``."""
        if reading.negative > 0:
            self._evidence.words.append(_Impulse(at, reading.negative))
        if reading.positive > 0:
            self._evidence.positive.append(_Impulse(at, reading.positive))

    def behaviour(self, found: Sequence[Behaviour]) -> None:
        """Take what the speaker does."""
        self._evidence.behaviour.extend(_Impulse(one.at, one.weight) for one in found)

    def advance(self, to: int) -> list[AgitationPoint]:
        """Return the points of the grid that are due up to position ``to``."""
        points = []
        while self._next <= to:
            points.append(self._point(self._next))
            self._next += STEP
        return points

    def _point(self, at: int) -> AgitationPoint:
        settings = self._settings
        positive = _fused(self._evidence.positive, at, settings.positive_half_life_s)
        voice = settings.voice * self._voice(at) * (1 - WITHHELD * positive)
        words = settings.words * _fused(self._evidence.words, at, settings.words_half_life_s)
        words *= 1 - 0.5 * positive
        doing = settings.behaviour * _fused(self._evidence.behaviour, at, settings.behaviour_half_life_s)
        evidence = 1 - (1 - voice) * (1 - words) * (1 - doing)
        constant = settings.rise_s if evidence > self._value else settings.fall_s
        self._value += (evidence - self._value) * (1 - math.exp(-STEP_S / constant))
        self._level = self._next_level()
        shares = _shares(voice, words, doing)
        return AgitationPoint(
            at=at, value=self._value, evidence=evidence, voice=shares[0], words=shares[1],
            behaviour=shares[2], level=self._level, supported=max(words, doing) >= SUPPORT,
        )  # fmt: skip

    def _voice(self, at: int) -> float:
        """Return the mean of the recent windows, newer and clearer ones counting more."""
        total, weight = 0.0, VOICE_PRIOR
        for window in self._evidence.voice:
            share = window.quality * _faded(at - window.at, self._settings.voice_half_life_s)
            total += share * window.score
            weight += share
        return total / weight

    def _next_level(self) -> Level:
        settings, value = self._settings, self._value
        stays = {Level.CALM: 0.0, Level.TENSE: settings.hysteresis, Level.AGITATED: settings.hysteresis}
        lower = stays[self._level]
        if value >= settings.agitated - (lower if self._level is Level.AGITATED else 0):
            return Level.AGITATED
        if value >= settings.tense - lower:
            return Level.TENSE
        return Level.CALM


def _faded(age: int, half_life_s: float) -> float:
    return math.exp(-math.log(2) * max(0, age) / SAMPLE_RATE / half_life_s)


def _fused(impulses: Sequence[_Impulse], at: int, half_life_s: float) -> float:
    rest = 1.0
    for impulse in impulses:
        if impulse.at <= at:
            rest *= 1 - impulse.weight * _faded(at - impulse.at, half_life_s)
    return 1 - rest


def _shares(*strengths: float) -> tuple[float, ...]:
    """Return each strength's part of the evidence: additive in the logarithm of a noisy or."""
    parts = [max(0.0, -math.log(1 - strength)) for strength in strengths]
    total = sum(parts)
    return tuple(part / total if total > 1e-9 else 0.0 for part in parts)
