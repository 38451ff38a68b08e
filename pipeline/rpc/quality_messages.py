"""Forms and reviews in their wire form."""

from __future__ import annotations

from collections.abc import Iterable

from cantonese.personal import mask_personal_data
from pipeline.quality.averages import Agreement, Average
from pipeline.quality.reviews import Content, Review, ReviewState, Stratum
from pipeline.quality.scoring import Answer
from pipeline.record.entries import RecordRow
from pipeline.sections.quality import FormSettings
from yuetone.v1 import quality_service_pb2 as pb

REVIEW_STATES = {
    pb.Review.STATE_DRAWN: ReviewState.DRAWN,
    pb.Review.STATE_STARTED: ReviewState.STARTED,
    pb.Review.STATE_SUBMITTED: ReviewState.SUBMITTED,
    pb.Review.STATE_ACCEPTED: ReviewState.ACCEPTED,
    pb.Review.STATE_APPEALED: ReviewState.APPEALED,
    pb.Review.STATE_DECIDED: ReviewState.DECIDED,
}
_STATES_OUT = {state: number for number, state in REVIEW_STATES.items()}
_STRATA = {
    Stratum.RANDOM: pb.Review.STRATUM_RANDOM,
    Stratum.ALERTS: pb.Review.STRATUM_ALERTS,
    Stratum.CALIBRATION: pb.Review.STRATUM_CALIBRATION,
}


def form_message(name: str, form: FormSettings) -> pb.Form:
    """Return a form in its wire form."""
    message = pb.Form(form_id=name, texts=form.texts)
    for question in form.questions:
        added = message.questions.add(
            question_id=question.id,
            texts=question.texts,
            weight=question.weight,
            may_be_skipped=question.may_be_skipped,
            proposed=bool(question.said),
        )
        for option in question.options:
            added.options.add(option_id=option.id, texts=option.texts, score=option.score, fails=option.fails)
    return message


def review_message(review: Review, row: RecordRow) -> pb.Review:
    """Return a review in its wire form; ``row``: of its call."""
    return pb.Review(
        review_id=review.id,
        record_id=review.record_id,
        form_id=review.form_id,
        stratum=_STRATA[review.stratum],
        state=_STATES_OUT[review.state],
        drawn_at_unix_ms=int(review.drawn_at * 1000),
        reviewer=review.reviewer or "",
        submitted_at_unix_ms=_ms(review.submitted_at),
        answer_until_unix_ms=_ms(review.answer_until),
        decided_by=review.decided_by or "",
        score=review.score,
        failed=review.failed,
        agent_id=row.info.agent_id or "",
        call_id=row.info.call_id,
        call_started_at_unix_ms=int(row.info.started_at * 1000),
    )


def averages_message(found: Iterable[Average], both: Agreement | None) -> pb.GetReviewAveragesResponse:
    """Return averages, and how far two people agree, in their wire form."""
    message = pb.GetReviewAveragesResponse(
        averages=[
            pb.ReviewAverage(
                group=one.group, count=one.count, mean=one.mean, margin=one.margin, failed=one.failed,
                appealed=one.appealed,
            )
            for one in found
        ]
    )  # fmt: skip
    if both is not None:
        message.pairs, message.same_answers = both.pairs, both.same
        message.score_difference = both.difference
    return message


def content_message(review: pb.Review, content: Content) -> pb.GetReviewResponse:
    """Return a review with what people wrote."""
    return pb.GetReviewResponse(
        review=review,
        answers=[
            pb.ReviewAnswer(question_id=one.question_id, option_id=one.option_id or "", comment=one.comment)
            for one in content.answers
        ],
        appeal=content.appeal,
        decision=content.decision,
    )


def answers_of(answers: Iterable[pb.ReviewAnswer]) -> list[Answer]:
    """Return answers from their wire form, with comments masked."""
    return [
        Answer(
            question_id=one.question_id,
            option_id=one.option_id or None,
            comment=mask_personal_data(one.comment),
        )
        for one in answers
    ]


def _ms(at: float | None) -> int | None:
    return None if at is None else int(at * 1000)
