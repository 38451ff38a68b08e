"""Figures of a voice model: AUC, recall, false alarms, what happy voices score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
RESAMPLES = 1000

Scores = NDArray[np.float64]


def auc(scores: Scores, positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: the chance that an agitated clip scores above a calm one.

    It is 0.5 where there are not both.
    """
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    _values, first, count = np.unique(scores[order], return_index=True, return_counts=True)
    ranks[order] = np.repeat(first + (count + 1) / 2, count)
    hits = int(positive.sum())
    rest = len(scores) - hits
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * rest)) if hits * rest else 0.5


def interval(scores: Scores, positive: NDArray[np.bool_], groups: Sequence[str]) -> tuple[float, float]:
    """Return the 95 % interval of the AUC over resampled speakers; (0, 1) where nothing can be said."""
    if not groups:
        return 0.0, 1.0
    rng = np.random.default_rng(0)
    names = sorted(set(groups))
    members = {name: np.flatnonzero(np.array(groups) == name) for name in names}
    values = []
    for _ in range(RESAMPLES):
        index = np.concatenate([members[names[i]] for i in rng.integers(0, len(names), len(names))])
        if 0 < positive[index].sum() < len(index):
            values.append(auc(scores[index], positive[index]))
    low, high = np.percentile(values, [2.5, 97.5]) if values else (0.0, 1.0)
    return float(low), float(high)


def agitation_figures(
    scores: Scores, agitated: NDArray[np.float32], speakers: Sequence[str]
) -> dict[str, Any]:
    """Return AUC with its interval, and recall, false alarms and their mean at the fixed threshold.

    Args:
        scores: calibrated, shape (n,).
        agitated: 1 angry, 0 calm, -1 left out.
        speakers: of each clip.
    """
    judged = agitated >= 0
    own, positive = scores[judged], agitated[judged] == 1
    low, high = interval(own, positive, [s for s, use in zip(speakers, judged, strict=True) if use])
    recall, false = flagged(own[positive]), flagged(own[~positive])
    return {
        "auc": round(auc(own, positive), 4),
        "auc_low": round(low, 4),
        "auc_high": round(high, 4),
        "uar": round((recall + 1 - false) / 2, 4),
        "recall": recall,
        "false_alarms": false,
        "agitated": int(positive.sum()),
        "calm": int((~positive).sum()),
    }


def flagged(scores: Scores) -> float:
    """Return the share above the threshold."""
    return round(float(np.mean(scores > THRESHOLD)), 4) if len(scores) else 0.0


def by_emotion(scores: Scores, emotions: Sequence[str]) -> Mapping[str, float]:
    """Return the share above the threshold for each emotion."""
    names = sorted(set(emotions))
    return {name or "ordinary": flagged(scores[np.array(emotions) == name]) for name in names}


def class_recall(predicted: NDArray[np.int64], label: NDArray[np.int64], classes: Sequence[int]) -> float:
    """Return the unweighted mean recall of ``classes``, each clip judged among them."""
    return round(float(np.mean([np.mean(predicted[label == c] == c) for c in classes])), 4)
