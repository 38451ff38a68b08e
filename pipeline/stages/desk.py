"""Where a language model words the best suggestion, while the article's own answer is being shown already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from pipeline.advice.hub import KnowledgeHub
from pipeline.stages.context import CallContext
from suggest.base import Hit
from suggest.dialogue.board import Shown
from suggest.dialogue.drafting import Draft
from suggest.llm.writer import DraftError, Writer

_log = structlog.get_logger(__name__)


class DraftDesk:
    """Of one call; works on the newest suggestion only.

    Args:
        context: of the call.
        hub: has the model; None where nothing is suggested.
        done: takes a suggestion's id and its new draft.
    """

    def __init__(
        self, context: CallContext, hub: KnowledgeHub | None, done: Callable[[str, Draft], None]
    ) -> None:
        self._context = context
        self._writer = hub.writer if hub is not None and context.profile.suggestions.llm else None
        self._left = hub.drafts_per_call if hub is not None else 0
        self._done = done
        self._task: asyncio.Task[None] | None = None

    def begin(
        self,
        best: Shown,
        hits: Sequence[Hit],
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
        best: Shown,
        hits: list[Hit],
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
