"""Which reviews the caller of the running method may see, and how much of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.calls.overview import CallFilter
from pipeline.quality.averages import Judged
from pipeline.quality.reviews import SEEN_BY_AGENTS, Review, Reviews, ReviewState, Stratum
from pipeline.record.archive import Archive
from pipeline.record.entries import RecordRow
from pipeline.rpc.caller import granted

AT_ONCE = 500
"""Calls that are looked up at once."""


class Blind:
    """Hides from somebody who judges a call what somebody else has made of it. Blocks.

    Args:
        reviews: of the company.
    """

    def __init__(self, reviews: Reviews) -> None:
        self._who = granted().principal.id
        self._now = reviews.judged_blindly(self._who)

    def hides(self, review: Review) -> bool:
        """Tell whether a review is somebody else's of a call that this person judges now."""
        return review.reviewer != self._who and (review.record_id, review.form_id) in self._now

    def seen(self, review: Review) -> Review:
        """Return a review without its score where it is hidden."""
        return replace(review, score=None, failed=False) if self.hides(review) else review


def may_see(review: Review) -> bool:
    """Tell whether the caller may know of a review: agents, once it was submitted, and never a second one."""
    if not granted().own_only:
        return True
    return review.state in SEEN_BY_AGENTS and review.stratum is not Stratum.CALIBRATION


def scored_calls(
    reviews: Reviews, archive: Archive, wanted: CallFilter, form_id: str, since: float, until: float
) -> list[tuple[Review, RecordRow]]:
    """Return reviews that were submitted in a time, and their calls, as far as both are within reach. Blocks.

    Args:
        reviews: of a company.
        archive: of the same.
        wanted: which calls.
        form_id: of the form.
        since: s since 1970 UTC.
        until: before then.
    """
    found = [review for review in reviews.scored(form_id, since, until) if may_see(review)]
    rows: dict[str, RecordRow] = {}
    for at in range(0, len(found), AT_ONCE):
        rows |= archive.rows_of([review.record_id for review in found[at : at + AT_ONCE]], wanted)
    return [(review, rows[review.record_id]) for review in found if review.record_id in rows]


def judged_twice_of(
    reviews: Reviews, archive: Archive, found: Sequence[tuple[Review, RecordRow]]
) -> list[tuple[Judged, Judged]]:
    """Return what two people made of the same calls, but where an appeal has changed it since. Blocks.

    Args:
        reviews: of a company.
        archive: of the same.
        found: of :func:`scored_calls`.
    """
    firsts = {
        review.record_id: review
        for review, _row in found
        if review.stratum is not Stratum.CALIBRATION and review.state is not ReviewState.DECIDED
    }
    pairs: list[tuple[Judged, Judged]] = []
    for review, row in found:
        first = firsts.get(review.record_id) if review.stratum is Stratum.CALIBRATION else None
        if first is not None and first.score is not None and review.score is not None:
            cipher = archive.cipher(row)
            one, other = (reviews.content(each, cipher).answers for each in (first, review))
            pairs.append(((first.score, one), (review.score, other)))
    return pairs
