"""Dialogues as recordings: two voices, one a channel, and when each personal value is spoken."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from benchmarks.redaction.dialogues import Dialogue
from benchmarks.redaction.rendered import RenderedCall, Spoken
from cantonese.numerals import DIGITS
from scripts.finetune.bundled.demo_call import RATE, SPEAKERS, synthetic
from scripts.finetune.bundled.turns import Piece, sentence
from scripts.finetune.bundled.vocoder import SAMPLE_RATE, VocoderVoice

Pcm = NDArray[np.float32]
PAUSE_S = (0.35, 1.1)
"""Between two turns."""
_PARTIES = ("customer", "agent")
_LOUD = 0.35
_SAID = {ord(str(digit)): character for digit, character in enumerate(DIGITS)}
"""Figures are spoken digit by digit, by the same voice."""


def render(dialogue: Dialogue, voice: VocoderVoice, path: Path, rng: random.Random) -> RenderedCall:
    """Speak a dialogue and write it."""
    call, at = RenderedCall(path), 0.5
    pieces: list[tuple[int, int, Pcm]] = []
    for turn in dialogue:
        channel = _PARTIES.index(turn.role)
        pcm, times = _speak(turn.text, turn.role, voice, rng)
        pieces.append((channel, int(at * RATE), pcm))
        call.turns.append(Spoken(channel=channel, start=at, end=at + len(pcm) / RATE, text=turn.text))
        for start, end, category in turn.personal:
            call.values.append(
                Spoken(
                    channel=channel, start=at + times[start], end=at + times[end],
                    text=turn.text[start:end], category=category,
                )
            )  # fmt: skip
        at += len(pcm) / RATE + rng.uniform(*PAUSE_S)
    samples = np.zeros((int((at + 1) * RATE), len(_PARTIES)), np.float32)
    for channel, first, pcm in pieces:
        samples[first : first + len(pcm), channel] += pcm * _LOUD
    sf.write(path, samples, RATE, subtype="ULAW")
    return call


def _speak(text: str, party: str, voice: VocoderVoice, rng: random.Random) -> tuple[Pcm, list[float]]:
    """Return a turn, float32 at 8 kHz, and when each place of its text begins, s; one more for its end."""
    parts: list[Pcm] = []
    begins = [0.0]
    pieces = sentence(text.translate(_SAID)).pieces
    for speakable, group in itertools.groupby(pieces, lambda piece: _speakable(piece, voice)):
        own = list(group)
        if speakable:
            spoken = voice.speak([piece.syllable or "" for piece in own], SPEAKERS[party], rng)
            pcm = np.asarray(soxr.resample(spoken.pcm, SAMPLE_RATE, RATE, quality="HQ"), np.float32)
            ends = [end / SAMPLE_RATE for end in spoken.ends]
        else:
            pcm = np.asarray(synthetic("".join(piece.text for piece in own), party) * 0.8, np.float32)
            ends = [len(pcm) / RATE * (index + 1) / len(own) for index in range(len(own))]
        begun = sum(len(part) for part in parts) / RATE
        begins += [begun + end for end in ends]
        parts.append(pcm)
    joined = np.concatenate(parts)
    return joined / max(1e-6, float(np.abs(joined).max())), _by_place(text.translate(_SAID), pieces, begins)


def _speakable(piece: Piece, voice: VocoderVoice) -> bool:
    return piece.syllable is not None and (not piece.syllable or piece.syllable in voice)


def _by_place(text: str, pieces: Sequence[Piece], begins: Sequence[float]) -> list[float]:
    """Return when each code point of a text begins; what no piece holds begins with the next one."""
    times = [float("nan")] * (len(text) + 1)
    at = 0
    for piece, start, end in zip(pieces, begins, begins[1:], strict=False):
        found = text.find(piece.text.strip(), at, at + len(piece.text) + 1)
        if found < 0 or not piece.text.strip():
            continue  # a pause for a space
        length = len(piece.text.strip())
        for offset in range(length):
            times[found + offset] = start + (end - start) * offset / length
        at = found + length
    times[-1] = begins[-1]
    for place in range(len(text) - 1, -1, -1):
        if np.isnan(times[place]):
            times[place] = times[place + 1]
    return times
