"""Make a plain folder of stereo calls with rough whole-call transcripts, to rehearse fine-tuning on.

    python -m scripts.finetune.rehearsal.calls --out runs/local/calls --count 620
    python -m scripts.finetune.rehearsal.calls --out /tmp/toy --count 12 --turns 4

Customer left, agent right, 8 kHz µ-law WAV; ``transcripts.csv`` has one row for each side of a call, without
times, figures written by half of the transcribers. Nothing in it is a real person's speech or data.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray
from rich.progress import track

from cantonese.reading import reading_form
from cantonese.spoken import normalize_spoken
from scripts.finetune.recogniser.line import add_noise, shift_voice
from scripts.finetune.rehearsal.accent import local_voice, with_accent
from scripts.finetune.tiny.grammar import GRAMMAR_FILE, Grammar
from scripts.finetune.tiny.synth import Voice, synthesiser

RATE = 8000
ROLES = ("customer", "agent")
AGENTS = 24
LOCAL_GRAMMAR = Path(__file__).with_name("local.grammar")


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person: voice and size of the head (a factor on pitch and formants)."""

    name: str
    voice: Voice
    factor: float

    @classmethod
    def random(cls, name: str, seed: int) -> Speaker:
        """Return the person called ``name``: the same one for a seed."""
        rng = random.Random(f"{seed}/{name}")
        return cls(name, local_voice(rng), rng.choice((rng.uniform(0.80, 0.88), rng.uniform(1.12, 1.22))))


def say(text: str, speaker: Speaker) -> NDArray[np.float32]:
    """Return accented speech at 8 kHz, float32, shape (n,)."""
    pcm = synthesiser().speak(with_accent(text), speaker.voice)
    wide = shift_voice(pcm, synthesiser().sample_rate, speaker.factor)
    return np.asarray(soxr.resample(wide, 16_000, RATE, quality="HQ"), np.float32)


def babble(rng: np.random.Generator, voices: list[NDArray[np.float32]], samples: int) -> NDArray[np.float32]:
    """Return the noise of an office at unit power: several voices at once, backwards."""
    out = np.zeros(samples, np.float32)
    for voice in voices:
        repeats = -(-samples // len(voice)) + 1
        start = int(rng.integers(0, len(voice)))
        out += np.tile(voice[::-1], repeats)[start : start + samples]
    return out / np.float32(np.std(out) + 1e-9)


def make_call(number: int, turns: int, seed: int) -> tuple[NDArray[np.float32], list[list[str]], list[str]]:
    """Return one call, float32 at 8 kHz, shape (samples, 2), texts by channel, and its speakers."""
    rng, noise = random.Random(f"{seed}/call/{number}"), np.random.default_rng((seed, number))
    grammar = Grammar.load(GRAMMAR_FILE, LOCAL_GRAMMAR)
    people = (
        Speaker.random(f"customer {number}", seed),
        Speaker.random(f"agent {number % AGENTS}", seed),
    )
    texts: list[list[str]] = [[], []]
    pieces, position = [], int(0.4 * RATE)
    for turn in range(turns):
        channel = (turn + 1) % 2
        text = grammar.sentence(rng, ("L_CUSTOMER", "L_AGENT")[channel])
        pcm = say(text, people[channel])
        texts[channel].append(text)
        pieces.append((channel, position, pcm))
        position += len(pcm) + int(rng.uniform(0.55, 1.2) * RATE)
    call = np.zeros((position + RATE // 2, 2), np.float32)
    voices = [pcm for _, _, pcm in pieces]
    for channel, start, pcm in pieces:
        level = 10 ** (rng.uniform(-16, -6) / 20) / max(1e-3, float(np.abs(pcm).max()))
        call[start : start + len(pcm), channel] += pcm * np.float32(level)
    for channel in range(2):
        power = float(np.sqrt(np.mean(call[:, channel] ** 2)))
        call[:, channel] += babble(noise, voices, len(call)) * np.float32(
            power * 10 ** (-rng.uniform(14, 28) / 20)
        )
        call[:, channel] = add_noise(noise, call[:, channel], rng.uniform(18, 32))
    return np.clip(call, -1, 1), texts, [person.name for person in people]


def _write(job: tuple[Path, int, int, int]) -> list[list[str]]:
    """Write one call; return its rows of the transcript."""
    out, number, turns, seed = job
    rng = random.Random(f"{seed}/transcriber/{number}")
    call, texts, people = make_call(number, turns + 2 * rng.randint(0, 1), seed)
    name = f"call-{number:04d}.wav"
    sf.write(out / name, call, RATE, subtype="ULAW")
    figures = rng.random() < 0.5
    rows = []
    for role, lines, person in zip(ROLES, texts, people, strict=True):
        written = [reading_form(normalize_spoken(line)) if figures else line for line in lines]
        rows.append([name, role, person, "".join(written)])
    return rows


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--count", type=int, default=620, help="calls")
    parser.add_argument(
        "--turns", type=int, default=6, help="turns in a call, both sides together; or two more"
    )
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = [(options.out, number, options.turns, options.seed) for number in range(options.count)]
    with get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=100) as pool:
        rows = list(track(pool.imap(_write, jobs), "speaking", total=len(jobs), disable=not os.isatty(2)))
    with (options.out / "transcripts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["recording", "role", "speaker", "text"])
        writer.writerows(row for call in rows for row in call)
    print(f"{options.count} calls in {options.out}")


if __name__ == "__main__":
    main()
