"""Test speech whose words and times are known: held-out sentences by held-out voices, over a telephone line.

Every stream is another one: other sentences, voices and pauses, drawn from its seed.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

RATE = 16_000
LINE_RATE = 8_000
DEMO = Path(__file__).resolve().parents[1] / "speech" / "call.wav"
LINE_NOISE_DB = 30.0
MAX_SENTENCE_S = 9.0
LEAD_S = 0.6
"""Silence before the first word, s."""
TAIL_S = 2.5
"""Silence behind the last word, s: long enough for its final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence: its words, and where its sound begins and ends, in ms."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speech:
    """A stream of one speaker.

    Attributes:
        pcm: int16 mono at 16 kHz, shape (n,); its band ends at 4 kHz, as on a telephone.
        said: what is in it, in order.
    """

    pcm: NDArray[np.int16]
    said: tuple[Said, ...]

    @property
    def floats(self) -> NDArray[np.float32]:
        """The audio in [-1, 1]."""
        return self.pcm.astype(np.float32) / np.float32(32768)

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.pcm) / RATE

    @property
    def talk(self) -> float:
        """Share of the time with speech."""
        return sum(said.end_ms - said.start_ms for said in self.said) / 1000 / self.seconds


def demo_speech(channel: int = 0) -> Speech:
    """Return one side of the bundled call."""
    pcm, rate = sf.read(DEMO, dtype="float32")
    turns = json.loads(DEMO.with_suffix(".json").read_text("utf-8"))
    said = [
        Said(start_ms=turn["start_ms"], end_ms=turn["end_ms"], text=turn["text"])
        for turn in turns
        if turn["channel"] == channel
    ]
    return Speech(pcm=_upsampled(pcm[:, channel], rate), said=tuple(said))


def generated_speech(seconds: float, talk: float, seed: int) -> Speech:
    """Return about ``seconds`` of customer-service sentences with silence between them.

    Args:
        seconds: length without the silence at both ends.
        talk: share of it with speech.
        seed: of sentences, voices, pauses and noise.

    Raises:
        ModuleNotFoundError: the synthesiser is not installed (extra ``finetune``).
    """
    from scripts.finetune.recogniser.line import add_noise, codec_round_trip  # noqa: PLC0415
    from scripts.finetune.tiny.texts import Texts  # noqa: PLC0415 (with the synthesiser)

    texts, rng = Texts(evaluation=True), random.Random(f"serving/{seed}")
    parts: list[NDArray[np.float32]] = [np.zeros(int(LEAD_S * LINE_RATE), np.float32)]
    said: list[Said] = []
    position = len(parts[0])
    while position < (LEAD_S + seconds) * LINE_RATE:
        text, pcm = _sentence(texts, rng)
        start, position = position, position + len(pcm)
        said.append(Said(start_ms=start * 1000 // LINE_RATE, end_ms=position * 1000 // LINE_RATE, text=text))
        pause = len(pcm) * (1 - talk) / talk * rng.uniform(0.5, 1.5)
        parts += [pcm, np.zeros(max(int(0.7 * LINE_RATE), int(pause)), np.float32)]
        position += len(parts[-1])
    parts.append(np.zeros(int(TAIL_S * LINE_RATE), np.float32))
    noise = np.random.default_rng(seed)
    line = add_noise(noise, np.concatenate(parts), LINE_NOISE_DB)
    return Speech(pcm=_upsampled(codec_round_trip(np.clip(line, -1, 1), "ULAW"), LINE_RATE), said=tuple(said))


def _sentence(texts: object, rng: random.Random) -> tuple[str, NDArray[np.float32]]:
    """Draw a sentence; return its text and its sound at 8 kHz, without silence at its ends."""
    from scripts.finetune.tiny.synth import Voice, synthesiser  # noqa: PLC0415 (needs the library)

    while True:
        text = texts.draw(rng, "service").text  # type: ignore[attr-defined]
        voice = Voice.random(rng, held_out=True)
        spoken = synthesiser().speak(text, voice)
        pcm = _trimmed(np.asarray(soxr.resample(spoken, synthesiser().sample_rate, LINE_RATE), np.float32))
        if len(text) >= 4 and 0.5 * LINE_RATE < len(pcm) < MAX_SENTENCE_S * LINE_RATE:
            level = np.float32(10 ** (rng.uniform(-20, -6) / 20) / max(1e-3, float(np.abs(pcm).max())))
            return text, pcm * level


def _trimmed(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pcm`` from the first to the last sample above 1 % of its peak (-40 dB)."""
    loud = np.flatnonzero(np.abs(pcm) > 0.01 * np.abs(pcm).max(initial=0.0))
    return pcm[loud[0] : loud[-1] + 1] if len(loud) else pcm[:0]


def _upsampled(pcm: NDArray[np.float32], rate: int) -> NDArray[np.int16]:
    wide = np.clip(soxr.resample(pcm, rate, RATE), -1, 1)
    return np.asarray(wide * 32767, np.int16)
