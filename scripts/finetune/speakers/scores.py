"""How well embeddings tell voices apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def equal_error_rate(same: NDArray[np.floating], different: NDArray[np.floating]) -> tuple[float, float]:
    """Return the rate at which misses and false matches are alike, and the similarity where that is.

    Args:
        same: similarities of pairs of one speaker, shape (n,).
        different: those of two speakers, shape (m,).
    """
    scores = np.concatenate([same, different])
    labels = np.concatenate([np.ones(len(same)), np.zeros(len(different))])
    order = np.argsort(scores, kind="stable")
    missed = np.cumsum(labels[order]) / len(same)
    false = 1 - np.cumsum(1 - labels[order]) / len(different)
    at = int(np.argmin(np.abs(missed - false)))
    return float((missed[at] + false[at]) / 2), float(scores[order][at])


def pair_scores(
    vectors: NDArray[np.float32], speakers: Sequence[str], sources: Sequence[str], recordings: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return similarity, same speaker and same set of every pair from two different recordings."""
    first, second = np.triu_indices(len(vectors), 1)
    names, sets, numbers = (np.asarray(values) for values in (speakers, sources, recordings))
    apart = numbers[first] != numbers[second]
    first, second = first[apart], second[apart]
    similarity = np.einsum("ij,ij->i", vectors[first], vectors[second], dtype=np.float32)
    return similarity, names[first] == names[second], sets[first] == sets[second]
