"""What reviews come to on average, and how far two people judge the same call alike. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.quality.reviews import Review, ReviewState
from pipeline.quality.scoring import Answer

LEAST = 3
"""Reviews for a margin: with two, it would be wider than the scale."""
T95 = (
    4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Quantiles of Student's t for a two-sided interval of 95 %, by degrees of freedom from 2 (NIST/SEMATECH
e-Handbook of Statistical Methods, 1.3.6.7.2): few reviews tell less than the normal distribution says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """Reviews of one group, or of all.

    Attributes:
        group: an agent, a team or a hotline; '' for all.
        count: reviews.
        mean: of their scores, 0 to 100.
        margin: half of the interval in which the mean of all calls lies with 95 %; None for too few
            reviews.
        failed: reviews that one answer failed.
        appealed: reviews whose agent appealed, decided or not.
    """

    group: str
    count: int
    mean: float
    margin: float | None
    failed: int
    appealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Calls that two people judged by the same form.

    Attributes:
        pairs: calls.
        same: share of questions that both answered alike, 0 to 1.
        difference: mean of how far their scores are apart, 0 to 100.
    """

    pairs: int
    same: float
    difference: float


Judged = tuple[float, Sequence[Answer]]
"""A score, and the answers that made it."""


def averages(reviews: Iterable[tuple[str, Review]]) -> list[Average]:
    """Return the average of all, then that of each group by name.

    Args:
        reviews: group and review; those without a score do not count.
    """
    by_group: dict[str, list[Review]] = defaultdict(list)
    every: list[Review] = []
    for group, review in reviews:
        if review.score is not None:
            by_group[group].append(review)
            every.append(review)
    if not every:
        return []
    by_group.pop("", None)  # of nobody: they count among all
    return [_average("", every), *(_average(group, found) for group, found in sorted(by_group.items()))]


def _average(group: str, reviews: list[Review]) -> Average:
    scores = [review.score for review in reviews if review.score is not None]
    return Average(
        group=group,
        count=len(scores),
        mean=statistics.fmean(scores),
        margin=_margin(scores),
        failed=sum(review.failed for review in reviews),
        appealed=sum(review.state in (ReviewState.APPEALED, ReviewState.DECIDED) for review in reviews),
    )


def _margin(scores: Sequence[float]) -> float | None:
    if len(scores) < LEAST:
        return None
    return _t95(len(scores) - 1) * statistics.stdev(scores) / math.sqrt(len(scores))


def _t95(freedom: int) -> float:
    """Return the quantile; beyond the table by its expansion (Abramowitz and Stegun, 1964, 26.7.5)."""
    if freedom - 2 < len(T95):
        return T95[freedom - 2]
    return 1.95996 + 2.3723 / freedom + 2.8225 / freedom**2


def agreement(pairs: Sequence[tuple[Judged, Judged]]) -> Agreement | None:
    """Return how far two people agree; None where there is no pair."""
    if not pairs:
        return None
    same = total = 0
    for (_, first), (_, second) in pairs:
        theirs = {answer.question_id: answer.option_id for answer in second}
        total += len(first)
        same += sum(theirs.get(answer.question_id, "-") == answer.option_id for answer in first)
    apart = [abs(one - other) for (one, _), (other, _) in pairs]
    return Agreement(
        pairs=len(pairs), same=same / total if total else 0.0, difference=statistics.fmean(apart)
    )
