"""Count how common characters and pairs of characters are in everyday Cantonese.

    python -m scripts.finetune.retrieval.background --out suggest/lexicon/background.json

A word that everybody says all day tells little about what a caller wants. Sources: the sentences of HKCanCor
(CC BY), CTCPC and Common Voice (CC0) that pycantonese carries. Only counts are kept, pairs from 20 up.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from cantonese.characters import is_han
from cantonese.keys import key_form, pieces
from scripts.finetune.tiny.texts import corpus_sentences, hkcancor_sentences

LEAST = 20


def counted(sentences: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Return how often each character, and each pair within a run of characters, occurs (key form)."""
    chars: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for sentence in sentences:
        for run in pieces(key_form(sentence)):
            if is_han(run[0]):
                chars.update(run)
                pairs.update(run[at : at + 2] for at in range(len(run) - 1))
    return chars, pairs


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    out = parser.parse_args().out
    chars, pairs = counted([*hkcancor_sentences(), *corpus_sentences()])
    kept = {char: count for char, count in sorted(chars.items()) if count >= LEAST}
    shared = {pair: count for pair, count in sorted(pairs.items()) if count >= LEAST}
    table = {
        "total": pairs.total(),
        "chars": kept,
        "pairs": shared,
    }
    out.write_text(json.dumps(table, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    print(f"{len(kept)} characters and {len(shared)} pairs of {table['total']}")


if __name__ == "__main__":
    main()
