"""The server behind the console, as each person reaches it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

import client
from console.settings import ConsoleSettings
from yuetone.v1 import overview_service_pb2

DEADLINE_S = 10.0
"""For a request that a person waits for, s."""


@dataclass(slots=True)
class Renewable:
    """A token that may be renewed while it is in use.

    Attributes:
        value: good now.
    """

    value: str

    def __call__(self) -> str:
        """Return it."""
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whoever is at the screen.

    Attributes:
        name: for people.
        token: shown to the server; None shows none.
        key: what tells one person's rights from another's; no secret.
    """

    name: str
    token: Renewable | None = None
    key: str = ""


def person_with(name: str, token: str | None) -> Person:
    """Return a person who is known by a token alone.

    Args:
        name: for people.
        token: shown to the server.
    """
    key = hashlib.sha256((token or "").encode()).hexdigest()[:16]
    return Person(name=name, token=None if token is None else Renewable(token), key=key)


class Backend:
    """Channels to the server; for one event loop.

    Args:
        address: host:port.
        identity: how the server is known; nobody's own token.
    """

    def __init__(self, address: str, identity: client.Identity) -> None:
        self.address = address
        self._channel = client.open_channel(address, identity)

    def channel(self, person: Person) -> grpc.aio.Channel:
        """Return a channel on which a person is who they are."""
        if person.token is None:
            return self._channel
        return client.AuthorizedChannel(self._channel, client.Identity(token=person.token))

    async def me(self, person: Person) -> overview_service_pb2.GetMeResponse:
        """Return who a person is to the server.

        Raises:
            grpc.aio.AioRpcError: the server does not know them, or is not there.
        """
        request = overview_service_pb2.GetMeRequest()
        return await client.overview_stub(self.channel(person)).GetMe(request, timeout=DEADLINE_S)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


@asynccontextmanager
async def backend_of(settings: ConsoleSettings) -> AsyncIterator[Backend]:
    """Yield the server that the settings name; it need not be there yet."""
    identity = client.Identity(authorities=settings.tls_ca, secure=settings.tls)
    backend = Backend(settings.server, identity)
    try:
        yield backend
    finally:
        await backend.close()
