"""The calls in progress: admission, lookup, resumption after a broken stream, and the end of all."""

from __future__ import annotations

import asyncio
import secrets

import structlog

from pipeline.config import Settings
from pipeline.errors import AtCapacity, DuplicateCall, InvalidRequest, ShuttingDown, UnknownCall
from pipeline.events import SAMPLE_RATE, CallSpec
from pipeline.session import CallSession, Engines

_log = structlog.get_logger(__name__)


class CallRegistry:
    """Owns every call's task; for one event loop.

    Args:
        settings: of the server.
        engines: shared by all calls.
        tasks: runs the calls.
    """

    def __init__(self, settings: Settings, engines: Engines, tasks: asyncio.TaskGroup) -> None:
        self._settings = settings
        self._engines = engines
        self._tasks = tasks
        self._calls: dict[str, CallSession] = {}
        self._attached: set[str] = set()
        self._lost: dict[str, asyncio.TimerHandle] = {}
        self._reviews: dict[asyncio.Task[None], CallSession] = {}
        self._draining = False
        self._stopping = False
        self._empty = asyncio.Event()
        self._empty.set()
        engines.metrics.lag.set_function(self._worst_lag_s)
        engines.metrics.queue.labels("mailboxes").set_function(self._waiting_messages)

    def _worst_lag_s(self) -> float:
        sessions = list(self._calls.values())  # the metrics endpoint asks from its own thread
        return max((session.context.lag for session in sessions), default=0) / SAMPLE_RATE

    def _waiting_messages(self) -> int:
        return sum(len(session.mailbox) for session in list(self._calls.values()))

    def __len__(self) -> int:
        return len(self._calls)

    def open(self, spec: CallSpec) -> CallSession:
        """Admit a call, or hand a broken one to its new stream.

        Raises:
            ShuttingDown, AtCapacity, DuplicateCall: not now.
            UnknownCall: nothing to resume.
            InvalidRequest: unknown profile, or a resume that is not the call's.
        """
        if spec.resume:
            return self._resume(spec)
        if self._draining:
            raise ShuttingDown("the server is shutting down; connect to another one")
        if spec.call_id in self._calls:
            raise DuplicateCall("a live call has this call_id; use another, or resume with its session_id")
        if len(self._calls) >= self._settings.limits.max_calls:
            raise AtCapacity(f"all {self._settings.limits.max_calls} calls are taken (limits.max_calls)")
        self._check_pace()
        profile = self._settings.profiles.get(spec.profile)
        if profile is None:
            raise InvalidRequest(f"no profile of that name; there are: {', '.join(self._settings.profiles)}")
        session = CallSession(secrets.token_urlsafe(16), spec, profile, self._settings.limits, self._engines)
        self._calls[spec.call_id] = session
        self._attached.add(spec.call_id)
        self._empty.clear()
        self._engines.metrics.calls_live.set(len(self._calls))
        self._tasks.create_task(self._run(session), name=f"call {spec.call_id}")
        session.greet(resumed=False)
        return session

    def _check_pace(self) -> None:
        """Refuse a call that would make all calls late.

        Raises:
            AtCapacity: finals would come too late.
        """
        limit = self._settings.limits.max_final_wait_ms / 1000
        lag = self._engines.pulse.lag_s
        if not limit or not self._calls:
            return
        predicted = self._engines.scheduler.predicted_wait_s(len(self._calls), lag)
        if predicted > limit:
            raise AtCapacity(
                f"with one more call than {len(self._calls)}, finals would wait {predicted * 1000:.0f} ms, "
                f"more than {limit * 1000:.0f} (limits.max_final_wait_ms); try another server"
            )

    def _resume(self, spec: CallSpec) -> CallSession:
        session = self._calls.get(spec.call_id)
        if session is None:
            raise UnknownCall("no such call to resume; the resume window has passed or it has ended")
        if spec.resume is None or not secrets.compare_digest(session.session_id, spec.resume.session_id):
            raise InvalidRequest("StartCall.resume.session_id is not the one from Started")
        if spec.call_id in self._attached:
            raise DuplicateCall("the call still has a stream; close it before resuming")
        if (spec.codec, spec.sample_rate, len(spec.roles)) != (
            session.spec.codec,
            session.spec.sample_rate,
            len(session.spec.roles),
        ):
            raise InvalidRequest("a resumed call must keep its codec, sample rate and channels")
        if spec.call_id in self._lost:
            self._lost.pop(spec.call_id).cancel()
        self._attached.add(spec.call_id)
        session.greet(resumed=True)
        return session

    async def _run(self, session: CallSession) -> None:
        call_id = session.spec.call_id
        _log.info("call started", call=call_id, channels=len(session.spec.roles))
        try:
            await session.run()
        finally:
            self._calls.pop(call_id, None)
            self._attached.discard(call_id)
            if call_id in self._lost:
                self._lost.pop(call_id).cancel()
            self._engines.metrics.calls_live.set(len(self._calls))
            if not self._calls:
                self._empty.set()
            audio_s = session.context.acked / SAMPLE_RATE
            _log.info(
                "call ended", call=call_id, audio_s=round(audio_s, 1), utterances=session.context.utterances
            )
            self._look_again(session)

    def _look_again(self, session: CallSession) -> None:
        """Let a second look go on behind the call; watchers can still find it."""
        if session.recording is None:
            return
        if self._stopping:
            session.forget_recording()
            return
        look = session.look_again()
        try:
            task = self._tasks.create_task(look, name=f"second look {session.spec.call_id}")
        except RuntimeError:  # the server is coming down
            look.close()
            session.forget_recording()
            return
        self._reviews[task] = session  # bounded by the reviewer, which refuses what it has no room for
        task.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        session = self._reviews.pop(task, None)
        if session is not None:
            session.forget_recording()  # also where the task was cancelled before it began

    def stop_reviews(self) -> None:
        """Give up all second looks, and begin no more."""
        self._stopping = True
        for task in list(self._reviews):
            task.cancel()

    def detach(self, session: CallSession) -> None:
        """The stream of a call is gone: keep the call for a while, then end it."""
        call_id = session.spec.call_id
        if self._calls.get(call_id) is not session or session.context.log.closed:
            return
        self._attached.discard(call_id)
        window = self._settings.limits.resume_window_s
        loop = asyncio.get_running_loop()
        self._lost[call_id] = loop.call_later(window, session.close, "lost")

    def find(self, call_id: str) -> CallSession:
        """Return a live call, or one that is being looked at again.

        Raises:
            UnknownCall: there is none of that id.
        """
        finished = (session for session in self._reviews.values() if session.spec.call_id == call_id)
        session = self._calls.get(call_id) or next(finished, None)
        if session is None:
            raise UnknownCall("no live call has this call_id")
        return session

    def drain(self) -> None:
        """Take no further calls."""
        self._draining = True

    def close_all(self, reason: str) -> None:
        """End every call behind what was received so far."""
        for session in self._calls.values():
            session.close(reason)

    async def wait_empty(self, timeout_s: float) -> bool:
        """Wait until no call is left; return whether that came true in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
