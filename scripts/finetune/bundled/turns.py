"""What is said: turns of real conversations with their Jyutping, and other sentences with the dictionary's.

HKCanCor (Luke and Wong 2015, CC BY 4.0) travels inside the pycantonese wheel. Clips of five of its recordings
are used for testing recognisers; their transcripts are left out here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pycantonese

from cantonese.characters import is_han
from cantonese.spoken import MARKS, normalize_spoken

TESTED = re.compile(r"[A-Z]+-(041|048|035|R035|R039)[a-z]?_")
"""Recordings whose clips are test material."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A character or a mark, and how it is spoken.

    Attributes:
        text: original spelling.
        syllable: Jyutping with tone; "" for a mark, None for what only a synthesiser can say.
    """

    text: str
    syllable: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one speaker says.

    Attributes:
        speaker: letter within the recording.
        pieces: in order.
    """

    speaker: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """Original spelling, Latin words apart."""
        return "".join(piece.text for piece in self.pieces).strip()

    @property
    def speakable(self) -> bool:
        """Whether syllables alone can say it."""
        return all(piece.syllable is not None for piece in self.pieces)


def syllables_of(reading: str) -> list[str]:
    """Return the syllables of a Jyutping word, each with its tone; [] if it is none."""
    try:
        parsed = pycantonese.parse_jyutping(reading)
    except ValueError:
        return []
    return [f"{s.onset}{s.nucleus}{s.coda}{s.tone}" for s in parsed]


def word_pieces(word: str, reading: str | None) -> list[Piece]:
    """Return the pieces of one word."""
    if all(char in ",.?!，。？！-" for char in word):
        return [Piece(text=char, syllable="") for char in word if char != "-"]
    if not all(map(is_han, word)):
        return [Piece(text=f" {word} ", syllable=None)]
    names = syllables_of(reading or "")
    if len(names) != len(word):
        return [Piece(text=word, syllable=None)]
    return [Piece(text=char, syllable=name) for char, name in zip(word, names, strict=True)]


@lru_cache(maxsize=1)
def conversations() -> list[list[Turn]]:
    """Return the turns of every recording that is not :data:`TESTED`, in order."""
    corpus = pycantonese.hkcancor()
    found = []
    for path in corpus.file_paths:
        name = Path(path).name
        if TESTED.match(name):
            continue
        turns = [_turn(utterance) for utterance in corpus.filter(files=f".*{re.escape(name)}").utterances()]
        found.append([turn for turn in turns if turn is not None])
    return found


def _turn(utterance: Any) -> Turn | None:
    pieces: list[Piece] = []
    for token in utterance.tokens:
        if token.word[-1:].isdigit():
            return None
        pieces += word_pieces(token.word, token.jyutping)
    if not normalize_spoken("".join(piece.text for piece in pieces)):
        return None
    return Turn(speaker=str(utterance.participant), pieces=tuple(pieces))


def sentence(text: str, speaker: str = "S") -> Turn:
    """Return a written sentence as a turn, read by the dictionary."""
    pieces: list[Piece] = []
    for part, reading in pycantonese.characters_to_jyutping(text):
        if len(part) == 1 and part in MARKS + ",.?!、；：":
            pieces.append(Piece(text=part, syllable=""))
        else:
            pieces += word_pieces(part.strip() or "，", reading)
    return Turn(speaker=speaker, pieces=tuple(pieces))


def written(pieces: Sequence[Piece]) -> str:
    """Return pieces in verbatim form."""
    return normalize_spoken("".join(piece.text for piece in pieces))
