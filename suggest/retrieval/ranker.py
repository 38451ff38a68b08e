"""How signals count, and how sure that makes: weights of ``scripts.finetune.retrieval.tune``. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suggest.base import KnowledgeError
from suggest.retrieval.features import FEATURES

BUNDLED = Path(__file__).with_name("weights.json")
PRIOR_WEIGHT = 1.0
"""Weight of what agents did with an article before; set by hand, for want of data of real agents."""
DENSE_WEIGHT = 2.0
"""Weight of an optional encoder; set by hand, for the same reason."""
CONFIDENCE = ("score", "gap", "mass", *FEATURES)
"""What confidence is made of: the best one's score, how far the next one is, and all its features."""
WIDEST_GAP = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranker:
    """Learned weights.

    Attributes:
        weights: of features, for the score.
        confidence: of :data:`CONFIDENCE`, for the log-odds that a hit is right.
        bias: of the log-odds.
        threshold: confidence from which a hit is shown.
    """

    weights: Mapping[str, float]
    confidence: Mapping[str, float]
    bias: float
    threshold: float

    def score(self, features: Mapping[str, float]) -> float:
        """Return what speaks for an article, comparable within one query."""
        return sum(weight * features[name] for name, weight in self.weights.items())

    def confidences(self, scored: Sequence[tuple[float, Mapping[str, float]]], mass: float) -> list[float]:
        """Return the probability that each hit is a right answer.

        Args:
            scored: score and features, best first.
            mass: how much there is in the query to be covered.
        """
        best = scored[0][0] if scored else 0.0
        out: list[float] = []
        for place, (score, features) in enumerate(scored):
            rival = (scored[1][0] if len(scored) > 1 else 0.0) if place == 0 else best
            sure = _logistic(self.log_odds(score, score - rival, mass, features))
            out.append(min(sure, out[-1]) if out else sure)
        return out

    def log_odds(self, score: float, gap: float, mass: float, features: Mapping[str, float]) -> float:
        """Return the log-odds that a hit is right."""
        head = {
            "score": score,
            "gap": max(-WIDEST_GAP, min(gap, WIDEST_GAP)),
            "mass": math.log1p(mass),
        }
        total = self.bias + sum(self.confidence[name] * value for name, value in head.items())
        return total + sum(self.confidence[name] * features[name] for name in FEATURES)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def read_ranker(path: Path = BUNDLED) -> Ranker:
    """Return the weights of a file.

    Raises:
        KnowledgeError: it is missing or of another release.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        ranker = Ranker(
            weights={**dict.fromkeys(FEATURES, 0.0), **content["weights"]},
            confidence={**dict.fromkeys(CONFIDENCE, 0.0), **content["confidence"]},
            bias=float(content["bias"]),
            threshold=float(content["threshold"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KnowledgeError(f"{path}: not a file of ranking weights; make one with 'tune'") from error
    if set(ranker.weights) != set(FEATURES) or set(ranker.confidence) != set(CONFIDENCE):
        raise KnowledgeError(f"{path}: made for another release; tune it again")
    return ranker
