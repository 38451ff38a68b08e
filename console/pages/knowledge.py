"""The knowledge base: what is missing in it, what agents make of it, and imports."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import client
from console.auth.gate import Gate
from console.auth.sessions import Session
from console.pages.insight import midnight
from console.pages.rendering import for_people, me_of, page, problem, status_of
from console.pages.screens import seen
from yuetone.v1 import knowledge_service_pb2 as pb

DEADLINE_S, IMPORT_S = 60.0, 300.0
PERIODS = {"1": 1, "7": 7, "28": 28, "91": 91}
PIECE = 60_000
"""Bytes of a file that go to the server at once; its messages are small."""
TEMPLATE = ("id", "category", "question_zh", "answer_zh", "question_en", "answer_en")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


async def show(request: Request, session: Session) -> Response:
    """Show what is missing."""
    me = seen(await me_of(request, session))
    if not (me["knowledge"] or me["imports"]):
        return problem(request, 403)
    days = _days(request)
    report = await _report(request, session, days) if me["knowledge"] else None
    return page(
        request, "knowledge.html", me=me, person=session.person.name, days=days, periods=list(PERIODS),
        report=report,
    )  # fmt: skip


def _days(request: Request) -> str:
    days = request.query_params.get("days", "")
    return days if days in PERIODS else "7"


async def _report(request: Request, session: Session, days: str) -> pb.GetKnowledgeReportResponse:
    now = time.time()
    wanted = pb.GetKnowledgeReportRequest(
        since_unix_ms=midnight(now, PERIODS[days] - 1), until_unix_ms=int(now * 1000) + 1
    )
    stub = client.knowledge_stub(request.app.state.backend.channel(session.person))
    found: pb.GetKnowledgeReportResponse = await stub.GetKnowledgeReport(wanted, timeout=DEADLINE_S)
    return found


async def table(request: Request, session: Session) -> Response:
    """Send the gaps as a table that can be filled in and imported."""
    report = await _report(request, session, _days(request))
    rows = [[*TEMPLATE, "gap_calls", "gap_questions", "gap_refused", "gap_words", "gap_examples"]]
    for gap in report.gaps:
        counts = [str(gap.calls), str(gap.questions), str(gap.refused)]
        rows.append([*[""] * len(TEMPLATE), *counts, " ".join(gap.words), "\n".join(gap.examples)])
    text = "\r\n".join(",".join(map(_cell, row)) for row in rows) + "\r\n"
    headers = {"content-disposition": "attachment; filename=gaps.csv"}
    return Response("\ufeff" + text, headers=headers, media_type="text/csv")


def _cell(text: str) -> str:
    """Return a cell of a CSV file that no spreadsheet takes for a formula."""
    safe = f"'{text}" if text.startswith(FORMULAS) else text
    return '"' + safe.replace('"', '""') + '"'


async def take(request: Request) -> Response:
    """Import a file; its name and options are in the address, its bytes are the body."""
    gate: Gate = request.app.state.gate
    session = gate.session(request)
    if session is None:
        return JSONResponse({"error": "login"}, 401)
    if not gate.same_origin(request):
        return JSONResponse({"error": "origin"}, 403)
    asked = request.query_params
    columns = {}
    for line in asked.get("columns", "").splitlines():
        ours, equals, theirs = line.partition("=")
        if equals:
            columns[theirs.strip()] = ours.strip()
    options = pb.ImportOptions(
        file_name=asked.get("name", ""),
        columns=columns,
        prune=asked.get("prune") == "1",
        dry_run=asked.get("dry_run") == "1",
    )
    stub = client.knowledge_stub(request.app.state.backend.channel(session.person))
    try:
        answer = await stub.ImportArticles(_pieces(request, options), timeout=IMPORT_S)
    except grpc.aio.AioRpcError as error:
        return JSONResponse({"error": error.details() or error.code().name}, status_of(error))
    return JSONResponse(client.as_json(answer))


async def _pieces(request: Request, options: pb.ImportOptions) -> AsyncIterator[pb.ImportArticlesRequest]:
    yield pb.ImportArticlesRequest(options=options)
    async for part in request.stream():
        for at in range(0, len(part), PIECE):
            yield pb.ImportArticlesRequest(data=part[at : at + PIECE])


ROUTES: list[Any] = [
    Route("/knowledge", for_people(show)),
    Route("/knowledge/gaps.csv", for_people(table)),
    Route("/knowledge/import", take, methods=["POST"]),
]
