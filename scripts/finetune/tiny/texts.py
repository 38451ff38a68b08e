"""Sentences to speak: generated customer service, real spoken Cantonese, and dictionary words.

Sources and licences: HKCanCor (CC BY, Luke and Wong 2015), rime-cantonese words (CC BY 4.0), the
Cantonese side of CTCPC (CC0), Common Voice Cantonese sentences (CC0 text, packed under MPL 2.0); all
travel inside the pycantonese wheel. The customer-service grammar is ours.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pycantonese

from cantonese.characters import is_han
from cantonese.spoken import MARKS, normalize_spoken
from scripts.finetune.tiny.grammar import Grammar

_DATA = Path(pycantonese.__file__).parent / "data"
_JYUTPING_PREFIXES = ("aa", "ei", "e", "m", "a")
HELD_OUT_SHARE = 0.01
MIXTURE = {"service": 0.25, "corpus": 0.36, "hkcancor": 0.25, "words": 0.05, "figures": 0.09}


def held_out(sentence: str) -> bool:
    """Tell whether ``sentence`` belongs to the evaluation side, by a hash of its characters."""
    bare = "".join(char for char in sentence if char not in MARKS and char != " ")
    digest = hashlib.sha256(bare.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def _speakable(line: str) -> bool:
    return not any(char.isascii() and char.isdigit() for char in line) and any(map(is_han, line))


@lru_cache(maxsize=1)
def hkcancor_sentences() -> list[str]:
    """Return HKCanCor utterances in the original spelling, at least two characters each."""
    out = []
    utterances: list[Any] = pycantonese.hkcancor().utterances()
    for utterance in utterances:
        words = [token.word for token in utterance.tokens]
        if any(word[-1:].isdigit() for word in words):
            continue
        line = ""
        for word in words:
            line += (" " if word[:1].isascii() and word[:1].isalpha() else "") + word
        if _speakable(line) and len(normalize_spoken(line)) >= 2:
            out.append(line)
    return out


@lru_cache(maxsize=1)
def corpus_sentences() -> list[str]:
    """Return CTCPC and Common Voice sentences without figures, up to 60 characters each."""
    lines: list[str] = []
    for name in ("ctcpc", "common_voice"):
        lines += json.loads((_DATA / name / "sents.json").read_text("utf-8"))
    return [line for line in lines if _speakable(line) and len(line) <= 60]


@lru_cache(maxsize=1)
def dictionary_words() -> list[str]:
    """Return dictionary words of two to six Chinese characters."""
    entries = json.loads((_DATA / "rime_cantonese" / "chars_to_jyutping.json").read_text("utf-8"))
    return [word for word in entries if 1 < len(word) <= 6 and all(map(is_han, word))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line to speak.

    Attributes:
        source: which part of the mixture it is from.
        text: original spelling, as given to the synthesiser.
    """

    source: str
    text: str


class Texts:
    """The mixture of sentence sources, with a training and a held-out side.

    Args:
        evaluation: True gives only held-out sentences, False only the others.
    """

    def __init__(self, *, evaluation: bool = False) -> None:
        self._evaluation = evaluation
        self._grammar = Grammar.load()

    def _side(self, lines: list[str]) -> list[str]:
        return [line for line in lines if held_out(normalize_spoken(line)) == self._evaluation]

    @cached_property
    def _hkcancor(self) -> list[str]:
        return self._side(hkcancor_sentences())

    @cached_property
    def _corpus(self) -> list[str]:
        return self._side(corpus_sentences())

    @cached_property
    def _words(self) -> list[str]:
        return dictionary_words()

    def _generated(self, rng: random.Random, rule: str) -> str:
        while True:
            line = self._grammar.sentence(rng, rule)
            if held_out(normalize_spoken(line)) == self._evaluation:
                return line

    def draw(self, rng: random.Random, source: str) -> Line:
        """Return one random line of ``source`` (a key of :data:`MIXTURE`)."""
        if source == "service":
            text = self._generated(rng, "TURN")
        elif source == "figures":
            text = self._generated(rng, rng.choice(("C_GIVE", "C_GIVE", "A_CONFIRM", "A_PRICE")))
        elif source == "hkcancor":
            text = rng.choice(self._hkcancor)
        elif source == "words":
            text = "".join(rng.choice(self._words) for _ in range(rng.randint(1, 5)))
        else:
            text = rng.choice(self._corpus)
        return Line(source=source, text=text)

    def mixed(self, rng: random.Random) -> Line:
        """Return one random line of the whole mixture."""
        source = rng.choices(list(MIXTURE), list(MIXTURE.values()))[0]
        return self.draw(rng, source)
