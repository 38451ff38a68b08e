"""Calls with a known mood: real voices that the model never heard, on a telephone line, saying written texts.

The customer's voice is a speaker of ASED (acted Amharic: the bundled model was not trained on it, nor on the
language), the agent's one of LibriSpeech that was kept for testing. What they say comes from texts.toml, with
one character in ten replaced, as a recogniser would err; the audio and the text do not say the same, which
neither the voice model nor the lexicon can notice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.finetune.emotion.bundled import part
from scripts.finetune.voices.line import Line
from scripts.finetune.voices.sets import Clip, load, read_set

Pcm = NDArray[np.float32]

RATE = 16_000
KINDS = ("calm", "heated", "heated then calmed", "loud but happy")
WRONG_CHARACTERS = 0.1
CALM_S, HEATED_S, CALL_S = 45.0, 45.0, 150.0
_TEXTS = tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))
_ANY = "的一是不了人我在有他這中大來上個國到說們"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An utterance of a generated call; times in samples."""

    channel: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GeneratedCall:
    """A call.

    Attributes:
        kind: one of KINDS.
        channels: customer and agent, float32 at 16 kHz.
        said: utterances.
        angry: where the customer is angry, start and end in samples; None if never.
    """

    kind: str
    channels: tuple[Pcm, Pcm]
    said: tuple[Said, ...]
    angry: tuple[int, int] | None

    def text(self, channel: int, start: int, length: int) -> str:
        """Return what was said in a stretch of audio, as a recogniser would: all that lies mostly in it."""
        found = [
            said.text
            for said in self.said
            if said.channel == channel
            and min(said.end, start + length) - max(said.start, start) > 0.5 * (said.end - said.start)
        ]
        return "，".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voices:
    """Clips to speak with.

    Attributes:
        customers: by speaker, by emotion.
        agents: by speaker.
    """

    customers: dict[str, dict[str, list[Clip]]]
    agents: dict[str, list[Clip]] = field(default_factory=dict)


def read_voices(data: Path) -> Voices:
    """Return the voices in ``data`` (folders ased and librispeech_mini)."""
    customers: dict[str, dict[str, list[Clip]]] = {}
    for clip in read_set(data / "ased"):
        customers.setdefault(clip.speaker, {}).setdefault(clip.emotion, []).append(clip)
    whole = {
        name: found
        for name, found in customers.items()
        if all(len(found.get(emotion, ())) >= 4 for emotion in ("neutral", "angry", "happy"))
    }
    agents: dict[str, list[Clip]] = {}
    for clip in read_set(data / "librispeech_mini"):
        if part(clip.speaker) == "test":
            agents.setdefault(clip.speaker, []).append(clip)
    return Voices(customers=whole, agents=agents)


def generate(voices: Voices, kind: str, rng: np.random.Generator, customers: Sequence[str]) -> GeneratedCall:
    """Return a call of the given kind, its customer one of ``customers``."""
    return _Writer(voices, kind, rng, str(rng.choice(customers))).write()


class _Writer:
    def __init__(self, voices: Voices, kind: str, rng: np.random.Generator, customer: str) -> None:
        self._kind = kind
        self._rng = rng
        self._own = voices.customers[customer]
        self._agent = voices.agents[str(rng.choice(sorted(voices.agents)))]
        self._lines = [Line.draw(rng, training=False) for _ in range(2)]
        self._audio = [np.zeros(int((CALL_S + 30) * RATE), np.float32) for _ in range(2)]
        self._said: list[Said] = []
        self._angry: list[int] = []

    def write(self) -> GeneratedCall:
        at = int(RATE * self._rng.uniform(0.5, 2))
        while at < CALL_S * RATE:
            at = self._agent_turn(at)
            at = self._customer_turn(at)
        end = at + RATE
        noisy = tuple(
            line.carry(self._rng, audio[:end]) for line, audio in zip(self._lines, self._audio, strict=True)
        )
        angry = (self._angry[0], self._angry[-1]) if self._angry else None
        return GeneratedCall(
            kind=self._kind, channels=(noisy[0], noisy[1]), said=tuple(self._said), angry=angry
        )

    def _mood(self, at: int) -> str:
        seconds = at / RATE
        if self._kind == "loud but happy":
            return "happy" if seconds > 15 else "calm"
        if self._kind == "calm" or seconds < CALM_S:
            return "calm"
        if self._kind == "heated then calmed" and seconds > CALM_S + HEATED_S:
            return "calming"
        return "angry"

    def _agent_turn(self, at: int) -> int:
        clip = self._agent[int(self._rng.integers(len(self._agent)))]
        pcm = load(clip)
        length = int(RATE * self._rng.uniform(2.5, 5.5))
        start = int(self._rng.integers(0, max(1, len(pcm) - length)))
        return self._put(1, at, pcm[start : start + length], "agent")

    def _customer_turn(self, at: int) -> int:
        mood = self._mood(at)
        emotion = {"calm": "neutral", "calming": "neutral"}.get(mood, mood)
        if mood == "angry" and self._rng.random() < 0.3:
            at -= int(RATE * self._rng.uniform(0.5, 1.2))  # does not let the agent finish
        for _ in range(int(self._rng.integers(1, 4))):
            clips = self._own[emotion]
            start = at
            at = self._put(0, at, load(clips[int(self._rng.integers(len(clips)))]), mood)
            if mood == "angry":
                self._angry += [start, at]
        return at

    def _put(self, channel: int, at: int, pcm: Pcm, mood: str) -> int:
        """Write an utterance at ``at``; return where the next one may begin."""
        pcm = pcm / np.float32(np.max(np.abs(pcm)) + 1e-6) * np.float32(0.5)
        end = at + len(pcm)
        self._audio[channel][at:end] += pcm
        self._said.append(Said(channel=channel, start=at, end=end, text=self._misheard(mood)))
        return end + int(RATE * self._rng.uniform(0.2, 0.9))

    def _misheard(self, mood: str) -> str:
        text = str(self._rng.choice(_TEXTS[mood]))
        wrong = self._rng.random(len(text)) < WRONG_CHARACTERS
        return "".join(
            _ANY[int(self._rng.integers(len(_ANY)))] if bad else character
            for character, bad in zip(text, wrong, strict=True)
        )
