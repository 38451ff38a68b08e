"""QualityService over gRPC: recorded calls that people judge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import grpc

from cantonese.personal import mask_personal_data
from pipeline.calls.info import CallInfo
from pipeline.calls.overview import CallFilter
from pipeline.config import Settings
from pipeline.errors import InvalidRequest, PermissionDenied, UnknownRecord, UnknownReview
from pipeline.quality.averages import Judged, agreement, averages
from pipeline.quality.reviews import SEEN_BY_AGENTS, Review, Reviews, ReviewState, Stratum
from pipeline.quality.sampling import drawn, judged_twice
from pipeline.quality.scoring import Answer, proposals
from pipeline.record.archive import Archive
from pipeline.record.entries import RecordRow, RecordState
from pipeline.record.reading import transcript
from pipeline.record.service import RecordService
from pipeline.rpc.caller import granted
from pipeline.rpc.quality_messages import (
    REVIEW_STATES,
    answers_of,
    averages_message,
    content_message,
    form_message,
    review_message,
)
from pipeline.rpc.quality_reach import Blind, judged_twice_of, may_see, scored_calls
from pipeline.rpc.record_reach import RecordReach, answered
from pipeline.rpc.scopes import wanted_calls
from pipeline.sections.quality import FormSettings
from yuetone.v1 import quality_service_pb2 as pb
from yuetone.v1 import quality_service_pb2_grpc

USUAL_SHARE, USUAL_LEAST, MOST_LEAST, USUAL_TWICE = 0.05, 2, 100, 0.1
USUAL_LISTED, MOST_LISTED = 100, 1_000
LONGEST_S, LONGEST_AVERAGES_S = 31 * 86_400.0, 366 * 86_400.0
MOST_CALLS = 20_000
FOR_EVER_DAYS = 36_525.0
"""Agents see what was judged of their own calls as long as those are kept."""
_GROUPS: dict[int, Callable[[CallInfo], str | None]] = {
    pb.GetReviewAveragesRequest.GROUP_UNSPECIFIED: lambda _info: None,
    pb.GetReviewAveragesRequest.GROUP_AGENT: lambda info: info.agent_id,
    pb.GetReviewAveragesRequest.GROUP_TEAM: lambda info: info.team,
    pb.GetReviewAveragesRequest.GROUP_QUEUE: lambda info: info.queue,
}
_Context = grpc.aio.ServicerContext[Any, Any]


class QualityServicer(quality_service_pb2_grpc.QualityServiceServicer):
    """The service; for one event loop.

    Args:
        record: of the server.
        settings: of it.
    """

    def __init__(self, record: RecordService, settings: Settings) -> None:
        self._record, self._forms = record, settings.quality.forms
        self._answer_s = settings.quality.answer_days * 86_400.0
        self._reach = RecordReach(record, settings.profiles, FOR_EVER_DAYS)

    async def ListForms(  # noqa: N802 (gRPC method name)
        self, _request: pb.ListFormsRequest, _context: _Context
    ) -> pb.ListFormsResponse:
        """Show the forms; see quality_service.proto."""
        forms = sorted(self._forms.items())
        return pb.ListFormsResponse(forms=[form_message(name, form) for name, form in forms])

    async def CreateSample(  # noqa: N802 (gRPC method name)
        self, request: pb.CreateSampleRequest, context: _Context
    ) -> pb.CreateSampleResponse:
        """Draw calls; see quality_service.proto."""

        async def work() -> pb.CreateSampleResponse:
            self._form(request.form_id)
            share, least = _share(request)
            since, until = request.since_unix_ms / 1000, request.until_unix_ms / 1000
            if not 0 < until - since <= LONGEST_S:
                raise InvalidRequest("since_unix_ms and until_unix_ms: a time of at most 31 days")
            found = await self._reach.listed(
                wanted_calls(request.scope), MOST_CALLS, since=since, until=until
            )
            if len(found) == MOST_CALLS:
                raise InvalidRequest(f"these are {MOST_CALLS} calls or more; draw from a shorter time")
            ended = [row for _archive, row in found if row.state is not RecordState.LIVE and row.utterances]
            agents = [(row.record_id, row.info.agent_id or "") for row in ended]
            random = set(drawn(agents, share=share, least=least, seed=request.seed))
            twice = set(judged_twice(random, share=_twice(request), seed=request.seed))
            alerted = {row.record_id for row in ended if request.with_alerts and row.alerts} - random
            made: list[pb.Review] = []
            for names, stratum in (
                (random, Stratum.RANDOM),
                (alerted, Stratum.ALERTS),
                (twice, Stratum.CALIBRATION),
            ):
                made += await self._drawn([row for row in ended if row.record_id in names], request, stratum)
            return pb.CreateSampleResponse(reviews=made, calls=len(ended))

        return await answered(context, work)

    async def _drawn(
        self, rows: list[RecordRow], request: pb.CreateSampleRequest, stratum: Stratum
    ) -> list[pb.Review]:
        by_name, made = {row.record_id: row for row in rows}, list[pb.Review]()
        for tenant in {row.info.tenant for row in rows}:
            its = [row.record_id for row in rows if row.info.tenant == tenant]
            reviews, who = self._reviews(tenant), granted().principal.id
            for review in await asyncio.to_thread(reviews.draw, its, request.form_id, stratum, who):
                made.append(review_message(review, by_name[review.record_id]))
        return made

    async def ListReviews(  # noqa: N802 (gRPC method name)
        self, request: pb.ListReviewsRequest, context: _Context
    ) -> pb.ListReviewsResponse:
        """Show reviews; see quality_service.proto."""

        async def work() -> pb.ListReviewsResponse:
            limit = request.limit if request.HasField("limit") else USUAL_LISTED
            if not 1 <= limit <= MOST_LISTED or any(state not in REVIEW_STATES for state in request.states):
                raise InvalidRequest(f"limit: 1 to {MOST_LISTED}; states: see Review.State")
            wanted = wanted_calls(request.scope)
            states = {REVIEW_STATES[state] for state in request.states} or set(ReviewState)
            if granted().own_only:
                states &= SEEN_BY_AGENTS
            found: list[pb.Review] = []
            for tenant in self._reach.tenants(wanted.tenant):
                found += await asyncio.to_thread(self._listed, tenant, wanted, states, limit)
            found.sort(key=lambda review: -review.drawn_at_unix_ms)
            return pb.ListReviewsResponse(reviews=found[:limit])

        return await answered(context, work)

    def _listed(
        self, tenant: str | None, wanted: CallFilter, states: Iterable[ReviewState], limit: int
    ) -> list[pb.Review]:
        archive, found = self._record.archive(tenant), list[pb.Review]()
        reviews = self._reviews(tenant)
        blind = Blind(reviews)
        for some in reviews.listed(states):
            rows = archive.rows_of([review.record_id for review in some], wanted)
            found += [
                review_message(blind.seen(review), rows[review.record_id])
                for review in some
                if review.record_id in rows and may_see(review)
            ]
            if len(found) >= limit:
                break
        return found[:limit]

    async def GetReview(  # noqa: N802 (gRPC method name)
        self, request: pb.GetReviewRequest, context: _Context
    ) -> pb.GetReviewResponse:
        """Show one review; see quality_service.proto."""

        async def work() -> pb.GetReviewResponse:
            review, archive, row = await self._found(request.review_id)
            cipher = await asyncio.to_thread(archive.cipher, row)
            blind = await asyncio.to_thread(Blind, self._reviews(row.info.tenant))
            if blind.hides(review):
                raise PermissionDenied("you judge this call too: submit your own review first")
            content = await asyncio.to_thread(self._reviews(row.info.tenant).content, review, cipher)
            answer = content_message(review_message(review, row), content)
            if review.state in (ReviewState.DRAWN, ReviewState.STARTED):
                said = transcript(await self._reach.events(archive, row))
                for one in proposals(self._form(review.form_id), said):
                    answer.proposed.add(
                        question_id=one.question_id,
                        option_id=one.option_id,
                        utterance_id=one.utterance_id or "",
                    )
            return answer

        return await answered(context, work)

    async def GetReviewAverages(  # noqa: N802 (gRPC method name)
        self, request: pb.GetReviewAveragesRequest, context: _Context
    ) -> pb.GetReviewAveragesResponse:
        """Show what reviews come to; see quality_service.proto."""

        async def work() -> pb.GetReviewAveragesResponse:
            self._form(request.form_id)
            since, until = request.since_unix_ms / 1000, request.until_unix_ms / 1000
            if not 0 < until - since <= LONGEST_AVERAGES_S:
                raise InvalidRequest("since_unix_ms and until_unix_ms: a time of at most 366 days")
            wanted, group = wanted_calls(request.scope), _GROUPS.get(request.group_by)
            if group is None:
                raise InvalidRequest("group_by: see GetReviewAveragesRequest.Group")
            scored: list[tuple[str, Review]] = []
            pairs: list[tuple[Judged, Judged]] = []
            for tenant in self._reach.tenants(wanted.tenant):
                reviews, archive = self._reviews(tenant), self._record.archive(tenant)
                found = await asyncio.to_thread(
                    scored_calls, reviews, archive, wanted, request.form_id, since, until
                )
                scored += [(group(row.info) or "", review) for review, row in found]
                pairs += await asyncio.to_thread(judged_twice_of, reviews, archive, found)
            random = [pair for pair in scored if pair[1].stratum is Stratum.RANDOM]
            return averages_message(averages(random), agreement(pairs))

        return await answered(context, work)

    async def SaveReview(  # noqa: N802 (gRPC method name)
        self, request: pb.SaveReviewRequest, context: _Context
    ) -> pb.Review:
        """Keep answers; see quality_service.proto."""

        async def work() -> pb.Review:
            review, archive, row = await self._found(request.review_id)
            who = _judge(row)
            saved = await asyncio.to_thread(
                lambda: self._reviews(row.info.tenant).save(
                    review.id, archive.cipher(row), self._form(review.form_id), answers_of(request.answers),
                    who, submit=request.submit,
                )
            )  # fmt: skip
            return review_message(saved, row)

        return await answered(context, work)

    async def AnswerReview(  # noqa: N802 (gRPC method name)
        self, request: pb.AnswerReviewRequest, context: _Context
    ) -> pb.Review:
        """Keep the agent's word; see quality_service.proto."""

        async def work() -> pb.Review:
            review, archive, row = await self._found(request.review_id)
            appeal = mask_personal_data(request.appeal)
            saved = await asyncio.to_thread(
                lambda: self._reviews(row.info.tenant).answer(review.id, archive.cipher(row), appeal)
            )
            return review_message(saved, row)

        return await answered(context, work)

    async def DecideAppeal(  # noqa: N802 (gRPC method name)
        self, request: pb.DecideAppealRequest, context: _Context
    ) -> pb.Review:
        """Decide an appeal; see quality_service.proto."""

        async def work() -> pb.Review:
            review, archive, row = await self._found(request.review_id)
            answers: list[Answer] | None = answers_of(request.answers) or None
            why, who = mask_personal_data(request.decision), _judge(row)
            saved = await asyncio.to_thread(
                lambda: self._reviews(row.info.tenant).decide(
                    review.id, archive.cipher(row), self._form(review.form_id), answers, why, who
                )
            )
            return review_message(saved, row)

        return await answered(context, work)

    async def _found(self, name: str) -> tuple[Review, Archive, RecordRow]:
        """Return a review within reach, and its call.

        Raises:
            UnknownReview: there is none, or an agent may not see it yet.
        """
        for tenant in self._reach.tenants(granted().tenant(None)):
            try:
                review = await asyncio.to_thread(self._reviews(tenant).review, name)
                archive, row = await self._reach.found(review.record_id)
            except (UnknownReview, UnknownRecord):
                continue
            if may_see(review):
                return review, archive, row
        raise UnknownReview("no review has this id")

    def _form(self, name: str) -> FormSettings:
        form = self._forms.get(name)
        if form is None:
            raise InvalidRequest(f"form_id: there is {', '.join(sorted(self._forms))}")
        return form

    def _reviews(self, tenant: str | None) -> Reviews:
        return Reviews(self._record.stores.of(tenant), self._answer_s)


def _judge(row: RecordRow) -> str:
    """Return the id of whoever judges a call.

    Raises:
        PermissionDenied: it is their own.
    """
    principal = granted().principal
    if row.info.agent_id is not None and row.info.agent_id == principal.agent_id:
        raise PermissionDenied("nobody judges a call of their own")
    return principal.id


def _share(request: pb.CreateSampleRequest) -> tuple[float, int]:
    """Return which share is drawn, and how many calls of an agent at least.

    Raises:
        InvalidRequest: one is out of range.
    """
    share = request.share or USUAL_SHARE
    least = request.least_per_agent if request.HasField("least_per_agent") else USUAL_LEAST
    if not 0 < share <= 1 or not 0 <= least <= MOST_LEAST:
        raise InvalidRequest(f"share: above 0, to 1; least_per_agent: 0 to {MOST_LEAST}")
    return share, least


def _twice(request: pb.CreateSampleRequest) -> float:
    """Return which share of the random calls two people judge.

    Raises:
        InvalidRequest: it is out of range.
    """
    share = request.judged_twice if request.HasField("judged_twice") else USUAL_TWICE
    if not 0 <= share <= 1:
        raise InvalidRequest("judged_twice: 0 to 1")
    return share
