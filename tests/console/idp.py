"""A provider that logs everybody in at once: codes, PKCE, ID tokens, refresh tokens. On loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

KEY = "a key of the provider that the console does not look at"


@dataclass
class LoginProvider:
    """The provider.

    Attributes:
        access: makes an access token.
        lasts: s of an access token.
    """

    access: Callable[[], str]
    lasts: float = 300.0
    url: str = ""
    nonce: str | None = None
    refuses: bool = False
    renewed: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def discover(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            }
        )

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
        )

    async def token(self, request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        if self.refuses or form.get("client_id") != "console":
            return JSONResponse({"error": "invalid_client"}, 401)
        given = {"access_token": self.access(), "expires_in": self.lasts, "refresh_token": "again"}
        if form["grant_type"] == "refresh_token":
            self.renewed += 1
            return JSONResponse(given)
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {
            "iss": self.url, "aud": "console", "sub": "sue", "name": "蘇主任", "exp": time.time() + 60,
            "nonce": self.nonce or asked["nonce"],
        }  # fmt: skip
        return JSONResponse({**given, "id_token": jwt.encode(claims, KEY, algorithm="HS256")})


@asynccontextmanager
async def providing(access: Callable[[], str], lasts: float = 300.0) -> AsyncIterator[LoginProvider]:
    """Run a provider."""
    provider = LoginProvider(access=access, lasts=lasts)
    listening = socket.create_server(("127.0.0.1", 0))
    provider.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.discover),
            Route("/authorize", provider.authorize),
            Route("/token", provider.token, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listening]), name="provider")
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
