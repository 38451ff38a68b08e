"""Calls of the past: lists, searches, one call with its sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import grpc
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

import client
from console.auth.sessions import Session
from console.backend import DEADLINE_S
from console.live.call import CallRows
from console.live.calls import SEVERITIES
from console.live.topic import Topic
from console.pages import wav
from console.pages.rendering import for_people, me_of, page
from console.pages.screens import seen
from yuetone.v1 import assist_pb2, overview_service_pb2, supervisor_service_pb2
from yuetone.v1 import record_service_pb2 as pb

HERE = ZoneInfo("Asia/Hong_Kong")
"""Times are shown, and days begin, as in Hong Kong."""
A_PAGE, MOST_HITS = 50, 50
BEHIND_MS = 60_000
"""Behind the end of a call, ms: what is raised until then is about it."""
FILTERS = ("q", "role", "since", "until", "queue", "agent", "topic", "alerts")
RESOLUTIONS = {
    pb.RESOLUTION_UNSPECIFIED: "unspecified",
    pb.RESOLUTION_RESOLVED: "resolved",
    pb.RESOLUTION_FOLLOW_UP: "follow-up",
    pb.RESOLUTION_TRANSFERRED: "transferred",
    pb.RESOLUTION_UNRESOLVED: "unresolved",
}
FORMATS = ("txt", "docx", "srt", "csv", "vcon")
_MEDIA = "attachment; filename={}"


def local(unix_ms: int) -> str:
    """Return a time as people in Hong Kong read it."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(HERE).strftime("%Y-%m-%d %H:%M")


def length(ms: int) -> str:
    """Return minutes and seconds."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}"


def _day(text: str, behind: int = 0) -> int | None:
    """Return the beginning of a day, ms since 1970; None for what is none."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=HERE)
    except ValueError:
        return None
    return int((day + timedelta(days=behind)).timestamp() * 1000)


def _row(call: pb.RecordedCall) -> dict[str, Any]:
    ended = call.ended_at_unix_ms or call.started_at_unix_ms
    return {
        "id": call.record_id,
        "call_id": call.call_id,
        "began": local(call.started_at_unix_ms),
        "began_ms": call.started_at_unix_ms,
        "length": length(max(call.audio_ms, ended - call.started_at_unix_ms)),
        "queue": call.queue,
        "agent": call.agent_id,
        "alerts": call.alerts,
        "agitation": f"{call.agitation:.0%}" if call.HasField("agitation") else "",
        "result": RESOLUTIONS.get(call.wrap_up.resolution, "") if call.HasField("wrap_up") else "",
        "state": {pb.RecordedCall.STATE_LIVE: "live", pb.RecordedCall.STATE_INTERRUPTED: "interrupted"}.get(
            call.state, ""
        ),
    }


async def listing(request: Request, session: Session) -> Response:
    """Show calls, or what was said in them; every filter is in the address."""
    me = seen(await me_of(request, session))
    asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    scope = overview_service_pb2.CallScope(
        queues=[asked["queue"]] if asked["queue"] else [],
        agent_ids=[asked["agent"]] if asked["agent"] else [],
    )
    like = pb.RecordedCallFilter(
        alerts=True if asked["alerts"] else None, topics=[asked["topic"]] if asked["topic"] else []
    )
    stub = client.record_stub(request.app.state.backend.channel(session.person))
    since, until = _day(asked["since"]), _day(asked["until"], behind=1)
    before = request.query_params.get("before", "")
    if before.isdecimal() and len(before) < 15:
        until = int(before)
    if asked["q"]:
        found = await stub.SearchCalls(
            pb.SearchRecordedCallsRequest(
                query=asked["q"], scope=scope, role=client.ROLES.get(asked["role"], client.ROLES["unknown"]),
                since_unix_ms=since, until_unix_ms=until, limit=MOST_HITS, filter=like,
            ),
            timeout=DEADLINE_S,
        )  # fmt: skip
        hits = [
            {
                "call": _row(hit.call),
                "at": hit.transcript.start_ms,
                "clock": length(hit.transcript.start_ms),
                "role": client.role_name(hit.transcript.role),
                "parts": _marked(hit.transcript.text, asked["q"]),
            }
            for hit in found.hits
        ]
        return page(
            request,
            "calls.html",
            me=me,
            person=session.person.name,
            asked=asked,
            hits=hits,
            calls=None,
            older="",
        )
    listed = await stub.ListCalls(
        pb.ListRecordedCallsRequest(
            scope=scope, since_unix_ms=since, until_unix_ms=until, limit=A_PAGE, filter=like
        ),
        timeout=DEADLINE_S,
    )
    rows = [_row(call) for call in listed.calls]
    older = str(rows[-1]["began_ms"]) if len(rows) == A_PAGE else ""
    return page(
        request,
        "calls.html",
        me=me,
        person=session.person.name,
        asked=asked,
        hits=None,
        calls=rows,
        older=older,
    )


def _marked(text: str, query: str) -> list[tuple[str, bool]]:
    """Return parts of a text, and whether each is what was looked for."""
    parts: list[tuple[str, bool]] = []
    low, wanted = text.lower(), query.lower()
    at = 0
    while wanted and (found := low.find(wanted, at)) >= 0:
        parts += [(text[at:found], False), (text[found : found + len(wanted)], True)]
        at = found + len(wanted)
    return [part for part in [*parts, (text[at:], False)] if part[0]]


