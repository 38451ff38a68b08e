r"""Learn how the signals of the search count, and how sure a hit is.

    python -m scripts.finetune.retrieval.tune \
        benchmarks/retrieval/sets/{bank,insure,mixed,shop,telecom}/*.jsonl \
        --judge telecom/ordinary mixed/ordinary --out suggest/retrieval/weights.json
    python -m scripts.finetune.retrieval.tune ours/queries.jsonl --out weights.json

A line of a file is {"query": "…", "kind": "…", "expect": [ids, none where nothing answers]}; the articles lie
beside it in kb.csv; a server takes the weights by suggest.weights. Learned on one half of every
set (by a hash of the query), told on the other. The score is linear with weights that cannot be negative,
learned by softmax over the candidates of a query (listwise, Cao et al. 2007); confidence is a logistic
regression on the best hit. Nothing else than numpy is needed; two minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.finetune.retrieval.sets import Example, examples, name_of, read_set
from suggest.retrieval.features import FEATURES
from suggest.retrieval.ranker import CONFIDENCE, WIDEST_GAP, Ranker
from suggest.text.lexicon import read_lexicon

STEPS = 600
DECAY = 0.005
CONFIDENCE_DECAY = 0.002
LOST = 0.015
"""Share of answerable queries that the threshold may lose, judged by weights that did not learn from them.

