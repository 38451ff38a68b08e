"""The calls of one node of a cluster; for one event loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import structlog

from pipeline.audio.codecs import BYTES_PER_SAMPLE
from pipeline.calls.codec import decode
from pipeline.calls.commands import Command, CommandMessage, KeepNow
from pipeline.calls.directory import CallStream, LiveCall, WatchedCall
from pipeline.calls.info import SAMPLE_RATE, CallInfo, CallPart, CallSpec
from pipeline.calls.log import CallLog
from pipeline.calls.messages import AudioChunk, CallMessage
from pipeline.calls.overview import CallFilter, CallRow
from pipeline.calls.reach import CallReach
from pipeline.cluster.beat import Beat
from pipeline.cluster.log import ClusterCallLog
from pipeline.cluster.parts import as_begun, next_part_of
from pipeline.cluster.past import PastCall, PastCallLog
from pipeline.cluster.rows import Claim, NewCall, TakenCall
from pipeline.cluster.store import ClusterStore, form_of
from pipeline.errors import CallError, CallMoved, CallTaken, DuplicateCall, UnknownCall
from pipeline.logs.directory import MemoryCallDirectory
from pipeline.logs.running import RunningCall

LOOK_S = 1.0
"""Time between two looks whether the calls of this node are still its own, s; a frozen one learns so."""
ASKED_S = 5.0
"""How long a call that begins waits for the database, s; then it begins all the same."""
FLUSH_S = 2.0
"""How long a call that is handed over waits for the database, s; what it does not take is heard again."""
KEPT_S = 1.0
"""How long it waits for the disk of the record, s; what is not there by then is silent in it."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """How a call's audio is measured."""

    rate: int
    bytes_of_all: int
    bytes_of_one: int