async def _alerts(request: Request, session: Session, call: pb.RecordedCall) -> list[dict[str, Any]]:
    """Return who took each alert of a call, and what they wrote; nothing where that cannot be had."""
    began = call.started_at_unix_ms
    asked = supervisor_service_pb2.ListCallAlertsRequest(
        call_id=call.call_id, since_unix_ms=began - 1_000, until_unix_ms=began + call.audio_ms + BEHIND_MS
    )
    if call.HasField("tenant"):
        asked.tenant = call.tenant
    stub = client.supervisor_stub(request.app.state.backend.channel(session.person))
    try:
        found = await stub.ListCallAlerts(asked, timeout=DEADLINE_S)
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED):
            return []  # a server without alerts, or somebody who may not see them
        raise
    return [
        {
            "at_ms": one.alert.end_ms,
            "rule": one.alert.rule,
            "severity": SEVERITIES[one.alert.severity],
            "state": _state(one),
            "by": one.alert.taken_by,
            "note": one.note,
        }
        for one in found.alerts
    ]


def _state(one: supervisor_service_pb2.WatchAlertsResponse) -> str:
    """Return what became of an alert, as texts name it; empty where nobody has done anything yet."""
    if one.alert.state == assist_pb2.Alert.STATE_ACKNOWLEDGED:
        return "false_alarm" if one.false_alarm else "taken"
    return "expired" if one.alert.state == assist_pb2.Alert.STATE_EXPIRED else ""


async def record(request: Request, session: Session) -> Response:
    """Show one call."""
    me = seen(await me_of(request, session))
    stub = client.record_stub(request.app.state.backend.channel(session.person))
    topic, call = Topic(), pb.RecordedCall()
    rows = CallRows(topic)
    name = request.path_params["record"]
    async for part in stub.GetCall(pb.GetRecordedCallRequest(record_id=name), timeout=60):
        if part.HasField("call"):
            call = part.call
        else:
            rows.take(part.event)
    alerts = await _alerts(request, session, call) if me["wall"] or me["desk"] else []
    summary = await stub.GetSummary(pb.GetSummaryRequest(record_id=name), timeout=DEADLINE_S)
    patch = topic.since(None)
    head = _row(call) | {
        "class": call.retention_class,
        "kept_until": local(call.expires_at_unix_ms)[:10] if call.HasField("expires_at_unix_ms") else "",
        "held": call.held,
        "sound": bool(call.with_sound and call.audio_ms) and me["listen"],
        "audio_ms": call.audio_ms,
    }
    return page(
        request, "record.html", me=me, person=session.person.name, call=head,
        rows=f"[{','.join(patch.rows if patch else ())}]", formats=FORMATS,
        alerts=alerts, sums=[("about", summary.about), ("steps", summary.next_steps)], clock=length,
        wrap=summary.wrap_up if summary.HasField("wrap_up") else None,
        resolution=RESOLUTIONS.get(summary.wrap_up.resolution, "unspecified"),
    )  # fmt: skip


async def audio(request: Request, session: Session) -> Response:
    """Send the sound of a call; browsers ask for parts of it."""
    stub = client.record_stub(request.app.state.backend.channel(session.person))
    name = request.path_params["record"]
    pieces = stub.GetCall(pb.GetRecordedCallRequest(record_id=name))
    call = (await anext(aiter(pieces))).call
    pieces.cancel()
    file = wav.Layout(channels=len(call.roles), rate=wav.rate_of(call), ms=call.audio_ms)
    first, last = file.wanted(request.headers.get("range"))
    sound = stub.StreamRecording(pb.StreamRecordingRequest(record_id=name, from_ms=file.ms_at(first)))
    headers = {"accept-ranges": "bytes", "content-length": str(last - first + 1)}
    whole = request.headers.get("range") is None
    if not whole:
        headers["content-range"] = f"bytes {first}-{last}/{file.size}"
    pieces_of_sound = aiter(sound)
    begin = await anext(pieces_of_sound, None)  # a refusal comes before the answer has begun
    body = file.body(_with(begin, pieces_of_sound), first, last)
    return StreamingResponse(body, 200 if whole else 206, headers, media_type="audio/wav")


async def _with(
    begin: pb.StreamRecordingResponse | None, rest: AsyncIterator[pb.StreamRecordingResponse]
) -> AsyncIterator[pb.StreamRecordingResponse]:
    if begin is not None:
        yield begin
        async for piece in rest:
            yield piece


async def export(request: Request, session: Session) -> Response:
    """Send a call as a file."""
    form = request.path_params["form"]
    if form not in FORMATS:
        form = FORMATS[0]
    stub = client.record_stub(request.app.state.backend.channel(session.person))
    name = request.path_params["record"]
    asked = pb.ExportCallRequest(
        record_id=name, format=pb.ExportFormat.Value(f"EXPORT_FORMAT_{form.upper()}")
    )
    pieces = aiter(stub.ExportCall(asked, timeout=60))
    first = await anext(pieces)  # a refusal comes before the page has begun

    async def body() -> AsyncIterator[bytes]:
        yield first.data
        async for piece in pieces:
            yield piece.data

    headers = {"content-disposition": _MEDIA.format(first.name)}
    return StreamingResponse(body(), headers=headers, media_type=first.media_type)


ROUTES = [
    Route("/calls", for_people(listing)),
    Route("/calls/{record}", for_people(record)),
    Route("/calls/{record}/sound.wav", for_people(audio)),
    Route("/calls/{record}/export/{form}", for_people(export)),
]
