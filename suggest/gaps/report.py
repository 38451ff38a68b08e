"""The weekly list of what to write next, as a page and as a table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import jinja2

from suggest.gaps.clusters import Gap
from suggest.reading.columns import TEMPLATE
from suggest.reading.tables import as_cell
from suggest.store.record import ACTIONS, Feedback

_TEMPLATE = Path(__file__).with_name("report.html")
SMALLEST, LARGEST = 0.9, 2.6
"""Sizes of the words of the cloud, em."""


def page(
    gaps: Sequence[Gap],
    words: Sequence[tuple[str, int]],
    feedback: Sequence[Feedback],
    *,
    since: datetime,
    until: datetime,
    tenant: str | None,
) -> str:
    """Return the report as one HTML page that needs nothing else.

    Args:
        gaps: groups of questions, most calls first.
        words: telling words of all questions, commonest first.
        feedback: what agents did in that time.
        since: begin.
        until: end.
        tenant: whose; None for all.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    most = max((count for _word, count in words), default=1)
    cloud = [(word, count, SMALLEST + (LARGEST - SMALLEST) * (count / most) ** 0.5) for word, count in words]
    actions = Counter(row.action for row in feedback)
    return environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        gaps=gaps,
        cloud=cloud,
        actions=[(action, actions[action]) for action in ACTIONS],
        questions=sum(len(gap.questions) for gap in gaps),
        since=since,
        until=until,
        tenant=tenant,
    )


def table(gaps: Sequence[Gap]) -> str:
    """Return the gaps as CSV with a row for each, ready to be filled in and imported.

    The columns of the plain template come first, empty but for the category; what is known stands behind.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [*TEMPLATE, "gap_calls", "gap_questions", "gap_refused", "gap_words", "gap_nearest", "gap_examples"]
    )
    for gap in gaps:
        known = [gap.calls, len(gap.questions), gap.refused]
        texts = [
            " ".join(gap.words),
            " ".join(gap.nearest),
            "\n".join(gap.examples),
        ]
        writer.writerow([*[""] * len(TEMPLATE), *known, *map(as_cell, texts)])
    return "\ufeff" + out.getvalue()  # Excel takes UTF-8 for Big5 without it
