"""The calls in progress in one process: admission, lookup, commands, and resumption after a broken stream."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from pipeline.access.secrets import same_secret
from pipeline.calls.commands import Command, CommandMessage
from pipeline.calls.directory import CallStream, LiveCall, WatchedCall
from pipeline.calls.events import CallEvent
from pipeline.calls.info import CallInfo, CallSpec
from pipeline.calls.log import CallLog, check_cursor
from pipeline.calls.overview import CallFilter, CallOverview, CallPhase, CallRow
from pipeline.calls.reach import CallReach
from pipeline.errors import CallMoved, DuplicateCall, InvalidRequest, ShuttingDown, UnknownCall
from pipeline.logs.followers import Followers
from pipeline.logs.running import RunningCall

_Name = tuple[str | None, str]
"""A call's company and id: two companies may use the same id, and neither learns of it."""
COMMAND_S = 5.0
"""How long a command may wait for the call to come to its place in the stream."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One live call.

    Attributes:
        call: the call.
        session_id: the secret that lets a new stream take the call over.
        stream: that feeds it; None while it has none.
        overview: its row.
        lost: ends the call when the resume window has passed.
        task: that runs it.
    """

    call: RunningCall
    session_id: str
    overview: CallOverview
    stream: CallStream | None = None
    lost: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None


