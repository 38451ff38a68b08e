"""Where a language model words the best suggestion, while the article's own answer is being shown already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from pipeline.knowledge.service import KnowledgeService
from pipeline.stages.context import CallContext
from suggest.base import ArticleHit
from suggest.dialogue.active import ActiveSuggestion
from suggest.dialogue.drafting import Draft
from suggest.llm.writer import DraftError, Writer

_log = structlog.get_logger(__name__)


class DraftRunner:
    """Runs the drafts of one call; works on the newest suggestion only.

    Args:
        context: of the call.
        knowledge: has the model.
        done: takes a suggestion's id and its new draft.
    """

    def __init__(
        self, context: CallContext, knowledge: KnowledgeService, done: Callable[[str, Draft], None]
    ) -> None:
        self._context = context
        self._writer = knowledge.writer if context.profile.suggestions.llm else None
        self._left = knowledge.drafts_per_call
        self._done = done
        self._task: asyncio.Task[None] | None = None

    def begin(
        self,
        best: ActiveSuggestion,
        hits: Sequence[ArticleHit],
        turns: Sequence[tuple[str, str]],
        named: Mapping[str, str],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Let the model word a suggestion; what it was at before is given up."""
        self.stop()
        if self._writer is None or self._left <= 0:
            return
        self._left -= 1
        work = self._draft(self._writer, best, list(hits), list(turns), dict(named))
        self._task = tasks.create_task(work, name=f"draft {best.id}")

    def stop(self) -> None:
        """Give up what the model is at."""
        if self._task is not None:
            self._task.cancel()

    async def _draft(
        self,
        writer: Writer,
        best: ActiveSuggestion,
        hits: list[ArticleHit],
        turns: list[tuple[str, str]],
        named: dict[str, str],
    ) -> None:
        outcome = "used"
        try:
            self._done(best.id, await writer.write(hits, turns, best.draft.language, best.draft, named))
        except DraftError as error:
            outcome = "refused"
            _log.warning("no draft", call=self._context.spec.call_id, reason=str(error))
        except asyncio.CancelledError:
            outcome = "superseded"
            raise
        except Exception as error:  # noqa: BLE001 (the article's own answer is there)
            outcome = "failed"
            self._context.metrics.failures.labels("draft").inc()
            _log.error("draft failed", call=self._context.spec.call_id, error=type(error).__name__)
        finally:
            self._context.metrics.drafts.labels(outcome).inc()
