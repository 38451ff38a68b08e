"""What is found in dialogues, what is missed, and what is hidden in vain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from benchmarks.redaction.dialogues import Dialogue
from cantonese.personal import SECRETS, dialogue_spans

_BETWEEN = " ，。、？！,.-()（）…:"
"""Marks within a value that need not be hidden."""


def score(dialogues: Iterable[Dialogue]) -> dict[str, Any]:
    """Return shares: values that are hidden whole, kept numbers, and other characters that are hidden."""
    total, missed, kept, lost = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    others = in_vain = count = 0
    for dialogue in dialogues:
        count += 1
        for turn, spans in zip(dialogue, dialogue_spans([(t.role, t.text) for t in dialogue]), strict=True):
            hidden = {place for span in spans for place in range(span.start, span.end)}
            personal: set[int] = set()
            for start, end, category in turn.personal:
                total[category] += 1
                places = {place for place in range(start, end) if turn.text[place] not in _BETWEEN}
                missed[category] += not places <= hidden
                personal.update(range(start, end))
            for start, end, kind in turn.keep:
                kept[kind] += 1
                lost[kind] += bool(hidden & set(range(start, end)))
            others += len(turn.text) - len(personal)
            in_vain += len(hidden - personal)
    secrets = [category.value for category in SECRETS]
    return {
        "dialogues": count,
        "values": total.total(),
        "found": _share(total.total() - missed.total(), total.total()),
        "secrets_found": _share(
            sum(total[name] - missed[name] for name in secrets), sum(total[name] for name in secrets)
        ),
        "kept": _share(kept.total() - lost.total(), kept.total()),
        "hidden_in_vain": _share(in_vain, others),
        "by_category": {name: _share(total[name] - missed[name], total[name]) for name in sorted(total)},
        "by_kind": {name: _share(kept[name] - lost[name], kept[name]) for name in sorted(kept)},
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
