"""What is followed on the server for those who look: one stream a person and topic, however many tabs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import structlog

import client
from console.backend import Backend, Person
from console.live import calls as call_rows
from console.live.alerts import AlertRows
from console.live.call import CallRows
from console.live.topic import LINE, Topic
from yuetone.v1 import overview_service_pb2, supervisor_service_pb2

AGAIN_S = 2.0
"""Between two attempts to follow a topic, s."""
LINGERS_S = 10.0
"""A feed that nobody looks at stays for so long: pages are loaded anew."""
CALLS_MS = 500
"""Least ms between two messages about all calls."""
_REFUSED = {
    grpc.StatusCode.PERMISSION_DENIED: "refused",
    grpc.StatusCode.UNAUTHENTICATED: "login",
    grpc.StatusCode.NOT_FOUND: "gone",
    grpc.StatusCode.UNIMPLEMENTED: "missing",
}

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Feed:
    """A topic that is followed.

    Attributes:
        topic: its rows.
        epoch: tells one life of it from another: what a tab has of another one is void.
        lookers: each is called when rows have changed.
    """

    topic: Topic = field(default_factory=Topic)
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    lookers: set[Callable[[], None]] = field(default_factory=set)

    def changed(self) -> None:
        """Tell everybody who looks."""
        for looker in self.lookers:
            looker()

    def line(self, phase: str) -> None:
        """Tell how the line to the server is."""
        self.topic.put(LINE, {"k": "line", "phase": phase})
        self.changed()


class Feeds:
    """All feeds; for one event loop, inside ``async with``.

    Args:
        backend: the server.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._feeds: dict[tuple[str, str], tuple[Feed, asyncio.Task[None]]] = {}
        self._tasks = asyncio.TaskGroup()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the tasks of all feeds."""
        async with self._tasks:
            yield
            for _feed, task in self._feeds.values():
                task.cancel()

    def open(self, person: Person, name: str, looker: Callable[[], None]) -> Feed:
        """Return a feed, and begin to follow it if nobody did.

        Args:
            person: who looks.
            name: ``calls``, ``alerts`` or ``call:ID``.
            looker: is called when it has changed.
        """
        key = (person.key, name)
        found = self._feeds.get(key)
        if found is None or found[1].done():
            feed = Feed()
            task = self._tasks.create_task(
                self._follow(key, person, feed), name=f"feed {name.partition(':')[0]}"
            )
            found = self._feeds[key] = (feed, task)
        found[0].lookers.add(looker)
        return found[0]

    def close(self, person: Person, name: str, looker: Callable[[], None]) -> None:
        """Look at a feed no more; it ends a while after nobody does."""
        found = self._feeds.get((person.key, name))
        if found is None:
            return
        feed, task = found
        feed.lookers.discard(looker)
        if not feed.lookers:
            asyncio.get_running_loop().call_later(LINGERS_S, self._end, (person.key, name), feed, task)

    def _end(self, key: tuple[str, str], feed: Feed, task: asyncio.Task[None]) -> None:
        if not feed.lookers:
            task.cancel()
            if self._feeds.get(key, (None,))[0] is feed:
                del self._feeds[key]

    async def _follow(self, key: tuple[str, str], person: Person, feed: Feed) -> None:
        """Follow one topic until cancelled, or until it is over."""
        kind, _, name = key[1].partition(":")
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "calls": lambda: self._calls(person, feed),
            "alerts": lambda: self._alerts(person, feed),
            "call": lambda: self._call(person, feed, name),
        }
        while True:
            if await self._tried(work[kind], kind, feed):
                return
            await asyncio.sleep(AGAIN_S)

    async def _tried(self, work: Callable[[], Awaitable[None]], kind: str, feed: Feed) -> bool:
        """Follow a topic until something breaks; return whether it is over for good."""
        try:
            await work()
        except grpc.aio.AioRpcError as error:
            feed.line(_REFUSED.get(error.code(), "lost"))
            return error.code() in _REFUSED
        except Exception as error:  # noqa: BLE001 (one feed that breaks must not end all)
            _log.error("a feed broke, trying again", feed=kind, error=type(error).__name__)
            feed.line("lost")
            return False
        return True

    async def _calls(self, person: Person, feed: Feed) -> None:
        request = overview_service_pb2.WatchCallsRequest(interval_ms=CALLS_MS)
        channel = self._backend.channel(person)
        async for message in client.watch_calls(channel, request, lost=lambda _reason: feed.line("lost")):
            call_rows.take(feed.topic, message)
            feed.line("live")

    async def _alerts(self, person: Person, feed: Feed) -> None:
        channel, rows = self._backend.channel(person), AlertRows(feed.topic)
        found = await client.supervisor_stub(channel).ListOpenAlerts(
            supervisor_service_pb2.ListOpenAlertsRequest()
        )
        rows.snapshot(found)
        feed.line("live")
        request = supervisor_service_pb2.WatchAlertsRequest(cursor=found.cursor)
        async for message in client.watch_alerts(channel, request, lost=lambda _reason: feed.line("lost")):
            rows.take(message)
            feed.line("live")

    async def _call(self, person: Person, feed: Feed, call_id: str) -> None:
        channel, rows = self._backend.channel(person), CallRows(feed.topic)
        async for message in client.watch_call(channel, call_id, lost=lambda _reason: feed.line("lost")):
            rows.take(message.event, message.missed_events)
            feed.line("live")
        if not rows.ended:
            rows.status("ended")
            feed.changed()
