"""Settings of the server: profiles, alert rules that are tried before they are saved, API tokens."""

from __future__ import annotations

import time
from typing import Any

import grpc
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import client
from console.auth.gate import Gate
from console.auth.sessions import Session
from console.live.calls import SEVERITIES
from console.live.reasons import reasons_of
from console.pages.bodies import form_of
from console.pages.history import length, local
from console.pages.insight import midnight
from console.pages.rendering import for_people, me_of, page, problem, status_of
from console.pages.screens import seen
from yuetone.v1 import admin_service_pb2 as pb

DEADLINE_S, TRY_S = 10.0, 300.0
LONGEST, MOST_FIELDS = 400_000, 40
PERIODS = {"1": 1, "7": 7, "28": 28}
ROLES = ("telephony", "agent", "team-lead", "supervisor", "quality", "ml-engineer")
MOST_SHOWN = 50
Fields = dict[str, str]


async def profiles(request: Request, session: Session) -> Response:
    """Show profiles with every setting and their rules."""
    me = seen(await me_of(request, session))
    stub = client.admin_stub(request.app.state.backend.channel(session.person))
    found = await stub.ListProfiles(pb.ListProfilesRequest(), timeout=DEADLINE_S)
    rows = [
        {
            "name": one.name,
            "settings": list(one.settings),
            "rules": [
                {"name": rule.name, "when": rule.when, "severity": SEVERITIES.get(rule.severity, "info")}
                for rule in one.rules
            ],
        }
        for one in found.profiles
    ]
    return page(request, "profiles.html", me=me, person=session.person.name, profiles=rows)


async def rules(request: Request, session: Session) -> Response:
    """Show the rules of a profile as text."""
    found = await _rules(request, session)
    return await _rules_page(request, session, found, text=found.text, saved="saved" in request.query_params)


async def _rules(request: Request, session: Session) -> pb.GetAlertRulesResponse:
    stub = client.admin_stub(request.app.state.backend.channel(session.person))
    wanted = pb.GetAlertRulesRequest(profile=request.path_params["profile"])
    found: pb.GetAlertRulesResponse = await stub.GetAlertRules(wanted, timeout=DEADLINE_S)
    return found


async def _rules_page(
    request: Request,
    session: Session,
    found: pb.GetAlertRulesResponse,
    *,
    text: str,
    saved: bool = False,
    tried: dict[str, Any] | None = None,
    refused: grpc.aio.AioRpcError | None = None,
    days: str = "7",
) -> Response:
    me = seen(await me_of(request, session))
    return page(
        request, "rules.html", me=me, person=session.person.name, rules=found, text=text, saved=saved,
        tried=tried, refused=(refused.details() or "") if refused is not None else "", days=days,
        periods=list(PERIODS), status=200 if refused is None else status_of(refused),
    )  # fmt: skip


async def change(request: Request, session: Session) -> Response:
    """Try what was typed, or save it; it stays on the page where the server refuses it."""
    form = await _form(request)
    if form is None:
        return problem(request, 403)
    found = await _rules(request, session)
    text = form.get("text", "").replace("\r\n", "\n")
    days = form.get("days", "")
    days = days if days in PERIODS else "7"
    stub = client.admin_stub(request.app.state.backend.channel(session.person))
    try:
        if "save" in form:
            wanted = pb.SaveAlertRulesRequest(
                profile=found.profile, text=text, version=form.get("version", "")
            )
            await stub.SaveAlertRules(wanted, timeout=DEADLINE_S)
            return RedirectResponse(f"/admin/rules/{found.profile}?saved=1", 303)
        now = time.time()
        asked = pb.TryAlertRulesRequest(
            profile=found.profile, text=text, since_unix_ms=midnight(now, PERIODS[days] - 1),
            until_unix_ms=int(now * 1000) + 1,
        )  # fmt: skip
        tried = _tried(await stub.TryAlertRules(asked, timeout=TRY_S))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return await _rules_page(request, session, found, text=text, refused=error, days=days)
    return await _rules_page(request, session, found, text=text, tried=tried, days=days)


