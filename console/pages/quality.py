"""Reviews of calls: the list, the draw, the form, the agent's word, the appeal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import client
from console.auth.gate import Gate
from console.auth.sessions import Session
from console.backend import DEADLINE_S
from console.pages.bodies import form_of
from console.pages.history import local
from console.pages.insight import LEAST, midnight
from console.pages.rendering import for_people, me_of, page, problem, status_of
from console.pages.screens import seen
from console.texts import language_of
from yuetone.v1 import quality_service_pb2 as pb

LONGEST, MOST_FIELDS = 300_000, 150
"""Bytes, and fields, of a form with fifty questions."""
PERIODS = {"1": 1, "7": 7, "28": 28}
AVERAGED = {"7": 7, "28": 28, "91": 91}
GROUPS = {
    "agent": pb.GetReviewAveragesRequest.GROUP_AGENT,
    "team": pb.GetReviewAveragesRequest.GROUP_TEAM,
    "queue": pb.GetReviewAveragesRequest.GROUP_QUEUE,
}
STATES = {
    "drawn": pb.Review.STATE_DRAWN,
    "started": pb.Review.STATE_STARTED,
    "submitted": pb.Review.STATE_SUBMITTED,
    "accepted": pb.Review.STATE_ACCEPTED,
    "appealed": pb.Review.STATE_APPEALED,
    "decided": pb.Review.STATE_DECIDED,
}
_NAMES = {number: name for name, number in STATES.items()}
_STRATA = {pb.Review.STRATUM_ALERTS: "alerted", pb.Review.STRATUM_CALIBRATION: "second"}
_OPEN = (pb.Review.STATE_DRAWN, pb.Review.STATE_STARTED)
Fields = dict[str, str]


async def listing(request: Request, session: Session) -> Response:
    """Show reviews; what is chosen is in the address."""
    me = seen(await me_of(request, session))
    state = request.query_params.get("state", "")
    stub = client.quality_stub(request.app.state.backend.channel(session.person))
    wanted = [STATES[state]] if state in STATES else []
    found = await stub.ListReviews(pb.ListReviewsRequest(states=wanted), timeout=DEADLINE_S)
    forms = await stub.ListForms(pb.ListFormsRequest(), timeout=DEADLINE_S)
    drawn = request.query_params.get("drawn", "")
    form_id = request.query_params.get("form", "") or next((form.form_id for form in forms.forms), "")
    days = request.query_params.get("days", "")
    days = days if days in AVERAGED else "28"
    group = request.query_params.get("group", "")
    group = group if group in GROUPS else "agent"
    means = await _means(stub, form_id, AVERAGED[days], group)
    return page(
        request, "quality.html", me=me, person=session.person.name, state=state, states=list(STATES),
        reviews=[_row(review) for review in found.reviews], periods=list(PERIODS),
        forms=[(form.form_id, _text(request, form.texts)) for form in forms.forms],
        drawn=int(drawn) if drawn.isdecimal() and len(drawn) < 6 else None, means=means, form_id=form_id,
        days=days, averaged=list(AVERAGED), group=group, groups=list(GROUPS),
    )  # fmt: skip


async def _means(stub: Any, form_id: str, days: int, group: str) -> dict[str, Any]:
    """Return what reviews come to, as people read it; a dash where it was counted from too little."""
    now = time.time()
    wanted = pb.GetReviewAveragesRequest(
        form_id=form_id, since_unix_ms=midnight(now, days - 1), until_unix_ms=int(now * 1000) + 1,
        group_by=GROUPS[group],
    )  # fmt: skip
    found = await stub.GetReviewAverages(wanted, timeout=DEADLINE_S)
    rows = [
        {
            "group": one.group,
            "count": one.count,
            "mean": f"{one.mean:.0f}" if one.count >= LEAST else "–",
            "margin": f"± {one.margin:.0f}" if one.count >= LEAST and one.HasField("margin") else "",
            "failed": one.failed,
            "appealed": one.appealed,
        }
        for one in found.averages
    ]
    both = {
        "pairs": found.pairs,
        "same": f"{found.same_answers:.0%}",
        "apart": f"{found.score_difference:.0f}",
    }
    return {"rows": rows, "both": both if found.pairs else None}


def _row(review: pb.Review) -> dict[str, Any]:
    return {
        "id": review.review_id,
        "record": review.record_id,
        "call": review.call_id,
        "agent": review.agent_id,
        "began": local(review.call_started_at_unix_ms),
        "state": _NAMES.get(review.state, "drawn"),
        "stratum": _STRATA.get(review.stratum, ""),
        "reviewer": review.reviewer,
        "score": f"{review.score:.0f}" if review.HasField("score") else "",
        "failed": review.failed,
        "until": local(review.answer_until_unix_ms) if review.HasField("answer_until_unix_ms") else "",
    }


async def sample(request: Request, session: Session) -> Response:
    """Draw calls."""
    form = await _form(request)
    if form is None:
        return problem(request, 403)
    days = PERIODS.get(form.get("days", ""), 7)
    share = form.get("share", "5")
    now = time.time()
    asked = pb.CreateSampleRequest(
        since_unix_ms=midnight(now, days - 1),
        until_unix_ms=int(now * 1000) + 1,
        form_id=form.get("form", ""),
        share=int(share) / 100 if share.isdecimal() and len(share) < 4 else -1.0,
        seed=midnight(now),  # the same all day: who presses twice draws the same calls
        with_alerts="alerts" in form,
    )
    stub = client.quality_stub(request.app.state.backend.channel(session.person))
    made = await stub.CreateSample(asked, timeout=DEADLINE_S)
    return RedirectResponse(f"/quality?drawn={len(made.reviews)}", 303)


async def show(request: Request, session: Session) -> Response:
    """Show a review."""
    return await _shown(request, session)


async def _shown(
    request: Request,
    session: Session,
    typed: Fields | None = None,
    refused: grpc.aio.AioRpcError | None = None,
) -> Response:
    """Show a review; what was typed stays where the server has refused it."""
    me = seen(await me_of(request, session))
    name = request.path_params["name"]
    stub = client.quality_stub(request.app.state.backend.channel(session.person))
    found = await stub.GetReview(pb.GetReviewRequest(review_id=name), timeout=DEADLINE_S)
    forms = await stub.ListForms(pb.ListFormsRequest(), timeout=DEADLINE_S)
    form = next((form for form in forms.forms if form.form_id == found.review.form_id), pb.Form())
    state = found.review.state
    mode = "read"
    if me["judge"] and state in _OPEN:
        mode = "save"
    elif me["judge"] and state == pb.Review.STATE_APPEALED:
        mode = "decide"
    elif me["answers"] and state == pb.Review.STATE_SUBMITTED:
        mode = "answer"
    return page(
        request, "review.html", me=me, person=session.person.name, review=_row(found.review), mode=mode,
        questions=_questions(request, form, found, typed), appeal=found.appeal, decision=found.decision,
        typed=typed or {}, refused=(refused.details() or "") if refused is not None else "",
        status=200 if refused is None else status_of(refused),
    )  # fmt: skip


def _questions(
    request: Request, form: pb.Form, found: pb.GetReviewResponse, typed: Fields | None
) -> list[dict[str, Any]]:
    answers = {answer.question_id: answer for answer in found.answers}
    proposed = {one.question_id: one for one in found.proposed}
    rows = []
    for question in form.questions:
        name = question.question_id
        answer = answers.get(name)
        chosen = answer.option_id or "-" if answer is not None else ""
        if typed is not None:
            chosen = typed.get(f"q.{name}", "")
        elif not chosen and name in proposed:
            chosen = proposed[name].option_id
        comment = answer.comment if answer is not None else ""
        rows.append(
            {
                "name": name,
                "text": _text(request, question.texts),
                "weight": f"{question.weight:g}",
                "skip": question.may_be_skipped,
                "options": [
                    (option.option_id, _text(request, option.texts), option.fails)
                    for option in question.options
                ],
                "chosen": chosen,
                "heard": answer is None and name in proposed,
                "comment": typed.get(f"c.{name}", "") if typed is not None else comment,
            }
        )
    return rows


async def save(request: Request, session: Session) -> Response:
    """Keep what a reviewer fills in."""
    return await _kept(request, session, _save)


async def answer(request: Request, session: Session) -> Response:
    """Keep what an agent says."""
    return await _kept(request, session, _answer)


async def decide(request: Request, session: Session) -> Response:
    """Decide an appeal."""
    return await _kept(request, session, _decide)


async def _kept(request: Request, session: Session, work: Any) -> Response:
    form = await _form(request)
    if form is None:
        return problem(request, 403)
    stub = client.quality_stub(request.app.state.backend.channel(session.person))
    try:
        await work(stub, request.path_params["name"], form)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return await _shown(request, session, form, error)
    return RedirectResponse(f"/quality/{request.path_params['name']}", 303)


async def _save(stub: Any, name: str, form: Fields) -> None:
    saved = pb.SaveReviewRequest(review_id=name, answers=_answers(form), submit="submit" in form)
    await stub.SaveReview(saved, timeout=DEADLINE_S)


async def _answer(stub: Any, name: str, form: Fields) -> None:
    appeal = "" if "accept" in form else form.get("appeal", "").strip()
    if not appeal and "accept" not in form:
        return  # an appeal without a word is none
    await stub.AnswerReview(pb.AnswerReviewRequest(review_id=name, appeal=appeal), timeout=DEADLINE_S)


async def _decide(stub: Any, name: str, form: Fields) -> None:
    changed = _answers(form) if "change" in form else []
    decided = pb.DecideAppealRequest(review_id=name, answers=changed, decision=form.get("decision", ""))
    await stub.DecideAppeal(decided, timeout=DEADLINE_S)


def _answers(form: Fields) -> list[pb.ReviewAnswer]:
    return [
        pb.ReviewAnswer(
            question_id=name,
            option_id="" if chosen == "-" else chosen,
            comment=form.get(f"c.{name}", "").strip(),
        )
        for field, chosen in form.items()
        if field.startswith("q.") and (name := field.removeprefix("q."))
    ]


async def _form(request: Request) -> Fields | None:
    """Return the fields of a form of ours; None for anything else."""
    gate: Gate = request.app.state.gate
    return await form_of(request, LONGEST, MOST_FIELDS) if gate.same_origin(request) else None


def _text(request: Request, texts: Any) -> str:
    """Return a text in the person's language, or in another one that is there."""
    language = language_of(request.cookies.get("language"), request.headers.get("accept-language", ""))
    found: Iterable[str] = (texts[name] for name in (language, *sorted(texts)) if name in texts)
    return next(iter(found), "")


ROUTES = [
    Route("/quality", for_people(listing)),
    Route("/quality/sample", for_people(sample), methods=["POST"]),
    Route("/quality/{name}", for_people(show)),
    Route("/quality/{name}/save", for_people(save), methods=["POST"]),
    Route("/quality/{name}/answer", for_people(answer), methods=["POST"]),
    Route("/quality/{name}/decide", for_people(decide), methods=["POST"]),
]
