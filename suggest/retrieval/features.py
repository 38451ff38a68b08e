"""What speaks for an article, given a query: one number for each signal. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from suggest.retrieval.index import Entry
from suggest.text.tokens import CHANNELS, Analysis, Spot, Tokens

Rarity = Callable[[str], float]
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
"""Of a spot that only the answer covers."""


class Query:
    """A query, with what is the same for all candidates.

    Args:
        analysis: its tokens and spots.
        rarity: gives the inverse document frequency of a token.
        without: signals that are left out, to see what they are worth.
    """

    def __init__(self, analysis: Analysis, rarity: Rarity, without: frozenset[str] = frozenset()) -> None:
        self.spots, self.terms = analysis.spots, analysis.terms
        self.rarity = rarity
        self.channels: dict[str, list[tuple[str, float]]] = {
            letter: [] for name, letter in SIGNALS.items() if name not in without
        }
        for token, weight in analysis.tokens.items():
            if token[0] in self.channels:
                self.channels[token[0]].append((token, weight * rarity(token)))
        self.spot_rarity = [_rarest_known(spot, rarity) for spot in self.spots]
        self.term_rarity = [_rarest_known(term, rarity) for term in self.terms]
        self.rarest = rarity("")
        left_out = {SIGNALS[name] for name in without if name in SIGNALS}
        self.seen = "".join(letter for letter in CHANNELS if letter not in left_out)


def features(query: Query, entry: Entry, best_bm25: float) -> dict[str, float]:
    """Return the features of one candidate, all between 0 and 1.

    A channel's feature is the cosine of the two bags of tokens, each token weighted by how much it tells and
    how rare it is (TF-IDF with set semantics); for answers, which are long, the share of the query in them.
    """
    out = dict.fromkeys(FEATURES, 0.0)
    for name, letter in SIGNALS.items():
        tokens = query.channels.get(letter)
        if tokens:
            out[name] = _cosine(tokens, letter, entry.asked, query.rarity)
            if name + "_answer" in out:
                out[name + "_answer"] = _share(tokens, entry.answered)
            if name + "_back" in out:
                out[name + "_back"] = _back(tokens, letter, entry.asked, query.rarity)
    out["covered"], out["covered_all"], out["told_apart"] = coverage(query, entry)
    out |= terms(query, entry)
    out["bm25"] = entry.bm25 / best_bm25 if best_bm25 > 0 else 0.0
    return out


def coverage(query: Query, entry: Entry) -> tuple[float, float, float]:
    """Return how much of what must be covered an article covers: asked; answered, too; rare things only.

    The third one weighs every spot by how rare what stands there is among the articles, too.
    """
    total = asked = both = rare = rare_total = 0.0
    for spot, rarity in zip(query.spots, query.spot_rarity, strict=True):
        first = _credit(spot, entry.asked, query.seen)
        either = max(first, ANSWER_CREDIT * _credit(spot, entry.answered, query.seen))
        total += spot.weight
        asked += spot.weight * first
        both += spot.weight * either
        rare_total += spot.weight * rarity
        rare += spot.weight * rarity * either
    return (asked / total, both / total, rare / rare_total) if total else (0.0, 0.0, 0.0)


def terms(query: Query, entry: Entry) -> dict[str, float]:
    """Return features of whole words.

    terms_hit, terms_missed: how many telling ones the article has and misses, as 1-exp(-sum);
    worst_missed: the most telling one that it misses; best_hit: the rarest one that its question has;
    foreign: how much is missed that no article's question has at all, as 1-exp(-sum).
    """
    hit = missed = worst = best = foreign = 0.0
    for term, rarity in zip(query.terms, query.term_rarity, strict=True):
        asked = _credit(term, entry.asked, query.seen)
        either = max(asked, ANSWER_CREDIT * _credit(term, entry.answered, query.seen))
        lost = term.weight * (1 - either)
        hit += term.weight * either
        missed += lost
        worst = max(worst, lost)
        best = max(best, term.weight * asked * rarity / query.rarest)
        foreign += lost if rarity >= query.rarest else 0.0
    return {
        "terms_hit": 1 - math.exp(-hit),
        "terms_missed": 1 - math.exp(-missed),
        "worst_missed": min(1.0, worst),
        "best_hit": min(1.0, best),
        "foreign": 1 - math.exp(-foreign),
    }


def _credit(spot: Spot, tokens: Tokens, seen: str) -> float:
    best = 0.0
    for credit, ways in spot.ways:
        if credit > best and any(token in tokens for token in ways if token[0] in seen):
            best = credit
    return best


def _cosine(tokens: list[tuple[str, float]], letter: str, other: Tokens, rarity: Rarity) -> float:
    dot = own = 0.0
    for token, weight in tokens:
        own += weight * weight
        if token in other:
            dot += weight * other[token] * rarity(token)
    if dot == 0.0:
        return 0.0
    norm = sum((weight * rarity(token)) ** 2 for token, weight in other.items() if token[0] == letter)
    return dot / math.sqrt(own * norm)


def _share(tokens: list[tuple[str, float]], other: Tokens) -> float:
    total = sum(weight for _token, weight in tokens)
    return sum(weight for token, weight in tokens if token in other) / total if total else 0.0


def _back(tokens: list[tuple[str, float]], letter: str, other: Tokens, rarity: Rarity) -> float:
    """Return the share of the article's question that is in the query."""
    own = dict(tokens)
    total = shared = 0.0
    for token, weight in other.items():
        if token[0] == letter:
            worth = weight * rarity(token)
            total += worth
            shared += worth if token in own else 0.0
    return shared / total if total else 0.0


def _rarest_known(spot: Spot, rarity: Rarity) -> float:
    """Return how rare the commonest thing is that can stand for a spot."""
    return min(
        (rarity(token) for _credit_, way in spot.ways for token in way if token[0] in "ckew"), default=1.0
    )
