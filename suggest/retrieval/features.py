"""What speaks for an article, given a query: one number for each signal. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Container

from suggest.retrieval.index import Entry
from suggest.text.tokens import CHANNELS, Analysis, Spot, Tokens

Rarity = Callable[[str], float]
Ways = tuple[tuple[float, tuple[str, ...]], ...]
SIGNALS: dict[str, str] = {
    "pairs": "c",
    "words": "w",
    "syllables": "j",
    "tones": "t",
    "meanings": "k",
    "english": "e",
    "letters": "g",
}
"""Channels of tokens by the name of their signal."""
FEATURES = (
    *SIGNALS,
    *(f"{name}_answer" for name in ("pairs", "words", "meanings", "english")),
    *(f"{name}_back" for name in ("pairs", "meanings", "english")),
    "covered",
    "covered_all",
    "told_apart",
    "terms_hit",
    "terms_missed",
    "worst_missed",
    "best_hit",
    "foreign",
    "bm25",
    "dense",
    "prior",
)
ANSWER_CREDIT = 0.8
"""Credit of a spot that only the answer covers."""


def left_out(analysis: Analysis, without: frozenset[str]) -> Analysis:
    """Return an analysis without the tokens of some signals, to see what they are worth."""
    letters = {SIGNALS[name] for name in without if name in SIGNALS}
    if not letters:
        return analysis
    tokens = {token: weight for token, weight in analysis.tokens.items() if token[0] not in letters}
    return Analysis(tokens=tokens, spots=analysis.spots, terms=analysis.terms)


class Query:
    """A query, with what is the same for all candidates.

    Args:
        analysis: its tokens and spots.
        rarity: gives the inverse document frequency of a token.
        without: signals that are left out, to see what they are worth.
    """

    def __init__(self, analysis: Analysis, rarity: Rarity, without: frozenset[str] = frozenset()) -> None:
        gone = {SIGNALS[name] for name in without if name in SIGNALS}
        channels = "".join(letter for letter in CHANNELS if letter not in gone)
        self.spots = [(spot.weight, _seen(spot, channels)) for spot in analysis.spots]
        self.terms = [(term.weight, _seen(term, channels)) for term in analysis.terms]
        self.rarity = rarity
        self.channels: dict[str, dict[str, float]] = {
            letter: {} for name, letter in SIGNALS.items() if name not in without
        }
        for token, weight in analysis.tokens.items():
            if token[0] in self.channels:
                self.channels[token[0]][token] = weight * rarity(token)
        self.spot_rarity = [_rarest_known(spot, rarity) for spot in analysis.spots]
        self.term_rarity = [_rarest_known(term, rarity) for term in analysis.terms]
        self.rarest = rarity("")


def features(query: Query, entry: Entry, best_bm25: float) -> dict[str, float]:
    """Return the features of one candidate, all between 0 and 1.

    A channel's feature is the cosine of the two bags of tokens, each token weighted by how much it tells and
    how rare it is (TF-IDF with set semantics); for answers, which are long, the share of the query in them;
    'back' is the share of the article's question that is in the query.
    """
    out = dict.fromkeys(FEATURES, 0.0)
    bags = _bags(entry.asked, query.rarity)
    for name, letter in SIGNALS.items():
        tokens = query.channels.get(letter)
        if tokens:
            bag = bags.get(letter, {})
            out[name] = _cosine(tokens, bag)
            if name + "_answer" in out:
                out[name + "_answer"] = _share(tokens, entry.answered)
            if name + "_back" in out:
                out[name + "_back"] = _back(tokens, bag)
    out["covered"], out["covered_all"], out["told_apart"] = coverage(query, entry)
    out |= terms(query, entry)
    out["bm25"] = entry.bm25 / best_bm25 if best_bm25 > 0 else 0.0
    return out


def _bags(tokens: Tokens, rarity: Rarity) -> dict[str, dict[str, float]]:
    """Return what each token is worth, by channel."""
    bags: dict[str, dict[str, float]] = {}
    for token, weight in tokens.items():
        bags.setdefault(token[0], {})[token] = weight * rarity(token)
    return bags


def coverage(query: Query, entry: Entry) -> tuple[float, float, float]:
    """Return how much of what must be covered an article covers: asked; answered, too; rare things only.

    The third one weighs every spot by how rare what stands there is among the articles, too.
    """
    total = asked = both = rare = rare_total = 0.0
    for (weight, ways), rarity in zip(query.spots, query.spot_rarity, strict=True):
        first = _credit(ways, entry.asked)
        either = max(first, ANSWER_CREDIT * _credit(ways, entry.answered)) if first < ANSWER_CREDIT else first
        total += weight
        asked += weight * first
        both += weight * either
        rare_total += weight * rarity
        rare += weight * rarity * either
    return (asked / total, both / total, rare / rare_total) if total else (0.0, 0.0, 0.0)


def terms(query: Query, entry: Entry) -> dict[str, float]:
    """Return features of whole words.

    terms_hit, terms_missed: how many telling ones the article has and misses, as 1-exp(-sum);
    worst_missed: the most telling one that it misses; best_hit: the rarest one that its question has;
    foreign: how much is missed that no article's question has at all, as 1-exp(-sum).
    """
    hit = missed = worst = best = foreign = 0.0
    for (weight, ways), rarity in zip(query.terms, query.term_rarity, strict=True):
        asked = _credit(ways, entry.asked)
        either = max(asked, ANSWER_CREDIT * _credit(ways, entry.answered)) if asked < ANSWER_CREDIT else asked
        lost = weight * (1 - either)
        hit += weight * either
        missed += lost
        worst = max(worst, lost)
        best = max(best, weight * asked * rarity / query.rarest)
        foreign += lost if rarity >= query.rarest else 0.0
    return {
        "terms_hit": 1 - math.exp(-hit),
        "terms_missed": 1 - math.exp(-missed),
        "worst_missed": min(1.0, worst),
        "best_hit": min(1.0, best),
        "foreign": 1 - math.exp(-foreign),
    }


def _credit(ways: Ways, tokens: Container[str]) -> float:
    """Return the credit of the first way that there is; ways come best first."""
    for credit, names in ways:
        for name in names:
            if name in tokens:
                return credit
    return 0.0


def _seen(spot: Spot, channels: str) -> Ways:
    """Return the ways of a spot in some channels, best first."""
    ways = [(credit, tuple(token for token in way if token[0] in channels)) for credit, way in spot.ways]
    return tuple(sorted(((credit, way) for credit, way in ways if way), key=lambda item: -item[0]))


def _cosine(tokens: dict[str, float], bag: dict[str, float]) -> float:
    dot = sum(weight * bag[token] for token, weight in tokens.items() if token in bag)
    if dot == 0.0:
        return 0.0
    own, other = (sum(value * value for value in values.values()) for values in (tokens, bag))
    return dot / math.sqrt(own * other)


def _share(tokens: dict[str, float], other: Container[str]) -> float:
    total = sum(tokens.values())
    return sum(weight for token, weight in tokens.items() if token in other) / total if total else 0.0


def _back(tokens: dict[str, float], bag: dict[str, float]) -> float:
    total = sum(bag.values())
    return sum(value for token, value in bag.items() if token in tokens) / total if total else 0.0


def _rarest_known(spot: Spot, rarity: Rarity) -> float:
    """Return how rare the commonest thing is that can stand for a spot."""
    return min(
        (rarity(token) for _credit_, way in spot.ways for token in way if token[0] in "ckew"), default=1.0
    )
