"""The web application: its routes, its headers, its life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from console.auth.gate import Gate
from console.backend import backend_of
from console.live.feeds import Feeds
from console.live.socket import FORBIDDEN, LOGGED_OUT, LiveSocket
from console.pages import admin, commands, history, insight, knowledge, login, quality, screens
from console.pages.static import Static
from console.settings import ConsoleSettings, is_loopback

_log = structlog.get_logger(__name__)


def build_app(settings: ConsoleSettings) -> Starlette:
    """Return the application."""
    static = Static()

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        async with backend_of(settings) as backend:
            app.state.backend, app.state.gate = backend, Gate(settings)
            app.state.feeds, app.state.static = Feeds(backend), static
            async with app.state.feeds.running(), asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(app.state.gate.renew(), name="renew tokens")
                yield
                renewing.cancel()

    return Starlette(
        lifespan=life,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(settings), www_redirect=False),
            Middleware(BaseHTTPMiddleware, dispatch=_with_headers(settings)),
        ],
        routes=[
            WebSocketRoute("/live", _live),
            *login.ROUTES,
            *screens.ROUTES,
            *history.ROUTES,
            *insight.ROUTES,
            *quality.ROUTES,
            *knowledge.ROUTES,
            *admin.ROUTES,
            Mount("/api", routes=commands.ROUTES),
            Route("/static/{tag}/{name:path}", static.serve),
        ],
    )


def _hosts(settings: ConsoleSettings) -> list[str]:
    """Return the names under which browsers may ask for this console.

    On loopback, a page of somebody else could otherwise give its own name this machine's address, by DNS
    rebinding, and read what nobody is asked a password for.
    """
    if settings.origin is not None:
        return [urlsplit(settings.origin).hostname or ""]
    return ["localhost", "127.0.0.1", "[::1]", settings.host] if is_loopback(settings.host) else ["*"]


async def _live(socket: WebSocket) -> None:
    """Let a tab in: only of a page of ours, and of somebody who is logged in."""
    gate: Gate = socket.app.state.gate
    session = gate.session(socket)
    if session is None or not gate.same_origin(socket):
        await socket.accept()  # a refused handshake tells a browser no code
        await socket.close(LOGGED_OUT if session is None else FORBIDDEN)
        return
    await LiveSocket(socket, session, socket.app.state.feeds, gate).run()


def _with_headers(
    settings: ConsoleSettings,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Return what puts the headers of security onto every answer."""
    ancestors = " ".join(("'self'", *settings.frame_ancestors))
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",  # with no-referrer, browsers say "origin: null" of our own forms
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
    if settings.secure:
        headers["strict-transport-security"] = "max-age=31536000"

    async def dispatch(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            response = await call(request)
        except Exception as error:  # noqa: BLE001 (a page that breaks is told without what was on it)
            _log.error("a page broke", page=request.url.path.split("/")[1], error=type(error).__name__)
            response = PlainTextResponse("something broke; the console's log has its kind", 500)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("cache-control", "no-store")
        return response

    return dispatch
