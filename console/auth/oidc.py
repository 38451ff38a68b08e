"""Logging in with an OpenID provider: authorization code with PKCE (RFC 7636), and tokens that are renewed.

The access token goes to the Yuetone server, which verifies it; the console believes the ID token because it
comes straight from the provider's token endpoint over TLS (OpenID Connect Core 1.0, 3.1.3.7).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt

from console.backend import Person, Renewable
from console.errors import ConsoleError
from console.settings import OidcSettings

DISCOVERY = "/.well-known/openid-configuration"
ATTEMPTS, ATTEMPT_S = 1_000, 600.0
"""Logins under way that are remembered, and for how long, s."""
EARLY_S = 60.0
"""Before its end, a token is renewed, s."""
TIMEOUT_S = 10.0
LEEWAY_S = 30.0


class LoginFailed(ConsoleError):
    """Somebody could not be logged in; the message has no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    verifier: str
    nonce: str
    wanted: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the provider gave.

    Attributes:
        person: who it is.
        refresh: for the next ones; None where there are none.
        until: s, monotonic: when the access token ends.
    """

    person: Person
    refresh: str | None
    until: float


class OidcLogin:
    """The provider, as this console uses it; for one event loop.

    Args:
        settings: of it.
        redirect: address to which it sends browsers back.
        clock: s, monotonic.
    """

    def __init__(
        self, settings: OidcSettings, redirect: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._redirect, self._clock = settings, redirect, clock
        self._attempts: dict[str, _Attempt] = {}  # bounded by ATTEMPTS
        self._endpoints: dict[str, str] = {}

    async def begin(self, wanted: str) -> tuple[str, str]:
        """Return where a browser goes to log in, and the state that its cookie must hold.

        Args:
            wanted: path of this console to which it comes back.

        Raises:
            LoginFailed: the provider is not there.
        """
        endpoint = await self._endpoint("authorization_endpoint")
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        attempt = _Attempt(
            verifier=verifier, nonce=secrets.token_urlsafe(24), wanted=wanted, since=self._clock()
        )
        self._attempts[state] = attempt
        if len(self._attempts) > ATTEMPTS:
            del self._attempts[next(iter(self._attempts))]
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", state

    async def finish(self, state: str, code: str) -> tuple[Tokens, str]:
        """Return what a code is good for, and the path that was wanted.

        Raises:
            LoginFailed: it was not begun here, is too old, or the provider says no.
        """
        attempt = self._attempts.pop(state, None)
        if attempt is None or self._clock() - attempt.since > ATTEMPT_S:
            raise LoginFailed("that login was not begun here, or is too old; try again")
        answer = await self._tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._redirect,
                "code_verifier": attempt.verifier,
            }
        )
        claims = self._claims(answer, attempt.nonce)
        name = str(claims.get("name") or claims.get("preferred_username") or claims["sub"])
        credential = Renewable(str(answer["access_token"]))
        key = hashlib.sha256(f"{claims['iss']} {claims['sub']}".encode()).hexdigest()[:16]
        return self._given(answer, Person(name=name, token=credential, key=key)), attempt.wanted

    async def renew(self, tokens: Tokens) -> Tokens:
        """Renew the access token of a person; whoever uses it goes on with the new one.

        Raises:
            LoginFailed: the provider gives no more.
        """
        if tokens.refresh is None or tokens.person.token is None:
            raise LoginFailed("the provider gave no refresh token")
        answer = await self._tokens({"grant_type": "refresh_token", "refresh_token": tokens.refresh})
        tokens.person.token.value = str(answer["access_token"])
        return self._given({"refresh_token": tokens.refresh, **answer}, tokens.person)

    def _given(self, answer: dict[str, Any], person: Person) -> Tokens:
        lasts = float(answer.get("expires_in") or 300)
        refresh = answer.get("refresh_token")
        return Tokens(
            person=person,
            refresh=str(refresh) if refresh else None,
            until=self._clock() + max(5.0, lasts),
        )

    def _claims(self, answer: dict[str, Any], nonce: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                str(answer["id_token"]),
                options={"verify_signature": False, "verify_exp": True, "verify_aud": True,
                         "verify_iss": True, "require": ["iss", "aud", "exp", "sub"]},
                audience=self._settings.client_id, issuer=self._settings.issuer, leeway=LEEWAY_S,
            )  # fmt: skip
        except (jwt.PyJWTError, KeyError) as error:
            raise LoginFailed("the provider's ID token is not for this console") from error
        if claims.get("nonce") != nonce or "access_token" not in answer:
            raise LoginFailed("the provider answered another login")
        return claims

    async def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        secret = self._settings.secret()
        basic = httpx2.BasicAuth(self._settings.client_id, secret) if secret else None
        if secret is None:
            form = {**form, "client_id": self._settings.client_id}
        return await self._asked("POST", await self._endpoint("token_endpoint"), data=form, auth=basic)

    async def _endpoint(self, name: str) -> str:
        if not self._endpoints:
            found = await self._asked("GET", self._settings.issuer.rstrip("/") + DISCOVERY)
            if found.get("issuer") != self._settings.issuer:
                raise LoginFailed("the provider calls itself otherwise than console.oidc.issuer")
            self._endpoints = {key: str(value) for key, value in found.items() if key.endswith("_endpoint")}
        if name not in self._endpoints:
            raise LoginFailed(f"the provider has no {name}")
        return self._endpoints[name]

    async def _asked(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S) as web:
                answer = await web.request(method, url, **more)
            found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise LoginFailed(f"the provider cannot be asked ({type(error).__name__})") from None
        if answer.status_code != httpx2.codes.OK or not isinstance(found, dict):
            raise LoginFailed(f"the provider said no ({answer.status_code})")
        return found
