"""Suggestions, beside the third stage: what the agent could reply. Where it fails, the call goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from cantonese.personal import without_masks
from diarization import Role
from pipeline.calls.commands import CommandMessage, RefuseArticle, SetReplyLanguage
from pipeline.calls.events import SuggestionEvent, TranscriptEvent
from pipeline.errors import InvalidRequest
from pipeline.knowledge.service import KnowledgeService
from pipeline.stages.context import CallContext
from pipeline.stages.draft_runner import DraftRunner
from pipeline.stages.inboxes import TurnInbox
from pipeline.stages.items import Close, FinalReady, LookupOutcome, PartialReady
from suggest.base import CHINESE, ArticleHit, Language, SearchResult, today
from suggest.dialogue.active import ActiveSuggestion, ActiveSuggestions, Reason, State
from suggest.dialogue.conversation import Asked, Conversation
from suggest.dialogue.drafting import Draft, drafted, in_language
from suggest.retrieval.searcher import Search

SECOND_BEST = 0.5
"""Share of the threshold from which a second and third hit are shown beside a good first one (own choice)."""
SURE_ENOUGH = 0.85
"""Confidence from which a partial's hit is shown; its final may still take it back (own choice)."""

STATEMENT = 0.7
"""Confidence that a hit needs where nothing was asked: people tell much that touches an article."""
FRESH = 4
"""Characters that a partial must have more than the one looked up before."""

NO_SUGGESTIONS = "this call gets no suggestions"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionTools:
    """What the stage needs.

    Attributes:
        knowledge: the knowledge base of the server.
        outcome: is told, by channel, whether a question had an answer.
    """

    knowledge: KnowledgeService
    outcome: Callable[[int, LookupOutcome], None]


@dataclass(slots=True, kw_only=True)
class _Partial:
    """What was looked up last of an open utterance."""

    utterance_id: str = ""
    text: str = ""


class Suggestions(Protocol):
    """Gives calls what suggests replies to them."""

    def stage(
        self, context: CallContext, outcome: Callable[[int, LookupOutcome], None]
    ) -> SuggestionStage | NoSuggestions:
        """Return the stage of a call; ``outcome`` is told, by channel, whether a question had an answer."""
        ...


