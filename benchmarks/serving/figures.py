"""From what streams saw to the figures of a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.facts import spread
from benchmarks.serving.record import StreamRecord
from cantonese.scoring import scoring_form


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a stream may be kept waiting for, s, at the 95th percentile.

    Attributes:
        final_s: from the last sample of a sentence to its final.
        partial_s: from any sample of speech to the first text that covers it.
    """

    final_s: float = 1.0
    partial_s: float = 1.5


def character_errors(record: StreamRecord) -> tuple[int, int]:
    """Return edits and length of one stream's transcript, in characters after the shared normaliser."""
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 (with the training libraries)

    said, written = scoring_form(record.reference()), scoring_form(record.transcript())
    return Levenshtein.distance(said, written), len(said)


def figures(records: Sequence[StreamRecord]) -> dict[str, Any]:
    """Return latencies, ages, errors and changes over all streams."""
    edits = [character_errors(record) for record in records]
    changes = [record.changed_characters() for record in records]
    shown = sum(count for _changed, count in changes)
    return {
        "final_latency": spread([s for record in records for s in record.final_latencies()]),
        "partial_age": spread([s for record in records for s in record.partial_ages()]),
        "first_partial": spread([s for record in records for s in record.first_partials()]),
        "cer": round(sum(e for e, _n in edits) / max(1, sum(n for _e, n in edits)), 4),
        "changed_characters_per_final_character": round(sum(c for c, _s in changes) / max(1, shown), 3),
        "failed": sum(bool(record.failed) for record in records),
        "sender_late_ms": round(max((record.late_s for record in records), default=0.0) * 1000),
    }


def within(told: dict[str, Any], limits: Limits, latency: str = "final_latency") -> bool:
    """Tell whether the figures keep the limits and no stream failed."""
    final, partial = told[latency]["p95_ms"], told["partial_age"]["p95_ms"]
    if told["failed"] or final is None or partial is None:
        return False
    return bool(final <= limits.final_s * 1000 and partial <= limits.partial_s * 1000)
