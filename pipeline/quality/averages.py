"""What reviews come to on average, and how far two people judge the same call alike. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.quality.reviews import Review, ReviewState
from pipeline.quality.scoring import Answer

Z95 = 1.96
"""Standard normal quantile of a two-sided interval of 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """Reviews of one group, or of all.

    Attributes:
        group: an agent, a team or a hotline; '' for all.
        count: reviews.
        mean: of their scores, 0 to 100.
        margin: half of the interval in which the mean of all calls lies with 95 %; None for a single review.
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
    spread = statistics.stdev(scores) if len(scores) > 1 else None
    return Average(
        group=group,
        count=len(scores),
        mean=statistics.fmean(scores),
        margin=None if spread is None else Z95 * spread / math.sqrt(len(scores)),
        failed=sum(review.failed for review in reviews),
        appealed=sum(review.state in (ReviewState.APPEALED, ReviewState.DECIDED) for review in reviews),
    )


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
