"""Is the right article found, and nothing where there is none? By kind of query, and without each signal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.finetune.retrieval.sets import Example, Labelled, examples, name_of, read_set
from scripts.finetune.retrieval.tune import learn, told
from suggest.base import Article
from suggest.retrieval.features import SIGNALS
from suggest.retrieval.ranker import Ranker, read_ranker
from suggest.text.lexicon import read_lexicon

SETS = Path(__file__).with_name("sets")
UNSEEN = ("wallet/ordinary",)
"""Written when lexicon and weights were done; nothing was tuned on it."""
JUDGED = ("telecom/ordinary", "mixed/ordinary")


def quality(files: Sequence[Path]) -> dict[str, object]:
    """Return the figures of the bundled weights on the half of each set that was not tuned on."""
    lexicon, ranker = read_lexicon(), read_ranker()
    out: dict[str, object] = {}
    for file in files:
        articles, queries = read_set(file)
        shown = _reported(file, queries)
        found = examples(articles, shown, lexicon)
        out[name_of(file)] = {
            "articles": len(articles),
            "reported": "whole set, nothing tuned on it" if name_of(file) in UNSEEN else "other half",
            **told(ranker, found),
            "by_kind": _by_kind(ranker, found),
            "tfidf_pairs": _tfidf(articles, shown),
        }
    return out


def _reported(file: Path, queries: Sequence[Labelled]) -> list[Labelled]:
    return [query for query in queries if name_of(file) in UNSEEN or not query.tuning]


def _by_kind(ranker: Ranker, found: Sequence[Example]) -> dict[str, dict[str, float]]:
    kinds: dict[str, list[Example]] = defaultdict(list)
    for item in found:
        kinds[item.query.kind].append(item)
    return {kind: told(ranker, items) for kind, items in sorted(kinds.items())}


def ablation(files: Sequence[Path]) -> dict[str, object]:
    """Return top-1 and top-3 with weights learned and used without one signal, over the ordinary sets."""
    lexicon = read_lexicon()
    tuning, shown = {}, {}
    out: dict[str, object] = {}
    for left_out in (None, *SIGNALS, "sounds"):
        gone = {"syllables", "tones"} if left_out == "sounds" else {left_out} if left_out else set()
        without = frozenset(gone)
        for file in files:
            articles, queries = read_set(file)
            found = examples(articles, queries, lexicon, without)
            name = name_of(file)
            tuning[name] = [item for item in found if item.query.tuning and name not in UNSEEN]
            shown[name] = [item for item in found if not item.query.tuning or name in UNSEEN]
        learned = [item for items in tuning.values() for item in items]
        ranker = learn(learned, [item for name in JUDGED for item in tuning.get(name, [])] or learned)
        ordinary = [item for name, items in shown.items() if name.endswith("ordinary") for item in items]
        hard = [item for name, items in shown.items() if name.endswith("hard") for item in items]
        misheard = [item for item in ordinary if item.query.kind == "homophone"]
        out[f"without {left_out}" if left_out else "all signals"] = {
            **told(ranker, ordinary),
            "misheard_top1": told(ranker, misheard)["top1"],
            "hard_top1": told(ranker, hard)["top1"],
        }
    return out


def _tfidf(articles: Sequence[Article], queries: Sequence[Labelled]) -> dict[str, float]:
    """Return what plain TF-IDF over pairs of characters reaches (cosine; question and answer together)."""
    texts = [f"{a.question_zh} {a.answer_zh} {a.question_en} {a.answer_en}".lower() for a in articles]
    known = {
        pair: place for place, pair in enumerate(sorted({pair for text in texts for pair in _pairs(text)}))
    }
    counts = np.zeros((len(texts), len(known)))
    for row, text in enumerate(texts):
        for pair in _pairs(text):
            counts[row, known[pair]] += 1
    rarity = np.log((1 + len(texts)) / (1 + (counts > 0).sum(0))) + 1
    weighted = counts * rarity
    weighted /= np.linalg.norm(weighted, axis=1, keepdims=True)
    first = three = total = 0
    for query in (query for query in queries if query.expect):
        vector = np.zeros(len(known))
        for pair in _pairs(query.text.lower()):
            if pair in known:
                vector[known[pair]] += rarity[known[pair]]
        order = np.argsort(-(weighted @ vector), kind="stable")
        names = [articles[place].id for place in order[:3]]
        total += 1
        first += names[0] in query.expect
        three += bool(set(names) & query.expect)
    return {"top1": round(first / total, 4), "top3": round(three / total, 4)}


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(len(text) - 1)]