class NoSuggestions:
    """The stage of a call that gets no suggestions: it refuses what is asked of them.

    Args:
        channels: of the call.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels

    async def run(self, inbox: TurnInbox) -> None:
        """Wait until every channel is closed."""
        left = self._channels
        while left:
            _channel, item = await inbox.get()
            left -= isinstance(item, Close)
            if isinstance(item, CommandMessage):
                item.refuse(InvalidRequest(NO_SUGGESTIONS))


class SuggestionsOff:
    """:class:`Suggestions` where they are turned off."""

    def stage(
        self, context: CallContext, outcome: Callable[[int, LookupOutcome], None]
    ) -> SuggestionStage | NoSuggestions:
        """Return a stage that suggests nothing."""
        return NoSuggestions(len(context.spec.roles))


class KnowledgeSuggestions:
    """:class:`Suggestions` from a knowledge base, for the profiles that want them.

    Args:
        knowledge: the knowledge base of the server.
    """

    def __init__(self, knowledge: KnowledgeService) -> None:
        self._knowledge = knowledge

    def stage(
        self, context: CallContext, outcome: Callable[[int, LookupOutcome], None]
    ) -> SuggestionStage | NoSuggestions:
        """Return the stage of a call."""
        if not context.profile.suggestions.enabled:
            return NoSuggestions(len(context.spec.roles))
        return SuggestionStage(context, SuggestionTools(knowledge=self._knowledge, outcome=outcome))


class SuggestionStage:
    """Runs the stage for one call.

    Args:
        context: of the call.
        tools: to work with.
    """

    def __init__(self, context: CallContext, tools: SuggestionTools) -> None:
        self._context = context
        self._tools = tools
        self._knowledge = tools.knowledge
        self._info = context.spec.info
        self._active = ActiveSuggestions(context.spec.first_id)
        wanted = context.profile.suggestions
        start: Language = "en" if context.controls.language.now.startswith("en") else CHINESE
        self._conversation = Conversation(self._knowledge.base.lexicon, start)
        if wanted.language != "follow":
            self._conversation.language.lock(wanted.language)
        self._partials: dict[int, _Partial] = {}
        self._hasty: dict[str, tuple[str, str]] = {}  # utterance -> article of its partial; one a channel
        self._shown: dict[str, SuggestionEvent] = {}  # by id, what is shown now; bounded by the active ones
        self._drafts = DraftRunner(context, self._knowledge, self._reword)
        self._failed = False

    async def run(self, inbox: TurnInbox) -> None:
        """Work until every channel is closed."""
        left = len(self._context.spec.roles)
        try:
            async with asyncio.TaskGroup() as tasks:
                while left:
                    channel, item = await inbox.get()
                    if isinstance(item, Close):
                        left -= 1
                    elif isinstance(item, CommandMessage):
                        self._command(item)
                    elif not self._failed:
                        await self._guarded(channel, item, tasks)
                self._drafts.stop()
        finally:
            self._context.metrics.dropped.labels("suggestions").inc(inbox.dropped)

    async def _guarded(self, channel: int, item: FinalReady | PartialReady, tasks: asyncio.TaskGroup) -> None:
        try:
            if isinstance(item, FinalReady):
                await self._said(channel, item.final, tasks)
            else:
                await self._partly(channel, item.partial)
        except Exception as error:  # noqa: BLE001 (an assisting stage never breaks the call)
            self._failed = True
            self._tell(self._active.drop(self._active.articles()), channel, self._context.progress.received)
            self._context.metrics.failures.labels("suggestions").inc()
            _log.error("suggestions failed", call=self._info.call_id, error=type(error).__name__)
            self._context.output.warn(
                "SUGGESTIONS_FAILED", "suggestions of this call have stopped; the call goes on"
            )

    # ---------------------------------------------------------------- turns

    async def _said(self, channel: int, final: TranscriptEvent, tasks: asyncio.TaskGroup) -> None:
        self._partials.pop(channel, None)
        answered = False
        if final.text and final.role is Role.AGENT:
            self._conversation.agent_said(final.text)
            said = await self._knowledge.think(_already_said, self._conversation, self._proposed())
            self._tell(self._active.said(said), channel, final.end)
        elif final.text:
            answered = await self._asked(final, tasks)
        hasty = self._hasty.pop(final.utterance_id, None)
        if hasty is not None and not answered:
            self._tell(self._active.drop([hasty]), channel, final.end)

    async def _asked(self, final: TranscriptEvent, tasks: asyncio.TaskGroup) -> bool:
        """Look up what a customer, or somebody unknown, has said; return whether there is an answer."""
        asked = await self._knowledge.think(self._conversation.asked, without_masks(final.text))
        if final.role is Role.CUSTOMER:  # on a mixed channel it may be the agent: follow nobody's language
            self._conversation.customer_said(final.text)
        elif not asked.question:
            return False
        if not _worth_looking_up(asked, final) or self._knowledge.empty:
            return False
        result = await self._look_up(asked)
        if not result.answered:
            self._unanswered(final, asked, result)
            return False
        if asked.question:
            self._tools.outcome(final.channel, LookupOutcome(failed=False, at=final.end))
        await self._show(final.channel, final, result.hits)
        best = next((item for item in self._proposed() if _to_be_worded(item, final)), None)
        if best is not None:
            recent, known = self._conversation.recent(), self._conversation.known
            self._drafts.begin(best, result.hits, recent, known, tasks)
        return True

    async def _partly(self, channel: int, partial: TranscriptEvent) -> None:
        """Suggest while the customer still speaks, where that is certain enough."""
        knowledge = self._knowledge
        if knowledge.empty or not self._context.profile.suggestions.partials:
            return
        if partial.role is not Role.CUSTOMER or not partial.text:
            return
        before = self._partials.get(channel, _Partial())
        known = before.text if before.utterance_id == partial.utterance_id else ""
        if knowledge.busy or len(partial.text) < len(known) + FRESH:
            return
        self._partials[channel] = _Partial(utterance_id=partial.utterance_id, text=partial.text)
        asked = await knowledge.think(self._conversation.asked, without_masks(partial.text))
        if not _worth_looking_up(asked, partial):
            return
        result = await self._look_up(asked)
        if result.answered and result.hits[0].confidence >= SURE_ENOUGH:
            await self._add(channel, partial, result.hits[0])

    async def _look_up(self, asked: Asked) -> SearchResult:
        tenant = self._info.tenant or ""
        wanted = Search(text=asked.text, before=asked.before, tenant=tenant, day=today())
        found = await self._knowledge.search(wanted)
        if not asked.question:
            sure = found.answered and found.hits[0].confidence >= STATEMENT
            return replace(found, answered=sure)
        if found.answered or not asked.answers:
            return found
        again = await self._knowledge.search(replace(wanted, before=asked.answers))
        return again if again.answered else found

    def _unanswered(self, final: TranscriptEvent, asked: Asked, result: SearchResult) -> None:
        """Keep a question that nothing answers for the list of what to write next."""
        if not asked.question or final.role is not Role.CUSTOMER:
            return
        self._tools.outcome(final.channel, LookupOutcome(failed=True, at=final.end))
        self._knowledge.unanswered(
            self._info, final.utterance_id, final.text, self._reply_language, result.hits[:1]
        )

    # ---------------------------------------------------------------- showing

    @property
    def _reply_language(self) -> Language:
        return self._conversation.language.language

    async def _show(self, channel: int, turn: TranscriptEvent, hits: Sequence[ArticleHit]) -> None:
        """Show the hits that are good enough and were not said already."""
        least = self._knowledge.base.threshold * SECOND_BEST
        most = self._context.profile.suggestions.most
        good = [hit for place, hit in enumerate(hits[:most]) if place == 0 or hit.confidence >= least]
        fresh = await self._knowledge.think(_unsaid, self._conversation, good)
        drafts = [drafted(hit, self._reply_language, self._conversation.known) for hit in fresh]
        changed = self._active.show(turn.utterance_id, drafts)
        self._tell(changed, channel, turn.end, turn.text)
        if any(shown.state is State.PROPOSED for shown in changed):
            latency = self._context.progress.channels[channel].arrivals.since(turn.end)
            if turn.final and latency is not None:
                self._context.metrics.suggestion_latency.observe(latency)
                self._context.trace.note("suggestion", latency, channel=channel, articles=len(changed))

    async def _add(self, channel: int, partial: TranscriptEvent, hit: ArticleHit) -> None:
        """Show what a partial asks for, beside what is shown already."""
        if not await self._knowledge.think(_unsaid, self._conversation, [hit]):
            return
        draft = drafted(hit, self._reply_language, self._conversation.known)
        added = self._active.add(partial.utterance_id, draft)
        if added:
            self._hasty[partial.utterance_id] = draft.article
        self._tell(added, channel, partial.end, partial.text)

    def _proposed(self) -> list[ActiveSuggestion]:
        return [event.shown for event in self._shown.values()]

    def _tell(self, changed: Iterable[ActiveSuggestion], channel: int, at: int, question: str = "") -> None:
        for shown in changed:
            event = SuggestionEvent(shown=shown, channel=channel, at=at)
            if shown.state is State.PROPOSED:
                self._shown[shown.id] = event
                self._knowledge.remember(self._info, shown, question)
            else:
                self._shown.pop(shown.id, None)
                if shown.reason is Reason.SAID:
                    self._knowledge.said(self._info, shown.id)
            metrics = self._context.metrics
            metrics.suggestions.labels(shown.state.value, metrics.company(self._info.tenant)).inc()
            self._context.output.emit(event)

    def _reword(self, suggestion_id: str, draft: Draft) -> None:
        """Show a suggestion in the language model's words, if it is still shown."""
        event = self._shown.get(suggestion_id)
        if event is not None:
            wanted = in_language(draft, self._reply_language)
            self._tell(self._active.revise(suggestion_id, wanted), event.channel, event.at)

    # ---------------------------------------------------------------- the agent

    def _command(self, message: CommandMessage) -> None:
        match message.command:
            case SetReplyLanguage() if self._failed:
                message.refuse(InvalidRequest(NO_SUGGESTIONS))
            case SetReplyLanguage(language=language):
                message.answer(self._set_language(language))
            case RefuseArticle(article=article):
                self._refused(article)
                message.answer()

    def _set_language(self, language: Language | None) -> Language:
        """Stay with a language for replies, or follow the customer again; return what is in use."""
        self._conversation.language.lock(language)
        for event in list(self._shown.values()):
            draft = in_language(event.shown.draft, self._reply_language)
            if draft.language != event.shown.draft.language:
                self._tell(self._active.revise(event.shown.id, draft), event.channel, event.at)
        return self._reply_language

    def _refused(self, article: tuple[str, str]) -> None:
        """Take away what is shown of an article, and show it no more in this call."""
        for shown in self._active.reject(article):
            event = self._shown[shown.id]
            self._tell([shown], event.channel, event.at)


def _unsaid(conversation: Conversation, hits: Sequence[ArticleHit]) -> list[ArticleHit]:
    return [hit for hit in hits if not conversation.has_said((hit.article.answer_zh, hit.article.answer_en))]


def _worth_looking_up(asked: Asked, turn: TranscriptEvent) -> bool:
    """Tell whether an article may answer a turn: not where it gives somebody's data and asks nothing."""
    return asked.telling and (asked.question or not turn.masks)


def _already_said(conversation: Conversation, shown: Iterable[ActiveSuggestion]) -> list[tuple[str, str]]:
    return [
        item.draft.article for item in shown if conversation.has_said(tuple(item.draft.wordings.values()))
    ]


def _to_be_worded(item: ActiveSuggestion, final: TranscriptEvent) -> bool:
    return (item.rank, item.utterance_id, item.draft.written_by) == (1, final.utterance_id, "article")
