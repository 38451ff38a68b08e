"""Beside the third stage: what the agent could reply. Where it fails, the call goes on without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from cantonese.personal import mask_personal_data
from diarization import Role
from pipeline.advice.hub import KnowledgeHub
from pipeline.events import TranscriptEvent
from pipeline.stages.context import CallContext
from pipeline.stages.desk import DraftDesk
from pipeline.stages.heard import Answered, Heard, Partly
from pipeline.stages.inbox import Inbox, TurnInbox
from pipeline.stages.ingest import Close
from pipeline.suggestions import SuggestionEvent
from suggest.base import CHINESE, Hit, Language, SearchResult, today
from suggest.dialogue.board import Board, Shown, State
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

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviseSettings:
    """What the stage needs from the server.

    Attributes:
        hub: the knowledge base; None where nothing is suggested.
        affect: is told whether questions had an answer; None if nobody wants to know.
    """

    hub: KnowledgeHub | None
    affect: Inbox | None = None


@dataclass(slots=True, kw_only=True)
class _Partial:
    """What was looked up last of an open utterance."""

    utterance_id: str = ""
    text: str = ""


class Advise:
    """Runs the stage for one call.

    Args:
        context: of the call.
        settings: from the server.
    """

    def __init__(self, context: CallContext, settings: AdviseSettings) -> None:
        self._context = context
        self._settings = settings
        wanted = context.profile.suggestions
        self._hub = settings.hub if wanted.enabled else None
        self._tenant = context.spec.tenant or ""
        self._board = Board()
        self._conversation: Conversation | None = None
        if self._hub is not None:
            start: Language = "en" if context.language.startswith("en") else CHINESE
            self._conversation = Conversation(self._hub.base.lexicon, start)
            if wanted.language != "follow":
                self._conversation.language.lock(wanted.language)
        self._partials: dict[int, _Partial] = {}
        self._hasty: dict[str, tuple[str, str]] = {}  # utterance -> article of its partial; one a channel
        self._shown: dict[str, SuggestionEvent] = {}  # by id, what is shown now; bounded by the board
        self._desk = DraftDesk(context, self._hub, self._reword)
        self._failed = False

    @property
    def active(self) -> bool:
        """Whether this call gets suggestions."""
        return self._hub is not None and not self._failed

    async def run(self, inbox: TurnInbox) -> None:
        """Work until every channel is closed."""
        left = len(self._context.spec.roles)
        try:
            async with asyncio.TaskGroup() as tasks:
                while left:
                    channel, item = await inbox.get()
                    if isinstance(item, Close):
                        left -= 1
                    elif self.active:
                        await self._guarded(channel, item, tasks)
                self._desk.stop()
        finally:
            self._context.metrics.dropped.labels("advise").inc(inbox.dropped)

    async def _guarded(self, channel: int, item: Heard | Partly, tasks: asyncio.TaskGroup) -> None:
        try:
            if isinstance(item, Heard):
                await self._said(channel, item.final, tasks)
            else:
                await self._partly(channel, item.partial)
        except Exception as error:  # noqa: BLE001 (an assisting stage never breaks the call)
            self._failed = True
            self._tell(self._board.drop(self._board.articles()), channel, self._context.acked)
            self._context.metrics.failures.labels("advise").inc()
            _log.error("advise failed", call=self._context.spec.call_id, error=type(error).__name__)
            self._context.warn(
                "SUGGESTIONS_FAILED", "suggestions of this call have stopped; the call goes on"
            )

    # ---------------------------------------------------------------- turns

    async def _said(self, channel: int, final: TranscriptEvent, tasks: asyncio.TaskGroup) -> None:
        conversation, hub = self._conversation, self._hub
        self._partials.pop(channel, None)
        if conversation is None or hub is None:
            return
        answered = False
        if final.text and final.role is Role.AGENT:
            conversation.agent_said(final.text)
            said = await hub.think(self._already_said, conversation, self._proposed())
            self._tell(self._board.said(said), channel, final.end)
        elif final.text:
            answered = await self._asked(conversation, hub, final, tasks)
        hasty = self._hasty.pop(final.utterance_id, None)
        if hasty is not None and not answered:
            self._tell(self._board.drop([hasty]), channel, final.end)

    async def _asked(
        self, conversation: Conversation, hub: KnowledgeHub, final: TranscriptEvent, tasks: asyncio.TaskGroup
    ) -> bool:
        """Look up what a customer, or somebody unknown, has said; return whether there is an answer."""
        asked = await hub.think(conversation.asked, final.text)
        if final.role is Role.CUSTOMER:  # on a mixed channel it may be the agent: follow nobody's language
            conversation.customer_said(final.text)
        elif not asked.question:
            return False
        if not asked.telling or hub.empty:
            return False
        result = await self._look_up(asked)
        if not result.answered:
            self._unanswered(final, asked, result)
            return False
        if asked.question:
            self._settle(final.channel, final.end, failed=False)
        await self._show(final.channel, final, result.hits)
        best = next((item for item in self._proposed() if self._to_be_worded(item, final)), None)
        if best is not None:
            self._desk.begin(best, result.hits, conversation.recent(), conversation.known, tasks)
        return True

    @staticmethod
    def _to_be_worded(item: Shown, final: TranscriptEvent) -> bool:
        return (item.rank, item.utterance_id, item.draft.written_by) == (1, final.utterance_id, "article")

    async def _partly(self, channel: int, partial: TranscriptEvent) -> None:
        """Suggest while the customer still speaks, where that is certain enough."""
        conversation, hub = self._conversation, self._hub
        if conversation is None or hub is None or hub.empty or not self._context.profile.suggestions.partials:
            return
        if partial.role is not Role.CUSTOMER or not partial.text:
            return
        before = self._partials.get(channel, _Partial())
        known = before.text if before.utterance_id == partial.utterance_id else ""
        if hub.busy or len(partial.text) < len(known) + FRESH:
            return
        self._partials[channel] = _Partial(utterance_id=partial.utterance_id, text=partial.text)
        asked = await hub.think(conversation.asked, partial.text)
        if not asked.telling:
            return
        result = await self._look_up(asked)
        if result.answered and result.hits[0].confidence >= SURE_ENOUGH:
            await self._add(channel, partial, result.hits[0])

    async def _look_up(self, asked: Asked) -> SearchResult:
        if self._hub is None:
            return SearchResult(answered=False, hits=())
        tenants = tuple(dict.fromkeys(("", self._tenant)))
        wanted = Search(text=asked.text, before=asked.before, tenants=tenants, day=today())
        found = await self._hub.search(wanted, self._tenant)
        if not asked.question:
            sure = found.answered and found.hits[0].confidence >= STATEMENT
            return replace(found, answered=sure)
        if found.answered or not asked.answers:
            return found
        again = await self._hub.search(replace(wanted, before=asked.answers), self._tenant)
        return again if again.answered else found

    def _unanswered(self, final: TranscriptEvent, asked: Asked, result: SearchResult) -> None:
        """Keep a question that nothing answers for the list of what to write next."""
        if not asked.question or self._hub is None or final.role is not Role.CUSTOMER:
            return
        self._settle(final.channel, final.end, failed=True)
        call = (self._context.spec.call_id, self._tenant)
        self._hub.unanswered(call, final.utterance_id, final.text, self._reply_language, result.hits[:1])

    def _settle(self, channel: int, at: int, *, failed: bool) -> None:
        if self._settings.affect is not None:
            self._settings.affect.offer(channel, Answered(failed=failed, at=at))

    # ---------------------------------------------------------------- showing

    @property
    def _reply_language(self) -> Language:
        return self._conversation.language.language if self._conversation else CHINESE

    async def _show(self, channel: int, turn: TranscriptEvent, hits: Sequence[Hit]) -> None:
        """Show the hits that are good enough and were not said already."""
        conversation, hub = self._conversation, self._hub
        if conversation is None or hub is None:
            return
        least = hub.base.threshold * SECOND_BEST
        most = self._context.profile.suggestions.most
        good = [hit for place, hit in enumerate(hits[:most]) if place == 0 or hit.confidence >= least]
        fresh = await hub.think(_unsaid, conversation, good)
        drafts = [drafted(hit, self._reply_language, conversation.known) for hit in fresh]
        changed = self._board.show(turn.utterance_id, drafts)
        self._tell(changed, channel, turn.end, mask_personal_data(turn.text))
        if any(shown.state is State.PROPOSED for shown in changed):
            latency = self._context.arrivals[channel].since(turn.end)
            if turn.final and latency is not None:
                self._context.metrics.suggestion_latency.observe(latency)

    async def _add(self, channel: int, partial: TranscriptEvent, hit: Hit) -> None:
        """Show what a partial asks for, beside what is shown already."""
        conversation, hub = self._conversation, self._hub
        if conversation is None or hub is None or not await hub.think(_unsaid, conversation, [hit]):
            return
        draft = drafted(hit, self._reply_language, conversation.known)
        added = self._board.add(partial.utterance_id, draft)
        if added:
            self._hasty[partial.utterance_id] = draft.article
        self._tell(added, channel, partial.end, mask_personal_data(partial.text))

    def _proposed(self) -> list[Shown]:
        return [event.shown for event in self._shown.values()]

    @staticmethod
    def _already_said(conversation: Conversation, shown: Iterable[Shown]) -> list[tuple[str, str]]:
        return [
            item.draft.article for item in shown if conversation.has_said(tuple(item.draft.wordings.values()))
        ]

    def _tell(self, changed: Iterable[Shown], channel: int, at: int, question: str = "") -> None:
        for shown in changed:
            event = SuggestionEvent(shown=shown, channel=channel, at=at)
            if shown.state is State.PROPOSED:
                self._shown[shown.id] = event
                if self._hub is not None:
                    self._hub.tell(self._context.spec.call_id, self._tenant, shown, question)
            else:
                self._shown.pop(shown.id, None)
            self._context.metrics.suggestions.labels(shown.state.value).inc()
            self._context.emit(event)

    def _reword(self, suggestion_id: str, draft: Draft) -> None:
        """Show a suggestion in the language model's words, if it is still shown."""
        event = self._shown.get(suggestion_id)
        if event is not None:
            wanted = in_language(draft, self._reply_language)
            self._tell(self._board.revise(suggestion_id, wanted), event.channel, event.at)

    # ---------------------------------------------------------------- the agent

    def set_language(self, language: Language | None) -> Language:
        """Stay with a language for replies, or follow the customer again; return what is in use."""
        if self._conversation is None:
            return CHINESE
        self._conversation.language.lock(language)
        for event in list(self._shown.values()):
            draft = in_language(event.shown.draft, self._reply_language)
            if draft.language != event.shown.draft.language:
                self._tell(self._board.revise(event.shown.id, draft), event.channel, event.at)
        return self._reply_language

    def refused(self, article: tuple[str, str]) -> None:
        """The agent does not want to see an article in this call."""
        gone = self._board.reject(article)
        for shown in gone:
            event = self._shown[shown.id]
            self._tell([shown], event.channel, event.at)


def _unsaid(conversation: Conversation, hits: Sequence[Hit]) -> list[Hit]:
    return [hit for hit in hits if not conversation.has_said((hit.article.answer_zh, hit.article.answer_en))]