class ClusterCall:
    """A live call as its stream sees it: it counts from the first sample of the whole call.

    Args:
        call: the part on this node.
        log: of the whole call.
    """

    def __init__(self, call: RunningCall, log: ClusterCallLog) -> None:
        self._call, self._log = call, log
        spec = call.spec
        size = BYTES_PER_SAMPLE[spec.codec]
        self._origin_ms = 0 if spec.part is None else spec.part.origin * 1000 // SAMPLE_RATE
        self._frame = _Frame(rate=spec.sample_rate, bytes_of_all=size * len(spec.roles), bytes_of_one=size)

    @property
    def info(self) -> CallInfo:
        """Whose call it is."""
        return self._call.info

    @property
    def log(self) -> CallLog:
        """Its events."""
        return self._call.log

    @property
    def error(self) -> CallError | None:
        """Why the call was ended, if something was wrong."""
        return self._call.error

    @property
    def acked(self) -> int:
        """Samples of audio that are safe, whatever happens to this node."""
        return self._log.acked

    @property
    def on_hold(self) -> bool:
        """Whether a Pause is in force."""
        return self._call.on_hold

    @property
    def inner(self) -> RunningCall:
        """The part on this node."""
        return self._call

    async def put(self, message: CallMessage) -> None:
        """Take the next message; see :class:`pipeline.calls.directory.LiveCall`."""
        if isinstance(message, AudioChunk) and self._origin_ms and message.offset_ms is not None:
            placed = self._placed(message, message.offset_ms - self._origin_ms)
            if placed is None:
                return
            message = placed
        await self._call.put(message)

    def _placed(self, chunk: AudioChunk, offset_ms: int) -> AudioChunk | None:
        """Return a message as this part counts, without what lies before it; None where nothing is left."""
        if offset_ms >= 0:
            return replace(chunk, offset_ms=offset_ms)
        frame = self._frame.bytes_of_all if chunk.channel is None else self._frame.bytes_of_one
        rest = chunk.data[-offset_ms * self._frame.rate // 1000 * frame :]
        return replace(chunk, data=rest, offset_ms=0) if rest else None

    def close(self, reason: str, transferred_to: str | None = None) -> None:
        """End the call behind what was received so far."""
        self._call.close(reason, transferred_to)

    def fail(self, error: CallError) -> None:
        """End the call because of ``error``."""
        self._call.fail(error)


class ClusterCallDirectory:
    """A :class:`pipeline.calls.directory.CallDirectory` that other nodes take calls over from.

    Args:
        inner: the calls of this process.
        store: what nodes agree on.
        beat: writes.
        logs: of the calls of this node, by uid; whoever makes a log puts it there.
    """

    def __init__(
        self, inner: MemoryCallDirectory, store: ClusterStore, beat: Beat, logs: dict[str, ClusterCallLog]
    ) -> None:
        self._inner, self._store, self._beat, self._logs = inner, store, beat, logs
        self._thread = ThreadPoolExecutor(2, thread_name_prefix="directory")
        self._dropping: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- streams

    async def open(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        """Admit a call, and attach its stream; see :class:`pipeline.calls.directory.CallDirectory`."""
        session_id, part = secrets.token_urlsafe(16), CallPart(uid=secrets.token_hex(10))
        with self._inner.admitted(spec):
            if not await self._taken_down(spec, part, session_id):
                return self._inner.begin(spec, stream, session_id, resumed=False)
            return await self._started(replace(spec, part=part), stream, session_id, resumed=False)

    async def _taken_down(self, spec: CallSpec, part: CallPart, session_id: str) -> bool:
        """Take a call down; where the database does not answer, it begins all the same, on its own.

        Raises:
            DuplicateCall: another node has it.
        """
        call = NewCall(
            uid=part.uid,
            info=spec.info,
            session_id=session_id,
            form=_form(spec),
            carrier=spec.carrier,
            record_terms=spec.record_terms,
        )
        try:
            async with asyncio.timeout(ASKED_S):
                await self._asked(lambda: self._store.begin(call))
        except DuplicateCall:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a driver raises: the customer is on the line)
            _log.error("a call begins that no other node can go on with", error=type(error).__name__)
            return False
        return True

    async def _started(
        self, spec: CallSpec, stream: CallStream, session_id: str, *, resumed: bool
    ) -> LiveCall:
        """Begin a part of a call that was written down as this node's."""
        part = spec.part
        if part is None:
            raise RuntimeError("a call of a cluster without a part")
        try:
            call = self._inner.begin(spec, stream, session_id, resumed=resumed)
        except CallError:
            await self._asked(lambda: self._store.give_up(part.uid, part.epoch))
            raise
        log = self._logs[part.uid]
        log.lost = lambda: self._drop(call)
        return ClusterCall(call, log)

    def _drop(self, call: RunningCall) -> None:
        _log.info("another node has the call", call=call.info.call_id)
        task = asyncio.create_task(self._inner.drop(call), name=f"drop {call.info.call_id}")
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def resume(self, spec: CallSpec, stream: CallStream) -> LiveCall:
        """Hand a call to a new stream, or take it over from another node."""
        here = self._inner.local(spec.info)
        if here is not None and await self._still_mine(here, spec):
            return self._proxy(await self._inner.resume(spec, stream))
        if here is not None:
            await self._inner.drop(here)
        if spec.resume is None:
            raise UnknownCall("no such call to resume")
        session_id = spec.resume.session_id
        with self._inner.admitted(spec):
            taken, part = await self._taken_over(spec, session_id)
            _log.info("call taken over", call=spec.call_id, epoch=taken.epoch)
            return await self._started(as_begun(spec, taken, part), stream, session_id, resumed=True)

    async def _taken_over(self, spec: CallSpec, session_id: str) -> tuple[TakenCall, CallPart]:
        """Make a call this node's.

        Raises:
            CallMoved: the database does not answer.
            CallTaken: a gateway goes on by itself, and the client has come back another way, or it has ended.
            UnknownCall: there is no such call.
        """
        claim = Claim(info=spec.info, session_id=session_id, form=_form(spec), carrier=spec.carrier)
        try:
            taken = await self._asked(partial(self._store.take_over, claim))
            part = None if taken is None else await self._part(taken, len(spec.roles))
        except Exception as error:  # noqa: BLE001 (whatever a driver raises)
            _log.error("a call could not be taken over", error=type(error).__name__)
            raise CallMoved("the nodes' database does not answer; resume again") from None
        if taken is not None and part is not None:
            return taken, part
        if spec.carrier is not None and spec.carrier.again:
            raise CallTaken("another stream has taken this call over, or it has ended")
        raise UnknownCall("no such call to resume; the resume window has passed or it has ended")

    async def _still_mine(self, call: RunningCall, spec: CallSpec) -> bool:
        """Tell whether no other node has a call of this process; a database that is away says nothing.

        Raises:
            CallTaken: a gateway goes on by itself, and the client has come back another way.
        """
        part = call.spec.part
        if part is None:
            return True
        try:
            async with asyncio.timeout(ASKED_S):
                return await self._asked(lambda: self._store.attach(part.uid, part.epoch, spec.carrier))
        except CallTaken:
            raise
        except Exception:  # noqa: BLE001 (as above)
            return True

    async def _part(self, taken: TakenCall, channels: int) -> CallPart:
        """Return the part that begins where everything before is safe."""
        bodies = await self._asked(lambda: self._store.told(taken.uid, 0))
        return next_part_of(taken, [decode(body).event for body in bodies], channels)

    def _proxy(self, call: LiveCall) -> LiveCall:
        here = self._inner.local(call.info)
        part = here.spec.part if here is not None else None
        log = self._logs.get(part.uid) if part is not None else None
        return call if here is None or log is None else ClusterCall(here, log)

    def detach(self, call: LiveCall, stream: CallStream) -> None:
        """Note that a stream is gone; see :class:`pipeline.calls.directory.CallDirectory`."""
        self._inner.detach(call, stream)

    # ---------------------------------------------------------------- lookup, of this node

    async def find(self, call_id: str, reach: CallReach) -> WatchedCall:
        """Return a live call of this node, or one that has ended a moment ago, on whichever node.

        Gateways ask the node that has it.

        Raises:
            UnknownCall: there is none of that id within reach.
        """
        try:
            return await self._inner.find(call_id, reach)
        except UnknownCall:
            for info, bodies in await self._asked(lambda: self._store.past(call_id)):
                if reach.takes(info):
                    return PastCall(info=info, log=PastCallLog(tuple(map(decode, bodies))))
            raise

    async def list(self, wanted: CallFilter) -> tuple[CallRow, ...]:
        """Return the rows of this node's live calls; gateways put those of all nodes together."""
        return await self._inner.list(wanted)

    def follow(self, wanted: CallFilter, interval_s: float) -> AsyncGenerator[tuple[CallRow, ...], None]:
        """Yield the rows of this node's live calls."""
        return self._inner.follow(wanted, interval_s)

    async def send(self, call_id: str, command: Command, reach: CallReach) -> object:
        """Send a command to a live call of this node."""
        return await self._inner.send(call_id, command, reach)

    # ---------------------------------------------------------------- in the background

    async def run(self) -> None:
        """Look over and over whether the calls here are still this node's, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            for uid in [uid for uid, log in self._logs.items() if log.closed]:
                del self._logs[uid]
            try:
                epochs = await self._epochs(tuple(self._logs))
            except Exception as error:  # noqa: BLE001 (the database is away: its writer says so)
                _log.debug("calls could not be looked up", error=type(error).__name__)
                continue
            for uid, log in list(self._logs.items()):
                if epochs.get(uid, log.epoch) != log.epoch:
                    log.fenced()

    async def _epochs(self, uids: Sequence[str]) -> dict[str, int]:
        return await self._asked(lambda: self._store.epochs(uids)) if uids else {}

    async def hand_over(self, patience_s: float) -> int:
        """Let other nodes have the calls that are left, each between two sentences; return how many.

        Args:
            patience_s: for which a call may go on talking.
        """
        calls = [call for call in self._inner.calls if call.spec.part is not None]
        await asyncio.gather(*(self._hand_over(call, patience_s) for call in calls))
        return len(calls)

    async def _hand_over(self, call: RunningCall, patience_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while call.speaking and loop.time() < deadline and not call.log.closed:  # noqa: ASYNC110 (stages set none)
            await asyncio.sleep(0.05)
        await self._beat.flush(FLUSH_S)
        await _sound_kept(call)
        log = self._logs.pop(call.spec.part.uid, None) if call.spec.part is not None else None
        if log is not None:
            log.leave()
        await self._inner.drop(call, moved=True)

    async def _asked(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """End the threads, behind what they do now."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)


async def _sound_kept(call: RunningCall) -> None:
    """Let what may be kept of a call's sound go to the record, and wait a while until it is there."""
    reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    call.command(CommandMessage(command=KeepNow(), reply=reply))
    try:
        async with asyncio.timeout(KEPT_S):
            await reply
            while not call.kept:  # noqa: ASYNC110 (the record's thread sets none)
                await asyncio.sleep(0.02)
    except (TimeoutError, CallError) as error:
        _log.debug("sound is missing where a call goes over", error=type(error).__name__)


def _form(spec: CallSpec) -> str:
    return form_of(spec.codec.value, spec.sample_rate, len(spec.roles))
