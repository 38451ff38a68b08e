"""One utterance's words as evidence: which categories, how strong, negated or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cantonese.characters import fold_width_and_case
from emotion.words.lexicon import Category, EmotionLexicon

INTENSIFIED = 1.35
WEAKENED = 0.6
SAME_WORD = 0.5
"""A further hit of the same category counts half: repeating a word says less than another kind of word."""
_NEGATION = re.compile(
    r"(唔係(?!唔)|唔係話|唔係想|唔想|唔會|唔使|唔需要|唔算|唔(?=$)|冇(?!人|得)|沒有|"
    r"無(?!端|啦|緣)|毋須|未(有|曾)?|不是|並非|不會|不想|"
    r"\b(not|no|never|don't|do not|didn't|won't|isn't|wasn't|without))"
    r"(話|要|想|會|打算|嚟|打嚟|打電話嚟|得|必要|需要|係|"
    r"have|a|any|going|to|want|wish|here|really|trying| )*$"
)
_RHETORICAL = re.compile(r"^.{0,6}(係咩|係咪|㗎咩|架咩|咩[？?！!]?$)")
"""What may stand behind a negated word about 'you': 你唔係呃人係咩 accuses, it does not deny."""
_INTENSIFIER = re.compile(
    r"(好|真係|認真|非常|極|勁|咁|太|超|完全|簡直|根本|鬼|撚|十分|一定要|即刻|very|really|so|absolutely|"
    r"totally|completely|extremely|fucking|damn)\s*$"
)
_WEAKENER = re.compile(r"(有啲|少少|有少少|可能|都算|a bit|a little|slightly|kind of)\s*$")
_LOOK_BACK = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class LexiconHit:
    """A word of the lexicon.

    Attributes:
        category: its key.
        name: of the category, for people.
        polarity: negative, positive or neutral.
        text: the term as the lexicon has it; the category's name in brackets where its words are private,
        or where a pattern found them: what a caller said freely is never passed on.
        weight: what it says here, in [0, 1].
        negated: a negation stands before it.
    """

    category: str
    name: str
    polarity: str
    text: str
    weight: float
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsReading:
    """What the words of one utterance say.

    Attributes:
        negative: strength of complaint and anger, in [0, 1].
        positive: strength of thanks and relief, in [0, 1].
        hits: the words behind it, in order.
    """

    negative: float
    positive: float
    hits: tuple[LexiconHit, ...]

    def strength(self, category: str) -> float:
        """Return the strength of one category, in [0, 1]."""
        return _together([hit.weight for hit in self.hits if hit.category == category])


def read_words(text: str, lexicon: EmotionLexicon) -> WordsReading:
    """Return what ``text``, one utterance in Traditional characters or English, says."""
    folded = fold_width_and_case(text)
    found = [pair for category in lexicon.categories.values() for pair in _hits(folded, category)]
    hits = [hit for _start, hit in sorted(found, key=lambda pair: pair[0])]
    return WordsReading(
        negative=_strength(hits, "negative"), positive=_strength(hits, "positive"), hits=tuple(hits)
    )


def _hits(text: str, category: Category) -> list[tuple[int, LexiconHit]]:
    if category.expression is None:
        return []
    spared = [match.span() for match in category.unless.finditer(text)] if category.unless else []
    return [
        (match.start(), _hit(text, match, category))
        for match in category.expression.finditer(text)
        if match.end() > match.start() and not any(_overlap(match.span(), span) for span in spared)
    ]


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _hit(text: str, match: re.Match[str], category: Category) -> LexiconHit:
    before = text[max(0, match.start() - _LOOK_BACK) : match.start()]
    negated = _NEGATION.search(before) is not None
    if negated and ("以為" in before or ("你" in before and _RHETORICAL.search(text[match.end() :]))):
        negated = False
    shown = not category.private and match.group() in category.terms
    weight = category.weight * (category.negated if negated else 1.0)
    if _INTENSIFIER.search(before):
        weight *= INTENSIFIED
    elif _WEAKENER.search(before):
        weight *= WEAKENED
    return LexiconHit(
        category=category.key,
        name=category.name,
        polarity=category.polarity,
        text=match.group() if shown else f"〔{category.name}〕",
        weight=min(1.0, weight),
        negated=negated,
    )


def _strength(hits: Sequence[LexiconHit], polarity: str) -> float:
    """Return the noisy-or of the hits; of one category, each further hit counts half of the one before."""
    weights: list[float] = []
    seen: dict[str, int] = {}
    for hit in sorted(hits, key=lambda hit: -hit.weight):
        if hit.polarity == polarity:
            count = seen[hit.category] = seen.get(hit.category, -1) + 1
            weights.append(hit.weight * SAME_WORD**count)
    return _together(weights)


def _together(weights: Sequence[float]) -> float:
    rest = 1.0
    for weight in weights:
        rest *= 1 - weight
    return 1 - rest
