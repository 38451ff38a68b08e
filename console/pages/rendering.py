"""Pages from templates, in a person's language and theme; refusals of the server as pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.auth.sessions import Session
from console.texts import LANGUAGES, TEXTS, language_of
from yuetone.v1 import overview_service_pb2

THEMES = ("auto", "light", "dark", "contrast")
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STATUS = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}
Page = Callable[[Request, Session], Awaitable[Response]]


def status_of(error: grpc.aio.AioRpcError) -> int:
    """Return the HTTP status of what the server says."""
    return _STATUS.get(error.code(), 503)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Args:
        request: that asks for it.
        template: name of its file.
        status: of HTTP.
        values: for the template.
    """
    language = language_of(request.cookies.get("language"), request.headers.get("accept-language", ""))
    theme = request.cookies.get("theme", "auto")
    texts = TEXTS[language]
    html = _TEMPLATES.get_template(template).render(
        t=texts.__getitem__,
        language=language,
        lang=LANGUAGES[language],
        theme=theme if theme in THEMES else "auto",
        static=f"/static/{request.app.state.static.tag}",
        path=request.url.path,
        asks=request.app.state.gate.asks,
        **values,
    )
    return HTMLResponse(html, status_code=status)


def for_people(work: Page) -> Callable[[Request], Awaitable[Response]]:
    """Return a route for whoever is logged in; others go to the page where they log in."""

    async def route(request: Request) -> Response:
        gate = request.app.state.gate
        session = gate.session(request)
        if session is None:
            if gate.asks:
                return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
            return problem(request, 401)
        try:
            return await work(request, session)
        except grpc.aio.AioRpcError as error:
            return problem(request, status_of(error), error.details() or "")

    return route


def problem(request: Request, status: int, reason: str = "") -> HTMLResponse:
    """Return a page that says what is wrong."""
    known = status if f"problem.{status}" in TEXTS["en"] else 503
    return page(request, "problem.html", status=status, code=known, reason=reason, me=None, person="")


async def me_of(request: Request, session: Session) -> overview_service_pb2.GetMeResponse:
    """Return who somebody is to the server; errors as of the server."""
    found: overview_service_pb2.GetMeResponse = await request.app.state.backend.me(session.person)
    return found
