"""A way of speaking that the bundled model has never met: lazy sounds, and voices kept out of its training.

Lazy sounds (懶音) are the sound changes of younger Hong Kong speakers: n to l, ng dropped or added, gw to
g before o, final ng to n and k to t (Bauer and Benedict 1997, ch. 1). A character is replaced by one that
has the changed sound; the transcript keeps the right one.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pycantonese

from cantonese.characters import is_han
from scripts.finetune.tiny.synth import HELD_OUT_VARIANTS, TRAINING_VARIANTS, Voice
from scripts.finetune.tiny.texts import corpus_sentences

LOCAL_VARIANTS = (
    "robosoft2", "robosoft3", "robosoft4", "robosoft5", "robosoft6", "robosoft7", "robosoft8", "klatt5",
    "klatt6", "marcelo", "announcer", "iven4",
)  # fmt: skip
"""Variants of espeak-ng that neither the bundled model's training nor its evaluation uses."""
if set(LOCAL_VARIANTS) & {*TRAINING_VARIANTS, *HELD_OUT_VARIANTS}:
    raise ValueError("the local voices must be strange to the bundled model")
_READINGS = Path(pycantonese.__file__).parent / "data" / "rime_cantonese" / "chars_to_jyutping.json"
_CHANGES = (
    (re.compile(r"^n(?!g)"), "l"),
    (re.compile(r"^ng(?=[aeiou])"), ""),
    (re.compile(r"^gwo"), "go"),
    (re.compile(r"^kwo"), "ko"),
    (re.compile(r"(?<=aa|.a|.o)ng(?=[1-6]$)"), "n"),
    (re.compile(r"(?<=aa|.a)k(?=[1-6]$)"), "t"),
)


def lazy(jyutping: str) -> str:
    """Return a syllable with lazy sounds."""
    for pattern, replacement in _CHANGES:
        jyutping = pattern.sub(replacement, jyutping)
    return jyutping


@lru_cache(maxsize=1)
def _characters() -> dict[str, str]:
    """Return the most usual character of each syllable, of those with a single reading."""
    readings = json.loads(_READINGS.read_text("utf-8"))
    usual = Counter(char for line in corpus_sentences() for char in line if is_han(char))
    out: dict[str, str] = {}
    for char, _ in usual.most_common():
        reading = readings.get(char, "")
        if isinstance(reading, str) and re.fullmatch(r"[a-z]+[1-6]", reading):
            out.setdefault(reading, char)
    return out


@lru_cache(maxsize=10_000)
def _changed(word: str, reading: str) -> str:
    syllables = re.findall(r"[a-z]+[1-6]", reading)
    if len(syllables) != len(word):
        return word
    return "".join(
        char if lazy(s) == s else _characters().get(lazy(s), char)
        for char, s in zip(word, syllables, strict=True)
    )


def with_accent(text: str) -> str:
    """Return ``text`` with other characters where the accent changes a sound."""
    parts = re.split(r"([㐀-鿿]+)", text)
    for index in range(1, len(parts), 2):
        words = pycantonese.characters_to_jyutping(parts[index])
        parts[index] = "".join(_changed(word, reading or "") for word, reading in words)
    return "".join(parts)


def local_voice(rng: random.Random) -> Voice:
    """Draw a voice of the local family, faster than the bundled model's usual ones."""
    return Voice(
        variant=rng.choice(LOCAL_VARIANTS),
        rate=rng.randint(190, 290),
        pitch=rng.randint(25, 80),
        pitch_range=rng.randint(35, 85),
    )
