"""Reviews over the wire: from the draw to the decided appeal, and who may do what."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from client import quality_stub
from pipeline.sections.access import AccessRole
from tests.access.provider import Provider
from tests.fakes.engines import SayingEngine
from tests.integration.access import bearer, code, guarded, of_role, recorded
from tests.integration.helpers import running
from tests.record.helpers import profile, section
from yuetone.v1 import quality_service_pb2 as pb

pytestmark = pytest.mark.integration

CALLS = {
    "own": {"company": "bank", "agent_id": "alice"},
    "other": {"company": "bank", "agent_id": "a8"},
    "far": {"company": "telecom", "agent_id": "a9"},
}
ANSWERS = {"greeting": "yes", "identity": "yes", "empathy": "", "answer": "part", "next-step": "yes"}


def _answers(**more: str) -> list[pb.ReviewAnswer]:
    given = {**ANSWERS, **more}
    return [
        pb.ReviewAnswer(question_id=name, option_id=option, comment="打9123 4567找佢")
        for name, option in given.items()
    ]


def _sample(**more: Any) -> pb.CreateSampleRequest:
    now = 1_900_000_000_000
    values = {"since_unix_ms": now - 30 * 86_400_000, "until_unix_ms": now, "form_id": "service", **more}
    return pb.CreateSampleRequest(**values)


async def test_a_review_from_the_draw_to_the_decision(provider: Provider, tmp_path: Path) -> None:
    now = int(time.time() * 1000) + 60_000
    draw = _sample(since_unix_ms=now - 86_400_000, until_unix_ms=now, least_per_agent=5, seed=1)
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen, SayingEngine("早晨，有咩幫到你")) as run:
        await recorded(run, provider, CALLS)
        stub = quality_stub(run.channel)
        quinn = bearer(provider.token("quinn", roles=["quality"], company="bank"))
        sue = bearer(provider.token("sue", roles=["supervisor"], company="bank"))
        alice = bearer(provider.token("alice", roles=["agent"], company="bank", agent="alice"))
        bob = bearer(provider.token("bob", roles=["agent"], company="bank", agent="a8"))
        made = await stub.CreateSample(draw, metadata=quinn)
        assert made.calls == 2
        assert {review.call_id for review in made.reviews} == {"own", "other"}
        assert not (await stub.CreateSample(draw, metadata=quinn)).reviews  # none is drawn twice
        (own,) = [review for review in made.reviews if review.call_id == "own"]
        name = pb.GetReviewRequest(review_id=own.review_id)
        shown = await stub.GetReview(name, metadata=quinn)
        assert {one.question_id: one.option_id for one in shown.proposed}["greeting"] == "yes"
        assert await code(stub.GetReview(name, metadata=alice)) == "NOT_FOUND"  # not yet
        assert not (await stub.ListReviews(pb.ListReviewsRequest(), metadata=alice)).reviews
        save = pb.SaveReviewRequest(review_id=own.review_id, answers=_answers(), submit=True)
        assert await code(stub.SaveReview(save, metadata=alice)) == "PERMISSION_DENIED"
        saved = await stub.SaveReview(save, metadata=quinn)
        assert saved.score == pytest.approx(78.57, abs=0.01)
        (listed,) = (await stub.ListReviews(pb.ListReviewsRequest(), metadata=alice)).reviews
        assert listed.review_id == own.review_id
        assert not (await stub.ListReviews(pb.ListReviewsRequest(), metadata=bob)).reviews
        appeal = pb.AnswerReviewRequest(review_id=own.review_id, appeal="我有講晒")
        for nobody in (bob, quinn):
            assert await code(stub.AnswerReview(appeal, metadata=nobody)) != "ok"
        assert (await stub.AnswerReview(appeal, metadata=alice)).state == pb.Review.STATE_APPEALED
        decide = pb.DecideAppealRequest(
            review_id=own.review_id, answers=_answers(answer="whole"), decision="啱"
        )
        assert await code(stub.DecideAppeal(decide, metadata=quinn)) == "PERMISSION_DENIED"
        both = bearer(provider.token("sam", roles=["supervisor"], company="bank", agent="alice"))
        assert await code(stub.DecideAppeal(decide, metadata=both)) == "PERMISSION_DENIED"  # an own call
        decided = await stub.DecideAppeal(decide, metadata=sue)
        assert (decided.score, decided.state) == (100, pb.Review.STATE_DECIDED)
        whole = await stub.GetReview(name, metadata=alice)
        assert (whole.appeal, whole.decision) == ("我有講晒", "啱")
        assert not any("9123" in answer.comment for answer in whole.answers)
        assert not whole.proposed


async def test_who_may_judge(provider: Provider, tmp_path: Path) -> None:
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen) as run:
        stub = quality_stub(run.channel)
        for role in AccessRole:
            who = of_role(provider, role.value)
            judges = role.value in ("team-lead", "supervisor", "quality")
            wanted = "ok" if judges else "PERMISSION_DENIED"
            assert await code(stub.CreateSample(_sample(), metadata=who)) == wanted, role
            reads = judges or role.value == "agent"
            listed = stub.ListReviews(pb.ListReviewsRequest(), metadata=who)
            assert await code(listed) == ("ok" if reads else "PERMISSION_DENIED"), role
        who = of_role(provider, "quality")
        forms = (await stub.ListForms(pb.ListFormsRequest(), metadata=who)).forms
        assert [(form.form_id, len(form.questions)) for form in forms] == [("service", 5)]
        for bad in (
            _sample(form_id="none"), _sample(share=1.5), _sample(least_per_agent=-1),
            _sample(until_unix_ms=1), _sample(since_unix_ms=1),
        ):  # fmt: skip
            assert await code(stub.CreateSample(bad, metadata=who)) == "INVALID_ARGUMENT"
        for limit in (0, 1_001):
            bad_list = pb.ListReviewsRequest(limit=limit)
            assert await code(stub.ListReviews(bad_list, metadata=who)) == "INVALID_ARGUMENT"
        assert await code(stub.GetReview(pb.GetReviewRequest(review_id="x"), metadata=who)) == "NOT_FOUND"


async def test_averages_and_the_agreement_of_two_people(provider: Provider, tmp_path: Path) -> None:
    now = int(time.time() * 1000) + 60_000
    draw = _sample(since_unix_ms=now - 86_400_000, until_unix_ms=now, least_per_agent=5, judged_twice=1.0)
    chosen = guarded(
        provider, record=section(tmp_path), profiles=profile(), audit={"folder": tmp_path / "audit"}
    )
    async with running(chosen, SayingEngine("早晨，有咩幫到你")) as run:
        await recorded(run, provider, CALLS)
        stub = quality_stub(run.channel)
        quinn, otto = (bearer(provider.token(name, roles=["quality"], company="bank")) for name in ("q", "o"))
        alice = bearer(provider.token("alice", roles=["agent"], company="bank", agent="alice"))
        made = (await stub.CreateSample(draw, metadata=quinn)).reviews
        second = pb.Review.STRATUM_CALIBRATION
        (first,) = [one for one in made if one.call_id == "own" and one.stratum != second]
        (twin,) = [one for one in made if one.call_id == "own" and one.stratum == second]
        start = pb.SaveReviewRequest(review_id=twin.review_id, answers=_answers(answer="whole"))
        await stub.SaveReview(start, metadata=otto)
        save = pb.SaveReviewRequest(review_id=first.review_id, answers=_answers(), submit=True)
        await stub.SaveReview(save, metadata=quinn)
        asked = pb.GetReviewRequest(review_id=first.review_id)
        assert (
            await code(stub.GetReview(asked, metadata=otto)) == "PERMISSION_DENIED"
        )  # not before the own one
        listed = (await stub.ListReviews(pb.ListReviewsRequest(), metadata=otto)).reviews
        assert not any(one.HasField("score") for one in listed)
        start.submit = True
        await stub.SaveReview(start, metadata=otto)
        assert (await stub.GetReview(asked, metadata=otto)).answers
        seen = (await stub.ListReviews(pb.ListReviewsRequest(), metadata=alice)).reviews
        assert [one.review_id for one in seen] == [first.review_id]
        hidden = pb.GetReviewRequest(review_id=twin.review_id)
        assert await code(stub.GetReview(hidden, metadata=alice)) == "NOT_FOUND"
        wanted = pb.GetReviewAveragesRequest(
            form_id="service", since_unix_ms=now - 86_400_000, until_unix_ms=now,
            group_by=pb.GetReviewAveragesRequest.GROUP_AGENT,
        )  # fmt: skip
        found = await stub.GetReviewAverages(wanted, metadata=quinn)
        assert [(one.group, one.count, round(one.mean, 1)) for one in found.averages] == [
            ("", 1, 78.6), ("alice", 1, 78.6),
        ]  # fmt: skip
        assert (found.pairs, found.same_answers) == (1, 0.8)
        assert found.score_difference == pytest.approx(21.43, abs=0.01)
        own = await stub.GetReviewAverages(wanted, metadata=alice)
        assert (len(own.averages), own.pairs) == (2, 0)
        elsewhere = bearer(provider.token("t", roles=["quality"], company="telecom"))
        assert not (await stub.GetReviewAverages(wanted, metadata=elsewhere)).averages
        wanted.since_unix_ms = 1
        assert await code(stub.GetReviewAverages(wanted, metadata=quinn)) == "INVALID_ARGUMENT"
