"""The live screens: their frame; what is on them comes over the socket."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.auth.sessions import Session
from console.pages.rendering import for_people, me_of, page, problem
from yuetone.v1 import overview_service_pb2

WALL, DESK = "alert.watch", "call.watch"


def seen(me: overview_service_pb2.GetMeResponse) -> dict[str, Any]:
    """Return what the frame of a page needs to know of a person."""
    wide = me.permissions.get(WALL, "") in ("team", "tenant")
    return {
        "wall": wide,
        "desk": DESK in me.permissions,
        "history": "record.read" in me.permissions,
        "figures": "insight.read" in me.permissions,
        "quality": "quality.read" in me.permissions,
        "judge": "quality.review" in me.permissions,
        "answers": "quality.answer" in me.permissions,
        "knowledge": "knowledge.report" in me.permissions,
        "imports": "knowledge.write" in me.permissions,
        "profiles": "settings.read" in me.permissions,
        "tries": "rules.try" in me.permissions,
        "tokens": "access.tokens" in me.permissions,
        "listen": "record.listen" in me.permissions,
        "agent": me.agent_id,
        "company": me.tenant,
        "roles": list(me.roles),
    }


async def home(request: Request, session: Session) -> Response:
    """Go where somebody's work is."""
    me = seen(await me_of(request, session))
    wanted = "/wall" if me["wall"] and not me["agent"] else "/desk" if me["desk"] else "/calls"
    return RedirectResponse(wanted, 303)


async def desk(request: Request, session: Session) -> Response:
    """Show the desk."""
    me = seen(await me_of(request, session))
    return _frame(request, session, me, "desk")


async def wall(request: Request, session: Session) -> Response:
    """Show the wall."""
    me = seen(await me_of(request, session))
    return _frame(request, session, me, "wall")


def _frame(request: Request, session: Session, me: dict[str, Any], name: str) -> Response:
    if not me[name]:
        return problem(request, 403)
    return page(request, f"{name}.html", me=me, person=session.person.name)


ROUTES = [
    Route("/", for_people(home)),
    Route("/desk", for_people(desk)),
    Route("/wall", for_people(wall)),
]
