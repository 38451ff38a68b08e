"""Two channels: roles that are the wrong way round, and echo."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.diarization.calls import SETS, levelled
from cantonese.spoken import normalize_spoken
from diarization.crosstalk import FRAME, Crosstalk
from diarization.evidence import RoleEvidence, read_phrases, swapped
from pipeline.analysis.speakers import utterances
from pipeline.calls.info import SAMPLE_RATE
from pipeline.stages.crosstalk import ECHO_SHARE
from scripts.finetune.rehearsal.calls import LOCAL_GRAMMAR
from scripts.finetune.speakers.examples import clips_of
from scripts.finetune.tiny.grammar import GRAMMAR_FILE, Grammar
from scripts.finetune.voices.line import Line
from scripts.finetune.voices.mixtures import MixtureSpec, Voices, turns_of
from vad.endpointer import EndpointerSettings
from vad.gated import GatedVad

TURNS = 3
WRONG_CHARACTERS = 0.1
GREETED = 0.8
"""Share of agents who begin with a greeting."""
_ANY = "的一是不了人我在有他這中大來上個國到說們"


def swap_figures(calls: int) -> dict[str, Any]:
    """Return in how many generated calls swapped channels are found, and right ones taken for swapped.

    One character in ten is replaced, as a recogniser would err.
    """
    rng = random.Random(7)
    grammar = Grammar.load(GRAMMAR_FILE, LOCAL_GRAMMAR)
    found: dict[str, Any] = {"calls": calls, "wrong_characters": WRONG_CHARACTERS}
    hits, false = [0] * TURNS, 0
    for number in range(calls):
        rules = ("AGENT", "CUSTOMER") if number % 2 else ("L_AGENT", "L_CUSTOMER")
        wrong, right = (RoleEvidence(read_phrases(), first_voice=0) for _ in range(2))
        at = None
        for turn in range(TURNS):
            rule = "A_GREET" if turn == 0 and rng.random() < GREETED else rules[0]
            agent, customer = (_misheard(grammar.sentence(rng, name), rng) for name in (rule, rules[1]))
            for evidence, voices in ((wrong, ("c", "a")), (right, ("a", "c"))):
                evidence.put(f"{turn} first", {voices[0]: agent})
                evidence.put(f"{turn} second", {voices[1]: customer})
            odds = wrong.odds()
            at = turn if at is None and swapped(odds["a"], odds["c"]) else at
        for turn in range(TURNS):
            hits[turn] += at is not None and at <= turn
        false += swapped(right.odds()["a"], right.odds()["c"])
    return found | {
        **{f"found_within_{turn + 1}_turns": round(hits[turn] / calls, 4) for turn in range(TURNS)},
        "right_calls_taken_for_swapped": round(false / calls, 4),
    }


def _misheard(text: str, rng: random.Random) -> str:
    return "".join(
        rng.choice(_ANY) if rng.random() < WRONG_CHARACTERS and not letter.isascii() else letter
        for letter in normalize_spoken(text)
    )


def echo_figures(data: Path, calls: int) -> dict[str, Any]:
    """Return how much of the other channel's speech would be written twice, and how much speech is lost.

    What the voice detector finds in a channel while only the other one's echo is there would be recognised.
    """
    rng = np.random.default_rng(9)
    pool = Voices(clips_of(data, held_out=True, sets=SETS))
    twice = {"with_echo": 0, "cleaned": 0}
    lost = spoken = other = 0
    for _ in range(calls):
        parts, own, loud = _echoing(rng, pool)
        crosstalk = Crosstalk()
        cleaned: list[list[np.ndarray]] = [[], []]
        for start in range(0, len(parts[0]), 320):
            for channel in (0, 1):
                cleaned[channel].append(crosstalk.hear(channel, parts[channel][start : start + 320]))
        for channel in (0, 1):
            heard = np.concatenate(cleaned[channel])
            alone = ~own[channel] & own[1 - channel]
            other += int(own[1 - channel].sum())
            for name, pcm in (("with_echo", parts[channel]), ("cleaned", heard)):
                for start, end in _written(pcm, crosstalk if name == "cleaned" else None, channel):
                    inside = slice(start // FRAME, end // FRAME)
                    only_echo = not own[channel][inside].any()
                    twice[name] += int(alone[inside].sum()) if only_echo else 0
            muted = (heard[: len(own[channel]) * FRAME].reshape(-1, FRAME) == 0).all(axis=1)
            lost += int((muted & loud[channel]).sum())
            spoken += int(loud[channel].sum())
    return {
        "calls": calls,
        **{f"written_twice_{name}": round(count / other, 4) for name, count in twice.items()},
        "own_speech_silenced": round(lost / spoken, 4),
    }


def _written(pcm: np.ndarray, crosstalk: Crosstalk | None, channel: int) -> list[tuple[int, int]]:
    """Return the utterances that would reach the recogniser and be kept."""
    found = [(e.start, e.speech_end) for _at, e in utterances(pcm, GatedVad(1), EndpointerSettings())]
    if crosstalk is None:
        return found
    return [(a, b) for a, b in found if crosstalk.echo_share(channel, a, b) < ECHO_SHARE]


def _echoing(
    rng: np.random.Generator, pool: Voices
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Return two channels with echo, where each really speaks, pauses included, and where it is loud."""
    spec = MixtureSpec(seconds=90.0)
    names = pool.draw(rng, 2, same_set=0.5)
    clean = [np.zeros(int(spec.seconds * SAMPLE_RATE), np.float32) for _ in names]
    for name, start, part in turns_of(rng, pool, names, spec):
        clean[names.index(name)][start : start + len(part)] += part
    delay = int(rng.uniform(0.15, 0.4) * SAMPLE_RATE)
    parts, own, loud = [], [], []
    for channel, pcm in enumerate(clean):
        echoing = pcm.copy()
        echoing[delay:] += 0.1 * clean[1 - channel][:-delay]
        parts.append(levelled(Line.draw(rng, training=False).carry(rng, echoing)))
        power = (pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME) ** 2).mean(axis=1)
        own.append(np.convolve(power > 1e-6, np.ones(61), "same") > 0)
        loud.append(power > 2e-5)
    return parts, own, loud