class MemoryCallDirectory:
    """A :class:`pipeline.calls.directory.CallDirectory`; owns every call's task; for one event loop.

    Args:
        start: makes a call, given its log; raises InvalidRequest for an unknown profile.
        log_of: makes the log of a call, given what is told every event; raises as ``start``.
        admit: raises AtCapacity where, beside the live calls of each company, a call of so many channels of
            that company must not come.
        resume_window_s: how long a broken call waits for a new stream.
        tasks: runs the calls.
    """

    def __init__(
        self,
        start: Callable[[CallSpec, CallLog], RunningCall],
        log_of: Callable[[CallSpec, Callable[[CallEvent], None]], CallLog],
        admit: Callable[[Mapping[str | None, int], int, str | None], None],
        resume_window_s: float,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._start, self._log_of = start, log_of
        self._admit = admit
        self._resume_window_s = resume_window_s
        self._tasks = tasks
        self._entries: dict[_Name, _Entry] = {}
        self._coming: set[_Name] = set()  # admitted, and not begun yet
        self._reviews: dict[asyncio.Task[None], RunningCall] = {}
        self._followers = Followers()
        self._draining = False
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def calls(self) -> tuple[RunningCall, ...]:
        """The live calls; safe to ask for from another thread."""
        return tuple(entry.call for entry in list(self._entries.values()))

    # ---------------------------------------------------------------- streams

    @contextmanager
    def admitted(self, spec: CallSpec) -> Iterator[None]:
        """Hold a place for a call until it has begun.

        Raises:
            ShuttingDown, AtCapacity, DuplicateCall: it must not begin now.
            CallMoved: it is just being resumed by another stream.
        """
        name = _name_of(spec.info)
        if self._draining:
            raise ShuttingDown("the server is shutting down; connect to another one")
        if spec.resume is not None and name in self._coming:
            raise CallMoved("another stream resumes this call just now; resume it again")
        if name in self._entries or name in self._coming:
            raise DuplicateCall("a live call has this call_id; use another, or resume with its session_id")
        live = Counter(tenant for tenant, _call_id in (*self._entries, *self._coming))
        self._admit(live, len(spec.roles), spec.info.tenant)
        self._coming.add(name)
        try:
            yield
        finally:
            self._coming.discard(name)

    async def open(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        """Admit a call, and attach its stream; see :class:`pipeline.calls.directory.CallDirectory`."""
        with self.admitted(spec):
            return self.begin(spec, stream, secrets.token_urlsafe(16), resumed=False)

    def begin(self, spec: CallSpec, stream: CallStream, session_id: str, *, resumed: bool) -> RunningCall:
        """Begin a call that was admitted.

        Args:
            spec: of the call.
            stream: that feeds it.
            session_id: the secret that lets a new stream take it over.
            resumed: whether the client knows it already, from another node.

        Raises:
            InvalidRequest: unknown profile.
        """
        overview = CallOverview(CallRow(info=spec.info, phase_since=spec.info.started_at))
        log = self._log_of(spec, lambda event: self._happened(overview, event))
        entry = _Entry(
            call=self._start(spec, log),
            session_id=session_id,
            overview=overview,
            stream=stream,
        )
        self._entries[_name_of(spec.info)] = entry
        self._empty.clear()
        entry.task = self._tasks.create_task(self._run(entry), name=f"call {spec.call_id}")
        entry.call.greet(entry.session_id, resumed=resumed)
        self._followers.tell(overview.row)
        return entry.call

    async def resume(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        """Hand a call to a new stream; see :class:`pipeline.calls.directory.CallDirectory`."""
        entry = self._entries.get(_name_of(spec.info))
        if entry is None or entry.call.info.sender != spec.info.sender:
            raise UnknownCall("no such call to resume; the resume window has passed or it has ended")
        if spec.resume is None or not same_secret(entry.session_id, spec.resume.session_id):
            raise InvalidRequest("StartCall.resume.session_id is not the one from Started")
        began = entry.call.spec
        if (spec.codec, spec.sample_rate, len(spec.roles)) != (
            began.codec,
            began.sample_rate,
            len(began.roles),
        ):
            raise InvalidRequest("a resumed call must keep its codec, sample rate and channels")
        check_cursor(entry.call.log, spec.resume.last_server_seq)
        if entry.lost is not None:
            entry.lost.cancel()
        if entry.stream is not None:
            entry.stream.replaced()
        entry.stream, entry.lost = stream, None
        entry.call.greet(entry.session_id, resumed=True)
        self._enter(entry, CallPhase.TALKING)
        return entry.call

    def detach(self, call: LiveCall, stream: CallStream) -> None:
        """Keep a call whose stream is gone for a while, then end it."""
        entry = self._entries.get(_name_of(call.info))
        if entry is None or entry.stream is not stream or call.log.closed:
            return
        entry.stream = None
        loop = asyncio.get_running_loop()
        entry.lost = loop.call_later(self._resume_window_s, call.close, "lost")
        self._enter(entry, CallPhase.LOST)

    def local(self, info: CallInfo) -> RunningCall | None:
        """Return the live call of that company and id; None where there is none."""
        entry = self._entries.get(_name_of(info))
        return None if entry is None else entry.call

    async def drop(self, call: LiveCall, *, moved: bool = False) -> None:
        """Let go of a call that another node has, or shall have (``moved``)."""
        entry = self._entries.get(_name_of(call.info))
        if entry is None or entry.call is not call:
            return
        if entry.stream is not None:
            (entry.stream.moved if moved else entry.stream.replaced)()
        if entry.task is not None:
            entry.task.cancel()
            await asyncio.gather(entry.task, return_exceptions=True)

    # ---------------------------------------------------------------- lookup

    async def find(self, call_id: str, reach: CallReach) -> WatchedCall:
        """Return a live call, or one that is being looked at again.

        Raises:
            UnknownCall: there is none of that id within reach.
        """
        entry = self._entry(call_id, reach)
        if entry is not None:
            return entry.call
        for call in self._reviews.values():
            if call.info.call_id == call_id and reach.takes(call.info):
                return call
        raise UnknownCall("no live call has this call_id")

    def _entry(self, call_id: str, reach: CallReach) -> _Entry | None:
        """Return the live call of that id within reach; what there is beyond it makes no difference."""
        if reach.tenant is not None:
            entry = self._entries.get((reach.tenant, call_id))
            return entry if entry is not None and reach.takes(entry.call.info) else None
        return next((entry for name, entry in self._entries.items() if name[1] == call_id), None)

    async def list(self, wanted: CallFilter) -> tuple[CallRow, ...]:
        """Return the rows of live calls, the oldest call first."""
        rows = (entry.overview.row for entry in self._entries.values())
        return tuple(row for row in rows if wanted.takes(row.info))

    async def follow(
        self, wanted: CallFilter, interval_s: float
    ) -> AsyncGenerator[tuple[CallRow, ...], None]:
        """Yield the rows of all live calls, then those that changed, at most every ``interval_s``."""
        with self._followers.one(wanted) as follower:
            yield await self.list(wanted)
            async for changed in follower.changes(interval_s):
                yield changed

    def _happened(self, overview: CallOverview, event: CallEvent) -> None:
        if overview.take(event, time.time()):
            self._followers.tell(overview.row)

    def _enter(self, entry: _Entry, phase: CallPhase) -> None:
        entry.overview.enter(phase, time.time())
        self._followers.tell(entry.overview.row)

    # ---------------------------------------------------------------- commands

    async def send(self, call_id: str, command: Command, reach: CallReach) -> object:
        """Put a command into the stream of a live call; return its answer.

        Raises:
            UnknownCall: there is no live call of that id within reach, or it did not come to the command
                in time.
        """
        entry = self._entry(call_id, reach)
        if entry is None:
            raise UnknownCall("no live call has this call_id")
        reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        entry.call.command(CommandMessage(command=command, reply=reply))
        try:
            async with asyncio.timeout(COMMAND_S):
                return await reply
        except TimeoutError:
            raise UnknownCall("the call did not come to the command in time; try again") from None

    # ---------------------------------------------------------------- life of a call

    async def _run(self, entry: _Entry) -> None:
        call, call_id = entry.call, entry.call.info.call_id
        continues = call.info.continues.call_id if call.info.continues else None
        _log.info("call started", call=call_id, channels=len(call.spec.roles), continues=continues)
        try:
            await call.run()
        finally:
            self._entries.pop(_name_of(call.info), None)
            if entry.lost is not None:
                entry.lost.cancel()
            if not self._entries:
                self._empty.set()
            self._begin_second_look(call)

    def _begin_second_look(self, call: RunningCall) -> None:
        """Let a second look go on behind the call; watchers can still find it."""
        if not call.reviewed:
            return
        if self._stopping:
            call.forget()
            return
        look: Coroutine[None, None, None] = call.look_again()
        try:
            task = self._tasks.create_task(look, name=f"second look {call.info.call_id}")
        except RuntimeError:  # the server is coming down
            look.close()
            call.forget()
            return
        self._reviews[task] = call  # bounded by the worker, which refuses what it has no room for
        task.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        call = self._reviews.pop(task, None)
        if call is not None:
            call.forget()  # also where the task was cancelled before it began

    # ---------------------------------------------------------------- the end

    def stop_second_looks(self) -> None:
        """Give up all second looks, and begin no more."""
        self._stopping = True
        for task in list(self._reviews):
            task.cancel()

    def drain(self) -> None:
        """Take no further calls."""
        self._draining = True

    def close_all(self, reason: str) -> None:
        """End every call behind what was received so far."""
        for call in self.calls:
            call.close(reason)

    async def abandon(self) -> None:
        """Cancel every call that is left; each tells its client that it has ended."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait_empty(self, timeout_s: float) -> bool:
        """Wait until no call is left; return whether that came true in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True


def _name_of(info: CallInfo) -> _Name:
    return info.tenant, info.call_id
