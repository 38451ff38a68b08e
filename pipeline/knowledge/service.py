"""The knowledge base of a server: searched by all calls, following its store, keeping what agents did."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from pipeline.calls.info import CallInfo
from pipeline.calls.reach import CallReach
from pipeline.errors import InvalidRequest, SettingsError
from pipeline.knowledge.importing import ImportReport, read_import, write_import
from pipeline.knowledge.report import KnowledgeReport, report_of
from pipeline.knowledge.shown import (
    ShownSuggestion,
    ShownSuggestions,
    checked,
    feedback_of,
    unanswered,
)
from pipeline.metrics import Metrics
from suggest.base import ArticleHit, KnowledgeError, SearchResult, SuggestError
from suggest.dialogue.active import ActiveSuggestion
from suggest.knowledge import KnowledgeBase
from suggest.llm.writer import Writer
from suggest.reading.base import Options
from suggest.retrieval.searcher import Search
from suggest.store.record import SAID, Feedback, Question

UNSAVED = 2_000
"""Rows that wait for the store. When full, further ones are left out and counted."""
BUSY = 2
"""Searches under way from which partials are left out."""
REST = 1.0
"""Rest for each second in which an import is taken up: measured with 5,000 articles, the searches of others
took 516 ms at the 95th percentile without it, 30 ms with it (benchmarks.retrieval.imports)."""
SAVE_S, LEARN_S, FORGET_S = 1.0, 60.0, 3600.0

P = ParamSpec("P")
R = TypeVar("R")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeServiceSettings:
    """How the service works; see pipeline.sections.suggest."""

    follow_s: float
    record: bool
    keep_days: float
    drafts_per_call: int


class KnowledgeService:
    """The service; for one event loop.

    Args:
        open_base: opens the knowledge base, with its tables of words and its weights.
        writer: of drafts; None without a language model.
        settings: how it works.
        metrics: where to count.
    """

    name = "knowledge base tables"
    enabled = True

    def __init__(
        self,
        open_base: Callable[[], KnowledgeBase],
        writer: Writer | None,
        settings: KnowledgeServiceSettings,
        metrics: Metrics,
    ) -> None:
        self._open_base = open_base
        self.base = open_base()
        self.writer = writer
        self._settings = settings
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="suggest")
        self._store_thread = ThreadPoolExecutor(1, thread_name_prefix="knowledge")
        # Two threads, for an import may take minutes; but a database in memory has one connection.
        self._record_thread = (
            self._store_thread
            if self.base.in_memory
            else ThreadPoolExecutor(1, thread_name_prefix="feedback")
        )
        self._unsaved: list[Feedback | Question] = []  # bounded by UNSAVED
        self._shown = ShownSuggestions()
        self._broken: set[str] = set()
        self._searching = 0
        self._importing = asyncio.Lock()
        metrics.articles.set_function(lambda: float(len(self.base)))

    # ---------------------------------------------------------------- for calls

    @property
    def drafts_per_call(self) -> int:
        """How often the language model may word a suggestion in one call."""
        return self._settings.drafts_per_call

    @property
    def busy(self) -> bool:
        """Whether searches wait already; partials are then left out, finals never."""
        return self._searching > BUSY

    @property
    def articles(self) -> int:
        """How many articles there are."""
        return len(self.base)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to suggest."""
        return not self.articles

    async def search(self, wanted: Search) -> SearchResult:
        """Return the hits for a query, best first."""
        self._searching += 1
        try:
            return await self._in(self._thread, self.base.search, wanted)
        finally:
            self._searching -= 1

    async def think(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run other work of a call where searches run."""
        return await self._in(self._thread, work, *args, **kwargs)

    def remember(self, call: CallInfo, shown: ActiveSuggestion, question: str) -> None:
        """Remember a suggestion, so that feedback can name it; without a question, the one before stays."""
        self._shown.remember(call, shown, question)

    def unanswered(
        self,
        call: CallInfo,
        utterance_id: str,
        text: str,
        language: str,
        nearest: Sequence[ArticleHit],
    ) -> None:
        """Keep a question without a good answer, masked.

        Args:
            call: in which it was asked.
            utterance_id: of the question.
            text: as it was said.
            language: of replies at that time.
            nearest: the best hit, if there was one.
        """
        self._keep(unanswered(call, utterance_id, text, language, nearest, datetime.now(UTC)))

    # ---------------------------------------------------------------- for agents

    def shown(self, call_id: str, suggestion_id: str, reach: CallReach) -> ShownSuggestion:
        """Return a suggestion that was shown in a call within ``reach``.

        Raises:
            UnknownSuggestion: there is none of that id in that call, or it is too long ago.
        """
        return self._shown.within(call_id, suggestion_id, reach)

    def said(self, call: CallInfo, suggestion_id: str) -> None:
        """Take down that an agent was heard saying a suggestion; it says nothing of how good it was."""
        told = self._shown.of(call, suggestion_id)
        if told is not None:
            self.feedback(suggestion_id, told, SAID, "", None)

    def feedback(
        self, suggestion_id: str, told: ShownSuggestion, action: str, text: str, after_ms: int | None
    ) -> None:
        """Take what an agent did with a suggestion.

        Args:
            suggestion_id: of it.
            told: from :meth:`shown`.
            action: what.
            text: that was sent instead, where it was edited.
            after_ms: ms since it was shown.

        Raises:
            InvalidRequest: the text is too long.
        """
        checked(action, text, after_ms)
        if action in told.done:
            return  # a desktop that asks twice must not count twice
        told.done.add(action)
        company = self._metrics.company(told.call.tenant)
        self._metrics.suggestion_feedback.labels(action, company).inc()
        for row in feedback_of(suggestion_id, told, action, text, after_ms, datetime.now(UTC)):
            self._keep(row)

    def _keep(self, row: Feedback | Question) -> None:
        if not self._settings.record:
            return
        if len(self._unsaved) >= UNSAVED:
            self._metrics.dropped.labels("suggestion_record").inc()
            return
        self._unsaved.append(row)

    # ---------------------------------------------------------------- in the background

    async def start(self) -> None:
        """Make the index ready before the first call.

        Raises:
            KnowledgeError: the store or the index cannot be used.
        """
        await self._in(self._store_thread, self.base.sync)
        await self._in(self._store_thread, self.base.learn_from_feedback)

    async def reload(self) -> str:
        """Read the tables of words and the weights again; an in-memory store, which would be lost, stays.

        Raises:
            SettingsError: a file cannot be used; the old ones stay.
        """
        if self.base.in_memory:
            return ""
        try:
            fresh = await self._in(self._store_thread, self._opened)
        except SuggestError as error:
            raise SettingsError(f"suggest: {error}") from error
        old, self.base = self.base, fresh
        await self._in(self._thread, lambda: None)  # searches that were under way have ended
        await self._in(self._record_thread, old.close)
        return f"{len(fresh)} articles"

    def _opened(self) -> KnowledgeBase:
        base = self._open_base()
        base.sync()
        base.learn_from_feedback()
        return base

    async def run(self) -> None:
        """Follow the store and keep what is recorded, until cancelled."""
        works: dict[str, tuple[float, Callable[[], object]]] = {
            "follow": (self._settings.follow_s, self._follow),
            "record": (SAVE_S, self._save),
            "learn": (LEARN_S, lambda: self.base.learn_from_feedback()),
            "forget": (FORGET_S, self._forget),
        }
        async with asyncio.TaskGroup() as tasks:
            for name, (seconds, work) in works.items():
                tasks.create_task(self._every(seconds, name, work), name=f"knowledge {name}")

    async def _every(self, seconds: float, name: str, work: Callable[[], object]) -> None:
        while True:
            try:
                await self._in(self._store_thread if name == "follow" else self._record_thread, work)
                self._broken.discard(name)
            except Exception as error:  # noqa: BLE001 (a locked file, a database that is away: tried again)
                self._metrics.failures.labels("knowledge base").inc()
                if name not in self._broken:
                    _log.error("knowledge base failed, trying again", work=name, error=type(error).__name__)
                self._broken.add(name)
            await asyncio.sleep(seconds)

    def _follow(self) -> None:
        if self.base.sync(wait=False, rest=REST):
            _log.info("knowledge base changed", articles=len(self.base))

    def _save(self) -> None:
        rows = list(self._unsaved)
        if rows:
            given = [row for row in rows if isinstance(row, Feedback)]
            asked = [row for row in rows if isinstance(row, Question)]
            lost = self.base.record.add(given, asked)
            del self._unsaved[: len(rows)]
            self._metrics.dropped.labels("suggestion_record").inc(lost)

    async def forget_call(self, tenant: str | None, call_id: str, since: float, until: float) -> None:
        """Delete the questions and feedback of a call that were kept.

        Args:
            tenant: whose call.
            call_id: of it.
            since: of what was kept then or later, s since 1970 UTC: another call may have had the same id.
            until: or earlier.
        """
        first, last = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
        await self._in(self._record_thread, self._save)
        await self._in(self._record_thread, self._forget_call, tenant or "", call_id, first, last)

    async def uses(self, tenant: str | None, since: float) -> dict[str, tuple[int, int]]:
        """Return by call id how many suggestions were on a screen, and used; since s since 1970 UTC."""
        await self._in(self._record_thread, self._save)
        first = datetime.fromtimestamp(since, UTC)
        return await self._in(self._record_thread, self.base.record.uses, first, tenant or "")

    async def report(self, tenant: str | None, since: datetime, until: datetime) -> KnowledgeReport:
        """Return what customers asked in vain; see :func:`pipeline.knowledge.report.report_of`."""
        await self._in(self._record_thread, self._save)
        return await self._in(self._record_thread, report_of, self.base, tenant, since, until)

    async def import_file(
        self, file: Path, options: Options, *, others: bool, prune: bool, dry_run: bool
    ) -> ImportReport:
        """Import a file; searches find it within seconds.

        Args:
            file: its ending says what it is.
            options: how it is read.
            others: whether it may name other companies.
            prune: removes articles that came from it and are in it no more.
            dry_run: changes nothing.

        Raises:
            InvalidRequest: the store cannot be written.
        """
        async with self._importing:
            reading = await asyncio.to_thread(read_import, file, options, others=others)
            try:
                found = await self._in(
                    self._record_thread, write_import, self.base, reading, prune=prune, dry_run=dry_run
                )
            except KnowledgeError as error:
                raise InvalidRequest(str(error)) from error
            if found.imported:
                await self._in(self._store_thread, self._follow)
            return found

    def _forget_call(self, tenant: str, call_id: str, since: datetime, until: datetime) -> None:
        self.base.record.forget_call(tenant, call_id, since, until)

    def _forget(self) -> None:
        self.base.record.forget(datetime.now(UTC) - timedelta(days=self._settings.keep_days))

    async def close(self) -> None:
        """Save what is left, and close everything; an index that is being written is given up."""
        self.base.stop()
        try:
            await self._in(self._record_thread, self._save)
        except Exception as error:  # noqa: BLE001 (nothing more can be done)
            _log.error("feedback could not be stored before the end", error=type(error).__name__)
        if self.writer is not None:
            await self.writer.close()
        for thread in (self._thread, self._store_thread, self._record_thread):
            thread.shutdown(wait=True, cancel_futures=True)
        self.base.close()

    @staticmethod
    async def _in(thread: ThreadPoolExecutor, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        call = functools.partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(thread, call)
