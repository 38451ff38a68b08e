"""Error counts, bootstrap intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An error rate with its interval.

    Attributes:
        value: errors / units.
        low: 2.5 % quantile over resampled calls.
        high: 97.5 % quantile.
        units: reference characters or tokens.
        count: utterances.
    """

    value: float
    low: float
    high: float
    units: int
    count: int

    def as_json(self) -> dict[str, float]:
        """Return rounded numbers."""
        return {
            "value": round(self.value, 5),
            "low": round(self.low, 5),
            "high": round(self.high, 5),
            "units": self.units,
            "count": self.count,
        }


def _by_call(calls: Sequence[str], values: Sequence[int]) -> NDArray[np.float64]:
    names = {name: index for index, name in enumerate(dict.fromkeys(calls))}
    sums = np.zeros(len(names))
    np.add.at(sums, [names[call] for call in calls], values)
    return sums


def _draws(calls: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, calls, (RESAMPLES, calls))


def error_rate(calls: Sequence[str], errors: Sequence[int], units: Sequence[int], seed: int = 0) -> Rate:
    """Return the pooled error rate; whole calls are resampled (Bisani and Ney 2004).

    Args:
        calls: the call of each utterance: utterances of one call are not independent.
        errors: edits of each utterance.
        units: reference length of each utterance.
        seed: of the resampling.
    """
    if not calls:
        return Rate(value=0.0, low=0.0, high=0.0, units=0, count=0)
    wrong, right = _by_call(calls, errors), _by_call(calls, units)
    draws = _draws(len(wrong), seed)
    rates = wrong[draws].sum(1) / np.maximum(1, right[draws].sum(1))
    low, high = np.quantile(rates, (0.025, 0.975))
    return Rate(
        value=float(wrong.sum() / max(1.0, right.sum())),
        low=float(low),
        high=float(high),
        units=int(right.sum()),
        count=len(calls),
    )


def worse_probability(
    calls: Sequence[str],
    before: Sequence[int],
    after: Sequence[int],
    units: Sequence[int],
    seed: int = 0,
) -> dict[str, float]:
    """Compare two systems on the same utterances, resampling calls.

    Returns:
        ``difference`` (after - before, absolute), its 95 % interval ``low`` and ``high``, and
        ``worse``: the share of resamples in which ``after`` makes more errors.
    """
    if not calls:
        return {"difference": 0.0, "low": 0.0, "high": 0.0, "worse": 1.0}
    extra = _by_call(calls, [a - b for a, b in zip(after, before, strict=True)])
    right = _by_call(calls, units)
    draws = _draws(len(extra), seed)
    rates = extra[draws].sum(1) / np.maximum(1, right[draws].sum(1))
    low, high = np.quantile(rates, (0.025, 0.975))
    return {
        "difference": round(float(extra.sum() / max(1.0, right.sum())), 5),
        "low": round(float(low), 5),
        "high": round(float(high), 5),
        "worse": round(float((rates > 0).mean()), 4),
    }
