"""Sessions: what a cookie stands for. In memory: a console that starts again asks people to log in again."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from console.backend import Person

MOST = 10_000
"""Sessions; the one that was used longest ago goes."""


@dataclass(slots=True, eq=False)
class Session:
    """A session.

    Attributes:
        id: secret; what the cookie holds.
        person: whose.
        began: s, monotonic.
        used: s, monotonic.
        ended: is set when it ends: sockets close.
    """

    id: str
    person: Person
    began: float
    used: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """All of them; for one event loop.

    Args:
        most_s: after which one ends.
        idle_s: without a request, the same.
        clock: s, monotonic.
    """

    def __init__(self, most_s: float, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_s, self._idle_s, self._clock = most_s, idle_s, clock
        self._sessions: dict[str, Session] = {}  # bounded by MOST; the last used is last

    def begin(self, person: Person) -> Session:
        """Begin a session."""
        now = self._clock()
        session = Session(id=secrets.token_urlsafe(32), person=person, began=now, used=now)
        self._sessions[session.id] = session
        if len(self._sessions) > MOST:
            self.end(next(iter(self._sessions)))
        return session

    def find(self, name: str | None, *, touch: bool = True) -> Session | None:
        """Return the session of a cookie; None where it is over.

        Args:
            name: what the cookie holds.
            touch: whether somebody did something.
        """
        session = self._sessions.get(name or "")
        if session is None:
            return None
        now = self._clock()
        if now - session.began > self._most_s or now - session.used > self._idle_s:
            self.end(session.id)
            return None
        if touch:
            session.used = now
            self._sessions[session.id] = self._sessions.pop(session.id)
        return session

    def end(self, name: str) -> None:
        """End a session; its sockets close."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.ended.set()
