"""KnowledgeService over gRPC: imports into the knowledge base, and what it lacks."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from pipeline import leftovers
from pipeline.errors import InvalidRequest
from pipeline.knowledge.importing import ImportReport
from pipeline.knowledge.report import KnowledgeReport
from pipeline.knowledge.service import KnowledgeService
from pipeline.rpc.answering import answered, guarded
from pipeline.rpc.caller import granted
from pipeline.rpc.malformed import NOT_A_MESSAGE, Malformed
from suggest.reading.base import Options, Problem
from suggest.reading.columns import COLUMNS
from yuetone.v1 import knowledge_service_pb2 as pb
from yuetone.v1 import knowledge_service_pb2_grpc

KIND = "import"
"""What the folder with a file is for, in its name."""
LARGEST = 50_000_000
"""Bytes of a file."""
MOST_IDS, MOST_PROBLEMS, MOST_COLUMNS = 100, 200, 60
MOST_GAPS, MOST_USES = 100, 200
LONGEST_NAME = 120
LONGEST_MS = 92 * 86_400_000
_GUARD = guarded("the knowledge base")
_Context = grpc.aio.ServicerContext[Any, Any]


class KnowledgeServicer(knowledge_service_pb2_grpc.KnowledgeServiceServicer):
    """The service; for one event loop.

    Args:
        knowledge: of the server.
    """

    def __init__(self, knowledge: KnowledgeService) -> None:
        self._knowledge = knowledge

    async def ImportArticles(  # noqa: N802 (gRPC method name)
        self, requests: AsyncIterator[pb.ImportArticlesRequest], context: _Context
    ) -> pb.ImportArticlesResponse:
        """Import a file; see knowledge_service.proto."""

        async def work() -> pb.ImportArticlesResponse:
            first = _part(await anext(aiter(requests), None))
            if first.WhichOneof("part") != "options":
                raise InvalidRequest("the first message has the options")
            wanted, tenant = (
                first.options,
                granted().tenant(first.options.tenant if first.options.HasField("tenant") else None),
            )
            name, columns = _name_of(wanted.file_name), _columns(wanted.columns)
            await asyncio.to_thread(leftovers.sweep, KIND)
            with tempfile.TemporaryDirectory(prefix=leftovers.prefix(KIND)) as folder:
                file = Path(folder) / name
                await _received(requests, file)
                sheet = wanted.sheet if wanted.HasField("sheet") else None
                found = await self._knowledge.import_file(
                    file,
                    Options(tenant=tenant or "", columns=columns, sheet=sheet, root=Path(folder)),
                    others=granted().principal.tenant is None,
                    prune=wanted.prune,
                    dry_run=wanted.dry_run,
                )
            return _import_message(found)

        return await answered(context, work, _GUARD)

    async def GetKnowledgeReport(  # noqa: N802 (gRPC method name)
        self, request: pb.GetKnowledgeReportRequest, context: _Context
    ) -> pb.GetKnowledgeReportResponse:
        """Show what is missing; see knowledge_service.proto."""

        async def work() -> pb.GetKnowledgeReportResponse:
            since, until = request.since_unix_ms, request.until_unix_ms
            if not 0 <= since < until <= since + LONGEST_MS:
                raise InvalidRequest("since_unix_ms and until_unix_ms: a time of at most 92 days")
            tenant = granted().tenant(request.tenant if request.HasField("tenant") else None)
            return _report_message(await self._knowledge.report(tenant, _time(since), _time(until)))

        return await answered(context, work, _GUARD)


def _part(message: Any) -> pb.ImportArticlesRequest:
    """Return a message of the stream.

    Raises:
        InvalidRequest: it is none.
    """
    if isinstance(message, Malformed):
        raise InvalidRequest(NOT_A_MESSAGE)
    return message if isinstance(message, pb.ImportArticlesRequest) else pb.ImportArticlesRequest()


def _name_of(name: str) -> str:
    """Return the name of a file without folders.

    Raises:
        InvalidRequest: it is none that a file can have.
    """
    plain = name.replace("\\", "/").rpartition("/")[2]
    if not 0 < len(plain) <= LONGEST_NAME or not plain.isprintable() or plain.startswith("."):
        raise InvalidRequest(f"file_name: 1 to {LONGEST_NAME} printable characters, not beginning with a dot")
    return plain


def _columns(columns: Any) -> dict[str, str]:
    if len(columns) > MOST_COLUMNS or any(ours not in COLUMNS for ours in columns.values()):
        raise InvalidRequest(f"columns: from headings to {', '.join(COLUMNS)}")
    return {theirs.strip(): ours for theirs, ours in columns.items()}


async def _received(requests: AsyncIterator[pb.ImportArticlesRequest], file: Path) -> None:
    """Write the bytes of a stream into a file.

    Raises:
        InvalidRequest: there are too many, or something else comes.
    """
    size = 0
    with file.open("wb") as out:
        async for message in requests:
            part = _part(message)
            if part.WhichOneof("part") != "data":
                raise InvalidRequest("behind the options, every message has data")
            size += len(part.data)
            if size > LARGEST:
                raise InvalidRequest(f"a file has at most {LARGEST // 1_000_000} MB; split it")
            await asyncio.to_thread(out.write, part.data)


def _import_message(found: ImportReport) -> pb.ImportArticlesResponse:
    change = found.change
    return pb.ImportArticlesResponse(
        imported=found.imported,
        added=len(change.added),
        changed=len(change.changed),
        removed=len(change.removed),
        unchanged=change.unchanged,
        added_ids=[name for _tenant, name in change.added[:MOST_IDS]],
        changed_ids=[name for _tenant, name in change.changed[:MOST_IDS]],
        removed_ids=[name for _tenant, name in change.removed[:MOST_IDS]],
        problems=_problems(found.problems),
        notes=_problems(found.notes),
    )


def _problems(problems: Iterable[Problem]) -> list[pb.ImportProblem]:
    return [
        pb.ImportProblem(place=one.place, column=one.column, message=one.message)
        for one in list(problems)[:MOST_PROBLEMS]
    ]


def _report_message(report: KnowledgeReport) -> pb.GetKnowledgeReportResponse:
    return pb.GetKnowledgeReportResponse(
        questions=report.questions,
        gaps=[
            pb.KnowledgeGap(
                questions=len(gap.questions),
                calls=gap.calls,
                refused=gap.refused,
                words=gap.words,
                examples=gap.examples,
                nearest_article_ids=gap.nearest,
            )
            for gap in report.gaps[:MOST_GAPS]
        ],
        words=[pb.GapWord(text=text, count=count) for text, count in report.words],
        uses=[
            pb.ArticleUse(
                article_id=use.article_id, title=use.title, shown=use.shown, used=use.used, said=use.said,
                refused=use.refused, wrong=use.wrong,
            )
            for use in report.uses[:MOST_USES]
        ],
    )  # fmt: skip


def _time(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