Queries of a business that the lexicon was not made for lose more than four times as many: 6.9 in a hundred
of the set that was written last; five are wanted.
"""
FOLDS = 4
Vector = NDArray[np.float64]


def adam(gradient_at: object, start: Vector, *, floor: float | None, steps: int) -> Vector:
    """Return where Adam (Kingma and Ba 2015) ends; ``floor`` bounds every weight from below."""
    weights, mean, square = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        gradient = gradient_at(weights)  # type: ignore[operator]
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        weights -= 0.1 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        if floor is not None:
            weights = np.maximum(weights, floor)
    return weights


def learn_weights(learned: Sequence[Example]) -> Vector:
    """Return the weights of the features."""
    lists = [
        (example.values, np.array([name in example.query.expect for name in example.ids]))
        for example in learned
        if example.query.expect & set(example.ids)
    ]

    def gradient(weights: Vector) -> Vector:
        total = DECAY * weights
        for values, right in lists:
            scores = values @ weights
            share = np.exp(scores - scores.max())
            share /= share.sum()
            wanted = share * right
            total = total + values.T @ (share - wanted / wanted.sum()) / len(lists)
        return total

    return adam(gradient, np.full(len(FEATURES), 2.0), floor=0.0, steps=STEPS)


def confidence_row(example: Example, weights: Vector) -> Vector:
    """Return what confidence is made of, for the best hit of a query."""
    if not len(example.ids):
        return np.zeros(len(CONFIDENCE))
    scores = example.values @ weights
    order = np.argsort(-scores)
    second = scores[order[1]] if len(order) > 1 else 0.0
    gap = min(scores[order[0]] - second, WIDEST_GAP)
    head = [scores[order[0]], gap, np.log1p(example.mass)]
    return np.concatenate([head, example.values[order[0]]])


def is_right(example: Example, weights: Vector) -> bool:
    """Tell whether the best hit answers the query."""
    return bool(example.ids) and example.ids[int(np.argmax(example.values @ weights))] in example.query.expect


def learn_confidence(learned: Sequence[Example], weights: Vector) -> Vector:
    """Return weights of :data:`CONFIDENCE` and the bias behind them.

    Hits that are wrong although there is an answer are left out: whether to be silent is the question here.
    """
    chosen = [example for example in learned if is_right(example, weights) or not example.query.expect]
    rows = np.array([[*confidence_row(example, weights), 1.0] for example in chosen])
    right = np.array([bool(example.query.expect) for example in chosen], np.float64)
    worth = np.where(right > 0, 0.5 / right.sum(), 0.5 / (1 - right).sum())
    scale = np.maximum(np.abs(rows).max(axis=0), 1e-6)

    def gradient(weights: Vector) -> Vector:
        share = 1 / (1 + np.exp(-np.clip(rows / scale @ weights, -30, 30)))
        return (rows / scale).T @ ((share - right) * worth) + CONFIDENCE_DECAY * weights

    return adam(gradient, np.zeros(rows.shape[1]), floor=None, steps=1500) / scale


def confidence_of(example: Example, weights: Vector, confidence: Vector) -> float:
    """Return the confidence of the best hit of a query."""
    if not len(example.ids):
        return 0.0
    return float(1 / (1 + np.exp(-(np.append(confidence_row(example, weights), 1.0) @ confidence))))


def learn(learned: Sequence[Example], judged: Sequence[Example]) -> Ranker:
    """Return what is learned from examples; the threshold is set on ``judged``."""
    weights = learn_weights(learned)
    confidence = learn_confidence(learned, weights)
    sure = unseen_confidences(learned, [item for item in judged if item.query.expect])
    return Ranker(
        weights=dict(zip(FEATURES, weights.round(3).tolist(), strict=True)),
        confidence=dict(zip(CONFIDENCE, confidence[:-1].round(3).tolist(), strict=True)),
        bias=round(float(confidence[-1]), 3),
        threshold=round(float(np.quantile(sure, LOST)), 3),
    )


def unseen_confidences(learned: Sequence[Example], judged: Sequence[Example]) -> list[float]:
    """Return the confidence of each judged query by weights learned without its fold (cross-fitting)."""
    sure = []
    for fold in range(FOLDS):
        out = {id(item) for item in learned[fold::FOLDS]}
        rest = [item for item in learned if id(item) not in out]
        weights = learn_weights(rest)
        confidence = learn_confidence(rest, weights)
        sure += [confidence_of(item, weights, confidence) for item in judged if id(item) in out]
    return sure


def told(ranker: Ranker, shown: Sequence[Example]) -> dict[str, float]:
    """Return shares: right answer first, among three; answerable but lost; silent where none answers."""
    weights = np.array([ranker.weights[name] for name in FEATURES])
    confidence = np.array([*(ranker.confidence[name] for name in CONFIDENCE), ranker.bias])
    known = [item for item in shown if item.query.expect]
    unknown = [item for item in shown if not item.query.expect]
    sure = {id(item): confidence_of(item, weights, confidence) for item in shown}
    ranked = [[item.ids[i] for i in np.argsort(-(item.values @ weights))] for item in known]
    pairs = list(zip(known, ranked, strict=True))
    return {
        "queries": len(shown),
        "top1": _share([bool(names) and names[0] in item.query.expect for item, names in pairs]),
        "top3": _share([bool(set(names[:3]) & item.query.expect) for item, names in pairs]),
        "lost": _share([sure[id(item)] < ranker.threshold for item in known]),
        "silent": _share([sure[id(item)] < ranker.threshold for item in unknown]),
    }


def _share(values: Sequence[bool]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def main() -> None:
    """Learn and write the weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", help="queries, JSON lines beside a kb.csv")
    parser.add_argument(
        "--lexicon", type=Path, nargs="*", default=[], help="the company's own tables of words"
    )
    parser.add_argument(
        "--judge", nargs="*", default=[], help="names of sets for the threshold [default: all]"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    lexicon = read_lexicon(options.lexicon)
    sets = {name_of(file): examples(*read_set(file), lexicon) for file in options.files}
    halves = {name: [item for item in items if item.query.tuning] for name, items in sets.items()}
    judged = [item for name in options.judge or halves for item in halves[name]]
    ranker = learn([item for items in halves.values() for item in items], judged)
    for name, items in sets.items():
        print(name, told(ranker, [item for item in items if not item.query.tuning]))
    content = {
        "weights": dict(ranker.weights),
        "confidence": dict(ranker.confidence),
        "bias": ranker.bias,
        "threshold": ranker.threshold,
        "learned_from": sorted(sets),
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
