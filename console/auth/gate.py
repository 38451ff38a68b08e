"""Who asks, and from which page: the one place that decides both."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection

import client
from console.auth.sessions import Session, Sessions
from console.auth.users import LocalUsers
from console.backend import Person
from console.settings import ConsoleSettings, Login

NOBODY = "development"
"""Name of whoever is at the screen where nobody is asked."""


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
        self._guessing = asyncio.Semaphore(2)
        self.cookie = "__Host-yuetone" if settings.secure else "yuetone"

    @property
    def asks(self) -> bool:
        """Whether there is a page to log in by."""
        return self._settings.login is Login.LOCAL

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
        """Begin a session for whoever knows a password; None for others. Two guesses at a time, no more.

        Raises:
            ConsoleSettingsError: the file of users cannot be read.
        """
        async with self._guessing:
            person = await asyncio.to_thread(self._users.person, name, password)
        return None if person is None else self.sessions.begin(person)

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
            person = Person(name=NOBODY, token=None if source is None else source())
            self._everybody = Session(id="", person=person, began=0.0, used=0.0)
        return self._everybody

    def _of_proxy(self, asked: HTTPConnection, *, touch: bool) -> Session | None:
        """Return the session of the token that a believed proxy hands on."""
        token = asked.headers.get(self._settings.proxy_header.lower(), "").removeprefix("Bearer ").strip()
        if not token or asked.client is None or asked.client.host not in self._settings.proxy_addresses:
            return None
        person = Person(name="", token=token)
        session = self.sessions.find(self._by_token.get(person.key), touch=touch)
        if session is None:
            session = self.sessions.begin(person)
            self._by_token[person.key] = session.id
        return session
