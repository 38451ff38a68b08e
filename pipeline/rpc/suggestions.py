"""SuggestionService over gRPC, and suggestions in their wire form."""

from __future__ import annotations

import contextlib
from typing import Any

import grpc

from cantonese.characters import to_traditional
from pipeline.calls.commands import RefuseArticle, SetReplyLanguage
from pipeline.calls.directory import CallDirectory
from pipeline.calls.events import SuggestionEvent
from pipeline.errors import CallError, InvalidRequest, UnknownCall
from pipeline.knowledge.service import KnowledgeService
from pipeline.rpc.caller import granted
from pipeline.rpc.convert import milliseconds
from pipeline.rpc.status import details_of, status_of
from suggest.base import CHINESE, ENGLISH, ArticleHit, Language, today
from suggest.dialogue.active import Reason, State
from suggest.dialogue.drafting import Source, source_of
from suggest.retrieval.searcher import Search
from yuetone.v1 import assist_pb2, suggestion_service_pb2_grpc
from yuetone.v1 import suggestion_service_pb2 as pb

LONGEST_QUERY = 500
USUAL_HITS, MOST_HITS = 3, 20
_Context = grpc.aio.ServicerContext[Any, Any]
_ACTIONS = {
    pb.SubmitFeedbackRequest.ACTION_SHOWN: "shown",
    pb.SubmitFeedbackRequest.ACTION_COPIED: "copied",
    pb.SubmitFeedbackRequest.ACTION_EDITED: "edited",
    pb.SubmitFeedbackRequest.ACTION_DISMISSED: "dismissed",
    pb.SubmitFeedbackRequest.ACTION_WRONG: "wrong",
}
_STATES = {
    State.PROPOSED: assist_pb2.Suggestion.STATE_PROPOSED,
    State.WITHDRAWN: assist_pb2.Suggestion.STATE_WITHDRAWN,
}
_REASONS = {
    Reason.NONE: assist_pb2.Suggestion.REASON_UNSPECIFIED,
    Reason.REPLACED: assist_pb2.Suggestion.REASON_REPLACED,
    Reason.SAID: assist_pb2.Suggestion.REASON_SAID,
    Reason.REJECTED: assist_pb2.Suggestion.REASON_REJECTED,
}


class SuggestionServicer(suggestion_service_pb2_grpc.SuggestionServiceServicer):
    """The service; for one event loop.

    Args:
        knowledge: the knowledge base.
        calls: all calls.
    """

    def __init__(self, knowledge: KnowledgeService, calls: CallDirectory) -> None:
        self._knowledge = knowledge
        self._calls = calls

    async def SubmitFeedback(  # noqa: N802 (gRPC method name)
        self, request: pb.SubmitFeedbackRequest, context: _Context
    ) -> pb.SubmitFeedbackResponse:
        """Take what an agent did; see suggestion_service.proto."""
        try:
            action = _ACTIONS.get(request.action)
            if action is None:
                raise InvalidRequest("action must be SHOWN, COPIED, EDITED, DISMISSED or WRONG")
            after = request.after_ms if request.HasField("after_ms") else None
            reach = granted().reach
            shown = self._knowledge.shown(request.call_id, request.suggestion_id, reach)
            self._knowledge.feedback(request.suggestion_id, shown, action, request.edited_text, after)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        if action in ("dismissed", "wrong"):
            with contextlib.suppress(UnknownCall):  # it has ended meanwhile
                await self._calls.send(request.call_id, RefuseArticle(article=shown.article), reach)
        return pb.SubmitFeedbackResponse()

    async def SetReplyLanguage(  # noqa: N802 (gRPC method name)
        self, request: pb.SetReplyLanguageRequest, context: _Context
    ) -> pb.SetReplyLanguageResponse:
        """Choose the language of replies; see suggestion_service.proto."""
        try:
            if request.HasField("language") and request.language not in (CHINESE, ENGLISH):
                raise InvalidRequest("language must be zh-Hant or en, or absent")
            wanted: Language | None = None
            if request.HasField("language"):
                wanted = ENGLISH if request.language == ENGLISH else CHINESE
            command = SetReplyLanguage(language=wanted)
            in_use = await self._calls.send(request.call_id, command, granted().reach)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.SetReplyLanguageResponse(language=str(in_use))

    async def SearchArticles(  # noqa: N802 (gRPC method name)
        self, request: pb.SearchArticlesRequest, context: _Context
    ) -> pb.SearchArticlesResponse:
        """Look something up; see suggestion_service.proto."""
        try:
            limit = request.limit if request.HasField("limit") else USUAL_HITS
            if not 1 <= len(request.query.strip()) <= LONGEST_QUERY or not 1 <= limit <= MOST_HITS:
                raise InvalidRequest(
                    f"query must have 1 to {LONGEST_QUERY} characters, and limit be 1 to {MOST_HITS}"
                )
            tenant = granted().tenant(request.tenant or None) or ""
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        wanted = Search(text=request.query, tenant=tenant, day=today(), limit=limit)
        found = await self._knowledge.search(wanted)
        return pb.SearchArticlesResponse(answered=found.answered, hits=[_hit(hit) for hit in found.hits])


def _hit(hit: ArticleHit) -> pb.ArticleHit:
    article = hit.article
    questions = {CHINESE: to_traditional(article.question_zh), ENGLISH: article.question_en}
    answers = {CHINESE: to_traditional(article.answer_zh), ENGLISH: article.answer_en}
    return pb.ArticleHit(
        source=_source(source_of(article, CHINESE)),
        confidence=hit.confidence,
        questions={language: text for language, text in questions.items() if text},
        answers={language: text for language, text in answers.items() if text},
    )


def suggestion(event: SuggestionEvent) -> assist_pb2.Suggestion:
    """Return a suggestion in its wire form."""
    shown, draft = event.shown, event.shown.draft
    return assist_pb2.Suggestion(
        suggestion_id=shown.id,
        utterance_id=shown.utterance_id,
        language=draft.language,
        text=draft.text,
        sources=[_source(source) for source in draft.sources],
        confidence=draft.confidence,
        state=_STATES[shown.state],
        revision=shown.revision,
        rank=shown.rank,
        wordings=draft.wordings,
        written_by=draft.written_by,
        reason=_REASONS[shown.reason],
        channel=event.channel,
        at_ms=milliseconds(event.at),
    )


def _source(source: Source) -> assist_pb2.SuggestionSource:
    return assist_pb2.SuggestionSource(
        article_id=source.article_id,
        title=source.title,
        uri=source.uri or None,
        place=source.place or None,
    )
