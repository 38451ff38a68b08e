"""A text as the search sees it: weighted tokens in several channels, and the spots that must be covered.

A token is a channel letter and what it stands for:

    c  two Chinese characters that stand together        k  a meaning of the lexicon
    u  one Chinese character                             e  an English word's stem, or a figure
    w  a word of the dictionary                          g  three letters within a longer English word
    j  two syllables without tone, sounds merged         t  two syllables with their tones
"""

from __future__ import annotations

from dataclasses import dataclass

from suggest.text.lexicon import INTENT

CHANNELS = "cuwjtkeg"
INTENT_WEIGHT = 0.3
LEAST_MEANING = 0.4
"""Least weight of a meaning, however common its words are: it is in the lexicon because it is told apart."""
LONGEST_PHRASE = 4
"""English words."""
LONGEST_TEXT = 2_000
"""Characters that are looked at; queries are sentences, and what an article is about stands at its head."""

Tokens = dict[str, float]
"""Token to how much it tells, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A character or word of a query that an answer should have something for.

    Attributes:
        weight: how much it tells.
        ways: what covers it: credit from 0 to 1, and tokens of which one is enough.
    """

    weight: float
    ways: tuple[tuple[float, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An analysed text.

    Attributes:
        tokens: all.
        spots: every character and English word, as far as it tells anything.
        terms: every whole word that is known to the lexicon or the dictionary, none within another one.
    """

    tokens: Tokens
    spots: tuple[Spot, ...] = ()
    terms: tuple[Spot, ...] = ()

    @property
    def mass(self) -> float:
        """How much there is to be covered: about the number of telling characters and words."""
        return sum(spot.weight for spot in self.spots)


def put(tokens: Tokens, token: str, weight: float) -> None:
    """Add a token, or raise its weight."""
    if tokens.get(token, 0.0) < weight:
        tokens[token] = weight


def meaning_weight(name: str, weight: float) -> float:
    """Return how much a meaning tells, by its name and the weight of its form."""
    return INTENT_WEIGHT if name.startswith(INTENT) else max(LEAST_MEANING, weight)
