"""Logging in and out, and what people choose for themselves."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.auth.gate import CALLBACK, Gate
from console.auth.sessions import Session
from console.errors import ConsoleError, ConsoleSettingsError
from console.pages.bodies import form_of
from console.pages.rendering import THEMES, page, problem
from console.texts import LANGUAGES

LONGEST = 4_096
"""Bytes of a form."""
YEAR_S = 365 * 86_400


def _inside(path: str) -> str:
    """Return a path on this console, whatever was asked for."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


async def show(request: Request) -> Response:
    """Show the page where people log in."""
    gate: Gate = request.app.state.gate
    if not gate.asks:
        return RedirectResponse("/", 303)
    wanted = _inside(request.query_params.get("next", "/"))
    provider = gate.oidc(request)
    if provider is not None:
        try:
            address, state = await provider.begin(wanted)
        except ConsoleError as error:
            return problem(request, 503, str(error))
        response = RedirectResponse(address, 303)
        _set(response, gate, f"{gate.cookie}-login", state)
        return response
    return page(request, "login.html", wanted=wanted, wrong=False, me=None, person="")


async def enter(request: Request) -> Response:
    """Log somebody in."""
    gate: Gate = request.app.state.gate
    form = await form_of(request, LONGEST)
    if form is None or not gate.same_origin(request) or not gate.asks:
        return problem(request, 403)
    wanted = _inside(form.get("next", "/"))
    try:
        session = await gate.log_in(form.get("name", ""), form.get("password", ""))
    except ConsoleSettingsError as error:
        return problem(request, 503, str(error))
    if session is None:
        return page(request, "login.html", status=401, wanted=wanted, wrong=True, me=None, person="")
    return _entered(gate, session, wanted)


async def called_back(request: Request) -> Response:
    """Log in whoever comes back from the provider, in the browser in which they went there."""
    gate: Gate = request.app.state.gate
    provider, cookie = gate.oidc(request), f"{gate.cookie}-login"
    state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
    begun = request.cookies.get(cookie, "")
    if provider is None or not state or not secrets.compare_digest(state.encode(), begun.encode()):
        return problem(request, 403)
    try:
        tokens, wanted = await provider.finish(state, code)
    except ConsoleError as error:
        return problem(request, 403, str(error))
    response = _entered(gate, gate.log_in_with(tokens), wanted)
    response.delete_cookie(cookie, path="/", secure=cookie.startswith("__Host"), httponly=True)
    return response


def _entered(gate: Gate, session: Session, wanted: str) -> Response:
    response = RedirectResponse(wanted, 303)
    _set(response, gate, gate.cookie, session.id)
    return response


def _set(response: Response, gate: Gate, name: str, value: str) -> None:
    response.set_cookie(
        name, value, httponly=True, samesite="lax", path="/", secure=gate.cookie.startswith("__Host")
    )


async def leave(request: Request) -> Response:
    """Log somebody out; all their tabs close."""
    gate: Gate = request.app.state.gate
    if not gate.same_origin(request):
        return problem(request, 403)
    session = gate.session(request)
    if session is not None and session.id:
        gate.sessions.end(session.id)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(gate.cookie, path="/", secure=gate.cookie.startswith("__Host"), httponly=True)
    return response


async def choose(request: Request) -> Response:
    """Keep somebody's language and theme, in cookies that hold nothing else."""
    form = await form_of(request, LONGEST)
    if form is None or not request.app.state.gate.same_origin(request):
        return problem(request, 403)
    response = RedirectResponse(_inside(form.get("next", "/")), 303)
    for name, known in (("language", tuple(LANGUAGES)), ("theme", THEMES)):
        if form.get(name) in known:
            response.set_cookie(name, form[name], max_age=YEAR_S, samesite="lax", path="/")
    return response


ROUTES = [
    Route("/login", show, methods=["GET"]),
    Route("/login", enter, methods=["POST"]),
    Route(CALLBACK, called_back, methods=["GET"]),
    Route("/logout", leave, methods=["POST"]),
    Route("/choose", choose, methods=["POST"]),
]
