"""Questions that mean the same, together. Pure.

Leader clustering (Hartigan 1975): questions in order of time, each joins the group whose centre is
nearest, if that is near enough, else it begins one. One pass, no number of groups to choose, the same
result every time.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from suggest.store.record import Question
from suggest.text.analysis import analyse
from suggest.text.lexicon import INTENT, SearchLexicon
from suggest.text.words import telling_words

NEAR = 0.3
"""Cosine from which a question joins a group.

On the 195 questions of benchmarks/retrieval/sets/telecom/ordinary.jsonl that have an article: 61 % of the
pairs that it puts together have the same article, and 52 % of the pairs that have are together.
"""
MOST_GROUPS = 2_000
EXAMPLES = 5
WORDS = 6
WORDS_SHOWN = 40
_MARKS = re.compile("〔[^〕]*〕")


@dataclass(slots=True, kw_only=True, eq=False)
class _Group:
    centre: dict[str, float] = field(default_factory=dict)
    norm: float = 0.0
    questions: list[Question] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Questions of one kind.

    Attributes:
        questions: all, oldest first.
        calls: how many calls they are from.
        words: telling ones that they have, commonest first.
        examples: texts, masked, no two the same.
        nearest: ids of the articles that came nearest, commonest first.
        refused: how many had an answer that agents refused.
    """

    questions: tuple[Question, ...]
    calls: int
    words: tuple[str, ...]
    examples: tuple[str, ...]
    nearest: tuple[str, ...]
    refused: int


def grouped(questions: Sequence[Question], lexicon: SearchLexicon) -> list[Gap]:
    """Return gaps, those of most calls first."""
    bags = [_bag(question.text, lexicon) for question in questions]
    having = Counter(token for bag in bags for token in bag)
    groups: list[_Group] = []
    for question, bag in zip(questions, bags, strict=True):
        rare = {token: weight * math.log(1 + len(bags) / having[token]) for token, weight in bag.items()}
        length = math.sqrt(sum(value * value for value in rare.values()))
        if not length:
            continue
        unit = {token: value / length for token, value in rare.items()}
        best = max(groups, key=lambda group: _cosine(unit, group), default=None)
        if best is None or (_cosine(unit, best) < NEAR and len(groups) < MOST_GROUPS):
            best = _Group()
            groups.append(best)
        for token, value in unit.items():
            best.centre[token] = best.centre.get(token, 0.0) + value
        best.norm = math.sqrt(sum(value * value for value in best.centre.values()))
        best.questions.append(question)
    gaps = [_gap(group, lexicon) for group in groups]
    return sorted(gaps, key=lambda gap: (-gap.calls, -len(gap.questions), gap.examples[0]))


def words_of(questions: Sequence[Question], lexicon: SearchLexicon) -> list[tuple[str, int]]:
    """Return the telling words of questions and in how many each occurs, commonest first."""
    counted: Counter[str] = Counter()
    for question in questions:
        counted.update(telling_words(_MARKS.sub(" ", question.text), lexicon))
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:WORDS_SHOWN]


def _bag(text: str, lexicon: SearchLexicon) -> dict[str, float]:
    """Return telling words and meanings; meanings count double, since they are the same in both languages."""
    found = analyse(_MARKS.sub(" ", text), lexicon, phonetic=False).tokens
    return {
        token: weight * (2.0 if token[0] == "k" else 1.0)
        for token, weight in found.items()
        if token[0] in "wke" and weight > 0.3 and not token.startswith("k" + INTENT) and "_" not in token
    }


def _cosine(unit: dict[str, float], group: _Group) -> float:
    dot = sum(value * group.centre.get(token, 0.0) for token, value in unit.items())
    return dot / group.norm if group.norm else 0.0


def _gap(group: _Group, lexicon: SearchLexicon) -> Gap:
    words = words_of(group.questions, lexicon)[:WORDS]
    nearest = Counter(question.nearest for question in group.questions if question.nearest)
    return Gap(
        questions=tuple(group.questions),
        calls=len({question.call_id for question in group.questions}),
        words=tuple(word for word, _count in words),
        examples=tuple(dict.fromkeys(question.text for question in reversed(group.questions)))[:EXAMPLES],
        nearest=tuple(name for name, _count in nearest.most_common(3)),
        refused=sum(question.outcome != "unanswered" for question in group.questions),
    )
