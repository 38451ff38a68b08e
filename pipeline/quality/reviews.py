"""Reviews of one company's calls, kept with the record, under each call's key. Blocks; for any thread.

A review is drawn, filled in, submitted; the agent accepts it or appeals; somebody else decides.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from pipeline.errors import InvalidRequest, PermissionDenied, RecordUnavailable, UnknownReview
from pipeline.quality.scoring import LONGEST_COMMENT, Answer, checked, score
from pipeline.record.archive import DAMAGED
from pipeline.record.ciphers import CallCipher, Damaged
from pipeline.record.store import RecordStore
from pipeline.record.tables import reviews
from pipeline.sections.quality import FormSettings
from suggest.store.database import writing

NOTE = "review "
AT_ONCE = 500
"""Reviews that are fetched at once."""


class ReviewState(StrEnum):
    """Where a review stands."""

    DRAWN = "drawn"
    STARTED = "started"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    APPEALED = "appealed"
    DECIDED = "decided"


class Stratum(StrEnum):
    """Why a call was drawn; only random ones tell what calls are like on average."""

    RANDOM = "random"
    ALERTS = "alerts"
    CALIBRATION = (
        "calibration"  # a call that was drawn already, for a second person; its agent sees nothing of it
    )


SEEN_BY_AGENTS = frozenset(
    {ReviewState.SUBMITTED, ReviewState.ACCEPTED, ReviewState.APPEALED, ReviewState.DECIDED}
)
_OPEN = (ReviewState.DRAWN, ReviewState.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What people wrote: answers, the agent's appeal, what was decided and why."""

    answers: tuple[Answer, ...] = ()
    appeal: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review; times in s since 1970 UTC.

    Attributes:
        id: of it.
        record_id: of the call.
        form_id: of the form.
        stratum: why the call was drawn.
        state: where it stands.
        drawn_at: when.
        reviewer: who fills it in; None before.
        submitted_at: when.
        answer_until: until when its agent may appeal.
        decided_by: who decided the appeal.
        score: 0 to 100; None before it was submitted.
        failed: by a single answer.
    """

    id: str
    record_id: str
    form_id: str
    stratum: Stratum
    state: ReviewState
    drawn_at: float
    reviewer: str | None = None
    submitted_at: float | None = None
    answer_until: float | None = None
    decided_by: str | None = None
    score: float | None = None
    failed: bool = False


class Reviews:
    """The reviews of one company.

    Args:
        store: of it.
        answer_s: how long agents may appeal, s.
        clock: s since 1970 UTC.
    """

    def __init__(self, store: RecordStore, answer_s: float, clock: Callable[[], float] = time.time) -> None:
        self._store, self._answer_s, self._clock = store, answer_s, clock

    def draw(self, record_ids: Iterable[str], form_id: str, stratum: Stratum, by: str) -> list[Review]:
        """Begin reviews of calls; those that have one by the same form are passed over.

        One for calibration is a second review beside the first; a call has one of either kind.
        """
        now, wanted = self._clock(), list(dict.fromkeys(record_ids))
        its = reviews.c
        with writing(self._store.engine) as connection:
            kind = (its.stratum == Stratum.CALIBRATION.value) == (stratum is Stratum.CALIBRATION)
            query = sa.select(its.record_id).where(its.form_id == form_id, its.record_id.in_(wanted), kind)
            there: set[str] = set(connection.scalars(query))
            fresh = [
                Review(
                    id=secrets.token_hex(6), record_id=name, form_id=form_id, stratum=stratum,
                    state=ReviewState.DRAWN, drawn_at=now,
                )
                for name in wanted
                if name not in there
            ]  # fmt: skip
            if fresh:
                connection.execute(sa.insert(reviews), [_row(one, by) for one in fresh])
        return fresh

    def listed(self, states: Iterable[ReviewState]) -> Iterator[list[Review]]:
        """Yield reviews in some states, those that were drawn last first, some at once."""
        query = (
            sa.select(reviews)
            .where(reviews.c.state.in_([state.value for state in states]))
            .order_by(reviews.c.drawn_at.desc(), reviews.c.id)
        )
        with self._store.engine.connect() as connection:
            for rows in connection.execution_options(yield_per=AT_ONCE).execute(query).partitions():
                yield [_review(row) for row in rows]

    def scored(self, form_id: str, since: float, until: float) -> list[Review]:
        """Return the reviews by a form that were submitted in a time, s since 1970 UTC."""
        its = reviews.c
        query = sa.select(reviews).where(
            its.form_id == form_id,
            its.score.is_not(None),
            its.submitted_at >= since,
            its.submitted_at < until,
        )
        with self._store.engine.connect() as connection:
            return [_review(row) for row in connection.execute(query.order_by(its.submitted_at, its.id))]

    def judged_blindly(self, who: str) -> set[tuple[str, str]]:
        """Return record id and form of calls that somebody judges now and that two people judge."""
        mine, other = reviews.alias("mine"), reviews.alias("other")
        query = sa.select(mine.c.record_id, mine.c.form_id).where(
            mine.c.reviewer == who,
            mine.c.state == ReviewState.STARTED.value,
            other.c.record_id == mine.c.record_id,
            other.c.form_id == mine.c.form_id,
            other.c.id != mine.c.id,
        )
        with self._store.engine.connect() as connection:
            return {(row.record_id, row.form_id) for row in connection.execute(query)}

    def review(self, name: str) -> Review:
        """Return a review.

        Raises:
            UnknownReview: there is none of that id.
        """
        with self._store.engine.connect() as connection:
            row = connection.execute(sa.select(reviews).where(reviews.c.id == name)).one_or_none()
        if row is None:
            raise UnknownReview("no review has this id")
        return _review(row)

    def content(self, review: Review, cipher: CallCipher) -> Content:
        """Return what people wrote.

        Raises:
            RecordUnavailable: it is damaged.
        """
        with self._store.engine.connect() as connection:
            body = connection.scalar(sa.select(reviews.c.body).where(reviews.c.id == review.id))
        if body is None:
            return Content()
        try:
            found = json.loads(cipher.open_note(NOTE + review.id, body))
        except Damaged as error:
            raise RecordUnavailable(DAMAGED) from error
        return Content(
            answers=tuple(Answer(**one) for one in found["answers"]),
            appeal=found["appeal"],
            decision=found["decision"],
        )

    def save(
        self,
        name: str,
        cipher: CallCipher,
        form: FormSettings,
        answers: Sequence[Answer],
        by: str,
        *,
        submit: bool,
    ) -> Review:
        """Keep what a reviewer fills in.

        Raises:
            InvalidRequest: it does not fit the form, is not whole, or was submitted before.
            PermissionDenied: somebody else has begun it, or the same person judges the call already.
        """
        review = self.review(name)
        if review.state not in _OPEN:
            raise InvalidRequest("the review was submitted already")
        if review.reviewer not in (None, by):
            raise PermissionDenied("somebody else has begun this review")
        if by in self._beside(review):
            raise PermissionDenied("you judge this call already: the second review needs somebody else")
        checked(form, answers)
        saved = replace(review, state=ReviewState.STARTED, reviewer=by)
        if submit:
            result, now = score(form, answers), self._clock()
            saved = replace(
                saved,
                state=ReviewState.SUBMITTED,
                submitted_at=now,
                answer_until=None if review.stratum is Stratum.CALIBRATION else now + self._answer_s,
                score=result.percent,
                failed=result.failed,
            )
        return self._keep(review, saved, Content(answers=tuple(answers)), cipher)

    def answer(self, name: str, cipher: CallCipher, appeal: str) -> Review:
        """Keep what an agent says to a review: nothing accepts it.

        Raises:
            InvalidRequest: it is not the time for that, or the appeal is too long.
        """
        review = self.review(name)
        if review.state is not ReviewState.SUBMITTED or review.stratum is Stratum.CALIBRATION:
            raise InvalidRequest("the review waits for no answer")
        if review.answer_until is not None and self._clock() > review.answer_until:
            raise InvalidRequest("the time for an answer is over")
        state = ReviewState.APPEALED if _text(appeal) else ReviewState.ACCEPTED
        content = replace(self.content(review, cipher), appeal=_text(appeal))
        return self._keep(review, replace(review, state=state), content, cipher)

    def decide(
        self,
        name: str,
        cipher: CallCipher,
        form: FormSettings,
        answers: Sequence[Answer] | None,
        decision: str,
        by: str,
    ) -> Review:
        """Decide an appeal: other answers take the place of the reviewer's, or they stay.

        Raises:
            InvalidRequest: there is no appeal, no reason is given, or the answers do not fit.
            PermissionDenied: whoever filled it in decides.
        """
        review = self.review(name)
        if review.state is not ReviewState.APPEALED:
            raise InvalidRequest("there is no appeal to decide")
        if review.reviewer == by:
            raise PermissionDenied("whoever filled it in cannot decide: it needs somebody else")
        if not _text(decision):
            raise InvalidRequest("decision: say why")
        content = replace(self.content(review, cipher), decision=_text(decision))
        decided = replace(review, state=ReviewState.DECIDED, decided_by=by)
        if answers is not None:
            checked(form, answers)
            result = score(form, answers)
            content = replace(content, answers=tuple(answers))
            decided = replace(decided, score=result.percent, failed=result.failed)
        return self._keep(review, decided, content, cipher)

    def _beside(self, review: Review) -> set[str]:
        """Return who judges the same call by the same form in another review."""
        its = reviews.c
        query = sa.select(its.reviewer).where(
            its.record_id == review.record_id, its.form_id == review.form_id, its.id != review.id
        )
        with self._store.engine.connect() as connection:
            return set(connection.scalars(query.where(its.reviewer.is_not(None))))

    def _keep(self, before: Review, after: Review, content: Content, cipher: CallCipher) -> Review:
        """Write a review down, if it is still as it was read.

        Raises:
            InvalidRequest: somebody else was faster.
        """
        body = cipher.seal_note(NOTE + after.id, json.dumps(asdict(content), ensure_ascii=False).encode())
        its = reviews.c
        mine = its.reviewer.is_(None) if before.reviewer is None else its.reviewer == before.reviewer
        with writing(self._store.engine) as connection:
            changed = connection.execute(
                sa.update(reviews)
                .where(its.id == after.id, its.state == before.state.value, mine)
                .values(
                    state=after.state.value,
                    reviewer=after.reviewer,
                    submitted_at=after.submitted_at,
                    answer_until=after.answer_until,
                    decided_by=after.decided_by,
                    score=after.score,
                    failed=after.failed,
                    body=body,
                )
            ).rowcount
        if not changed:
            raise InvalidRequest("somebody else has changed this review meanwhile; look again")
        return after


def _text(text: str) -> str:
    if len(text) > LONGEST_COMMENT:
        raise InvalidRequest(f"at most {LONGEST_COMMENT} characters")
    return text.strip()


def _row(review: Review, by: str) -> dict[str, object]:
    return {**asdict(review), "stratum": review.stratum.value, "state": review.state.value, "drawn_by": by}


def _review(row: sa.Row[tuple[object, ...]]) -> Review:
    return Review(
        id=row.id,
        record_id=row.record_id,
        form_id=row.form_id,
        stratum=Stratum(row.stratum),
        state=ReviewState(row.state),
        drawn_at=row.drawn_at,
        reviewer=row.reviewer,
        submitted_at=row.submitted_at,
        answer_until=row.answer_until,
        decided_by=row.decided_by,
        score=row.score,
        failed=bool(row.failed),
    )
