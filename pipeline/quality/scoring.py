"""What a filled-in form says of a call, and what can be proposed for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cantonese.characters import to_traditional
from diarization import Role
from pipeline.calls.events import TranscriptEvent
from pipeline.calls.info import SAMPLE_RATE
from pipeline.errors import InvalidRequest
from pipeline.sections.quality import FormSettings, QuestionSettings

LONGEST_COMMENT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a question.

    Attributes:
        question_id: which.
        option_id: what was chosen; None where the question does not apply.
        comment: why, masked.
    """

    question_id: str
    option_id: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a form comes to: ``percent`` of what could be reached, 0 to 100; ``failed`` by a single answer."""

    percent: float
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An answer that was heard; a person confirms it.

    Attributes:
        question_id: which.
        option_id: what is proposed.
        utterance_id: where it was said; None where nothing was.
    """

    question_id: str
    option_id: str
    utterance_id: str | None


def checked(form: FormSettings, answers: Sequence[Answer]) -> None:
    """Look whether answers fit a form.

    Raises:
        InvalidRequest: they do not.
    """
    questions = {question.id: question for question in form.questions}
    if len({answer.question_id for answer in answers}) != len(answers):
        raise InvalidRequest("answers: a question is answered twice")
    for answer in answers:
        question = questions.get(answer.question_id)
        if question is None:
            raise InvalidRequest("answers: the form has no such question")
        if answer.option_id is None and not question.may_be_skipped:
            raise InvalidRequest(f"answers: {question.id} cannot be left out")
        if answer.option_id is not None and answer.option_id not in {
            option.id for option in question.options
        }:
            raise InvalidRequest(f"answers: {question.id} has no such option")
        if len(answer.comment) > LONGEST_COMMENT:
            raise InvalidRequest(f"answers: a comment has at most {LONGEST_COMMENT} characters")


def score(form: FormSettings, answers: Sequence[Answer]) -> Score:
    """Return what a whole form comes to.

    Raises:
        InvalidRequest: a question is not answered, or all were left out.
    """
    given = {answer.question_id: answer.option_id for answer in answers}
    if missing := [question.id for question in form.questions if question.id not in given]:
        raise InvalidRequest(f"answers: {missing[0]} is not answered")
    reached, whole, failed = 0.0, 0.0, False
    for question in form.questions:
        option = next((one for one in question.options if one.id == given[question.id]), None)
        if option is not None:
            reached += option.score * question.weight
            whole += question.weight
            failed = failed or option.fails
    if not whole:
        raise InvalidRequest("answers: no question applies")
    return Score(percent=0.0 if failed else 100.0 * reached / whole, failed=failed)


def proposals(form: FormSettings, said: Iterable[TranscriptEvent]) -> list[Proposal]:
    """Return what was heard of a form's questions; those without words get none.

    Args:
        form: with words by question.
        said: finals of the call, by their start.
    """
    by_agent = [final for final in said if final.role is Role.AGENT]
    if not by_agent:
        return []
    return [_proposal(question, by_agent) for question in form.questions if question.said]


def _proposal(question: QuestionSettings, by_agent: list[TranscriptEvent]) -> Proposal:
    latest = float("inf") if question.within_s is None else question.within_s * SAMPLE_RATE
    wanted = [to_traditional(word).casefold() for word in question.said]
    where = next(
        (
            final.utterance_id
            for final in by_agent
            if final.start < latest and any(word in final.text.casefold() for word in wanted)
        ),
        None,
    )
    option = question.options[0 if where is not None else -1]
    return Proposal(question_id=question.id, option_id=option.id, utterance_id=where)