def _tried(found: pb.TryAlertRulesResponse) -> dict[str, Any]:
    return {
        "calls": found.calls,
        "hours": f"{found.audio_ms / 3_600_000:.2f}",
        "voiceless": found.without_voice,
        "rules": list(found.rules),
        "untried": any(rule.untried for rule in found.rules),
        "alerts": [
            {
                "record": alert.record_id,
                "call": alert.call_id,
                "rule": alert.rule,
                "severity": SEVERITIES.get(alert.severity, "info"),
                "at": alert.at_ms,
                "clock": length(alert.at_ms),
                "reasons": reasons_of(alert),
            }
            for alert in found.alerts[:MOST_SHOWN]
        ],
    }


async def tokens(request: Request, session: Session) -> Response:
    """Show the API tokens."""
    return await _tokens_page(request, session)


async def _tokens_page(
    request: Request,
    session: Session,
    made: str = "",
    refused: grpc.aio.AioRpcError | None = None,
    typed: Fields | None = None,
) -> Response:
    me = seen(await me_of(request, session))
    stub = client.admin_stub(request.app.state.backend.channel(session.person))
    rows: list[dict[str, Any]] | None = []
    try:
        found = await stub.ListApiTokens(pb.ListApiTokensRequest(), timeout=DEADLINE_S)
        rows = [_token(one) for one in found.tokens]
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        rows = None  # nobody is asked who they are
    return page(
        request, "tokens.html", me=me, person=session.person.name, tokens=rows, made=made, roles=ROLES,
        refused=(refused.details() or "") if refused is not None else "", typed=typed or {},
        status=200 if refused is None else status_of(refused),
    )  # fmt: skip


def _token(one: pb.ApiToken) -> dict[str, Any]:
    now = time.time() * 1000
    ended = one.HasField("expires_at_unix_ms") and one.expires_at_unix_ms <= now
    return {
        "prefix": one.prefix,
        "owner": one.owner,
        "company": one.tenant,
        "roles": list(one.roles),
        "for": " · ".join(filter(None, [one.agent_id, *one.teams])),
        "made": local(one.created_at_unix_ms),
        "until": local(one.expires_at_unix_ms) if one.HasField("expires_at_unix_ms") else "",
        "state": "revoked" if one.HasField("revoked_at_unix_ms") else "expired" if ended else "good",
    }


async def make_token(request: Request, session: Session) -> Response:
    """Make a token; it is on the answer alone."""
    form = await _form(request)
    if form is None:
        return problem(request, 403)
    days = form.get("days", "")
    wanted = pb.CreateApiTokenRequest(
        owner=form.get("owner", "").strip(),
        tenant=form.get("company", "").strip() or None,
        roles=[role for role in ROLES if f"role.{role}" in form],
        agent_id=form.get("agent", "").strip() or None,
        teams=[team.strip() for team in form.get("teams", "").split(",") if team.strip()],
        days=int(days) if days.isdecimal() and len(days) < 6 else 0,
    )
    stub = client.admin_stub(request.app.state.backend.channel(session.person))
    try:
        made = await stub.CreateApiToken(wanted, timeout=DEADLINE_S)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return await _tokens_page(request, session, refused=error, typed=form)
    return await _tokens_page(request, session, made=made.token)


async def revoke_token(request: Request, session: Session) -> Response:
    """Make a token void."""
    if await _form(request) is None:
        return problem(request, 403)
    stub = client.admin_stub(request.app.state.backend.channel(session.person))
    await stub.RevokeApiToken(
        pb.RevokeApiTokenRequest(prefix=request.path_params["prefix"]), timeout=DEADLINE_S
    )
    return RedirectResponse("/admin/tokens", 303)


async def _form(request: Request) -> Fields | None:
    """Return the fields of a form of ours; None for anything else."""
    gate: Gate = request.app.state.gate
    return await form_of(request, LONGEST, MOST_FIELDS) if gate.same_origin(request) else None


ROUTES = [
    Route("/admin", for_people(profiles)),
    Route("/admin/rules/{profile}", for_people(rules)),
    Route("/admin/rules/{profile}", for_people(change), methods=["POST"]),
    Route("/admin/tokens", for_people(tokens)),
    Route("/admin/tokens", for_people(make_token), methods=["POST"]),
    Route("/admin/tokens/{prefix}/revoke", for_people(revoke_token), methods=["POST"]),
]
