"""Who asks, and from which page: the one place that decides both."""

from __future__ import annotations

import asyncio
import time

import structlog
from starlette.requests import HTTPConnection

import client
from console.auth.guesses import Guesses
from console.auth.oidc import EARLY_S, LoginFailed, OidcLogin, Tokens
from console.auth.sessions import Session, Sessions
from console.auth.users import LocalUsers
from console.backend import person_with
from console.settings import ConsoleSettings, Login

CALLBACK = "/login/callback"
RENEWED_S = 5.0
"""Between two looks for tokens that end, s."""
NOBODY = "development"
"""Name of whoever is at the screen where nobody is asked."""

_log = structlog.get_logger(__name__)


class Gate:
    """The gate; for one event loop.

    Args:
        settings: of the console.
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self.sessions = Sessions(settings.session_hours * 3_600, settings.idle_minutes * 60)
        self._users = LocalUsers(settings.users)
        self._by_token: dict[str, str] = {}  # bounded by the sessions
        self._everybody: Session | None = None
        self._oidc: OidcLogin | None = None
        self._tokens: dict[str, Tokens] = {}  # bounded by the sessions
        self._guesses = Guesses()
        self._guessing = asyncio.Semaphore(2)  # a password costs 0.1 s of a core
        self.cookie = "__Host-yuetone" if settings.secure else "yuetone"

    @property
    def asks(self) -> bool:
        """Whether there is a page to log in by."""
        return self._settings.login in (Login.LOCAL, Login.OIDC)

    def oidc(self, asked: HTTPConnection) -> OidcLogin | None:
        """Return the provider by which people log in; None where they do otherwise."""
        if self._settings.login is not Login.OIDC or self._settings.oidc is None:
            return None
        if self._oidc is None:
            self._oidc = OidcLogin(self._settings.oidc, f"{self._own(asked)}{CALLBACK}")
        return self._oidc

    def log_in_with(self, tokens: Tokens) -> Session:
        """Begin a session for whoever the provider has named."""
        session = self.sessions.begin(tokens.person)
        self._tokens[session.id] = tokens
        return session

    async def renew(self) -> None:
        """Renew the tokens that end soon, until cancelled; a session without a token ends."""
        while True:
            await asyncio.sleep(RENEWED_S)
            for name, tokens in list(self._tokens.items()):
                session = self.sessions.find(name, touch=False)
                if session is None or self._oidc is None:
                    self._tokens.pop(name, None)
                elif tokens.until - time.monotonic() < EARLY_S:
                    await self._renewed(name, tokens, self._oidc)

    async def _renewed(self, name: str, tokens: Tokens, provider: OidcLogin) -> None:
        try:
            self._tokens[name] = await provider.renew(tokens)
        except LoginFailed as error:
            if tokens.until > time.monotonic():
                return  # the provider may be back before it ends
            _log.info("a session ended with its token", reason=str(error))
            self._tokens.pop(name, None)
            self.sessions.end(name)

    def session(self, asked: HTTPConnection, *, touch: bool = True) -> Session | None:
        """Return whose request it is; None for nobody's."""
        match self._settings.login:
            case Login.OFF:
                return self._of_everybody()
            case Login.PROXY:
                return self._of_proxy(asked, touch=touch)
            case _:
                return self.sessions.find(asked.cookies.get(self.cookie), touch=touch)

    async def log_in(self, name: str, password: str) -> Session | None:
        """Begin a session for whoever knows a password; None for others, and for a name that was guessed at.

        Raises:
            ConsoleSettingsError: the file of users cannot be read.
        """
        async with self._guessing:
            if not self._guesses.may(name):
                return None
            person = await asyncio.to_thread(self._users.person, name, password)
            if person is None:
                self._guesses.wrong(name)
                return None
        self._guesses.right(name)
        return self.sessions.begin(person)

    def same_origin(self, asked: HTTPConnection) -> bool:
        """Tell whether a request comes from a page of ours, as browsers say."""
        site = asked.headers.get("sec-fetch-site", "same-origin")
        origin = asked.headers.get("origin")
        return site in ("same-origin", "none") and origin is not None and origin.lower() == self._own(asked)

    def _own(self, asked: HTTPConnection) -> str:
        if self._settings.origin is not None:
            return self._settings.origin
        scheme = "https" if asked.url.scheme in ("https", "wss") else "http"
        host = asked.headers.get("host", "")
        return f"{scheme}://{host}".lower()

    def _of_everybody(self) -> Session:
        if self._everybody is None:
            source = client.token_of_environment()
            person = person_with(NOBODY, None if source is None else source())
            self._everybody = Session(id="", person=person, began=0.0, used=0.0)
        return self._everybody

    def _of_proxy(self, asked: HTTPConnection, *, touch: bool) -> Session | None:
        """Return the session of the token that a believed proxy hands on."""
        token = asked.headers.get(self._settings.proxy_header.lower(), "").removeprefix("Bearer ").strip()
        if not token or asked.client is None or asked.client.host not in self._settings.proxy_addresses:
            return None
        person = person_with("", token)
        session = self.sessions.find(self._by_token.get(person.key), touch=touch)
        if session is None:
            session = self.sessions.begin(person)
            self._by_token[person.key] = session.id
        return session
