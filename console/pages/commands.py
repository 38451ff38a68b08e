"""What people do on the live screens: small POSTs of JSON, from our own pages alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import client
from console.auth.gate import Gate
from console.backend import DEADLINE_S
from console.pages.bodies import object_of
from console.pages.insight import ON_THE_WALL, midnight, written
from console.pages.rendering import status_of
from yuetone.v1 import (
    audio_pb2,
    call_service_pb2,
    insight_service_pb2,
    record_service_pb2,
    suggestion_service_pb2,
    supervisor_service_pb2,
)

LONGEST = 32_768
"""Bytes of a command."""
MOST_HITS = 8
Fields = dict[str, Any]
Command = Callable[[grpc.aio.Channel, Fields], Awaitable[Any]]


def _command(work: Command) -> Callable[[Request], Awaitable[Response]]:
    async def route(request: Request) -> Response:
        gate: Gate = request.app.state.gate
        session = gate.session(request, touch=False)
        if session is None:
            return JSONResponse({"error": "login"}, 401)
        if not gate.same_origin(request) or not _is_json(request):
            return JSONResponse({"error": "origin"}, 403)
        fields = await object_of(request, LONGEST)
        if fields is None:
            return JSONResponse({"error": "body"}, 400)
        if fields.get("action") != "shown":  # the page tells that by itself: nobody need be there
            gate.session(request)
        try:
            answer = await work(request.app.state.backend.channel(session.person), fields)
        except grpc.aio.AioRpcError as error:
            return JSONResponse({"error": error.details() or error.code().name}, status_of(error))
        except (TypeError, ValueError, KeyError):
            return JSONResponse({"error": "body"}, 400)
        return JSONResponse(answer if isinstance(answer, dict) else client.as_json(answer))

    return route


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"


async def feedback(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Tell what an agent did with a suggestion."""
    request = suggestion_service_pb2.SubmitFeedbackRequest(
        call_id=fields["call"],
        suggestion_id=fields["suggestion"],
        action=suggestion_service_pb2.SubmitFeedbackRequest.Action.Value(
            f"ACTION_{fields['action'].upper()}"
        ),
        edited_text=fields.get("text"),
        after_ms=fields.get("after"),
    )
    return await client.suggestion_stub(channel).SubmitFeedback(request, timeout=DEADLINE_S)


async def language(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Choose the language of replies."""
    request = suggestion_service_pb2.SetReplyLanguageRequest(
        call_id=fields["call"], language=fields.get("language")
    )
    return await client.suggestion_stub(channel).SetReplyLanguage(request, timeout=DEADLINE_S)


async def search(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Look an article up."""
    request = suggestion_service_pb2.SearchArticlesRequest(query=fields["query"], limit=MOST_HITS)
    return await client.suggestion_stub(channel).SearchArticles(request, timeout=DEADLINE_S)


async def sensitive(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Hide what is said from here on, or end that."""
    wanted = audio_pb2.Sensitive(on=bool(fields["on"]), category=fields.get("category", "card"))
    request = call_service_pb2.SetSensitiveRequest(call_id=fields["call"], sensitive=wanted)
    return await client.call_stub(channel).SetSensitive(request, timeout=DEADLINE_S)


async def take(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Take an alert."""
    request = supervisor_service_pb2.AckAlertRequest(
        alert_id=fields["alert"], false_alarm=bool(fields.get("false_alarm")), note=fields.get("note") or None
    )
    return await client.supervisor_stub(channel).AckAlert(request, timeout=DEADLINE_S)


async def summary(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Sum a call up."""
    request = record_service_pb2.GetSummaryRequest(call_id=fields["call"])
    return await client.record_stub(channel).GetSummary(request, timeout=DEADLINE_S)


async def wrap_up(channel: grpc.aio.Channel, fields: Fields) -> Any:
    """Keep what an agent notes of a call."""
    resolution = f"RESOLUTION_{fields.get('resolution', 'unspecified').upper().replace('-', '_')}"
    request = record_service_pb2.SaveWrapUpRequest(
        call_id=fields["call"],
        wrap_up=record_service_pb2.WrapUp(
            resolution=record_service_pb2.Resolution.Value(resolution),
            topics=fields.get("topics", []),
            note=fields.get("note", ""),
            closed=bool(fields.get("closed")),
        ),
    )
    return await client.record_stub(channel).SaveWrapUp(request, timeout=DEADLINE_S)


async def today(channel: grpc.aio.Channel, _fields: Fields) -> Any:
    """Return today's figures as people read them."""
    now = time.time()
    request = insight_service_pb2.QueryKpisRequest(
        since_unix_ms=midnight(now), until_unix_ms=int(now * 1000) + 1, kpis=list(ON_THE_WALL)
    )
    found = await client.insight_stub(channel).QueryKpis(request, timeout=DEADLINE_S)
    return {ON_THE_WALL[value.kpi]: written(value.kpi, value.value, value.count) for value in found.values}


ROUTES = [
    Route(f"/{name}", _command(work), methods=["POST"])
    for name, work in (
        ("feedback", feedback),
        ("language", language),
        ("search", search),
        ("sensitive", sensitive),
        ("take", take),
        ("summary", summary),
        ("wrap-up", wrap_up),
        ("today", today),
    )
]
