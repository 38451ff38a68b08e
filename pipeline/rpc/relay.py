"""One call through a gateway of a cluster: its client keeps one stream, whatever node has the call.

What the client sent and is not safe yet is kept here (some 11 s, 180 kB): a client that knows nothing of
resuming loses nothing with a node.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

import grpc
import structlog

from client.journal import Journal
from pipeline.audio.codecs import BYTES_PER_SAMPLE
from pipeline.audio.timeline import Timeline
from pipeline.calls.info import SAMPLE_RATE, CallSpec
from pipeline.calls.messages import AudioChunk
from pipeline.config import LimitSettings
from pipeline.errors import CallError
from pipeline.inference.ticker import BatchTicker
from pipeline.rpc import requests, responses
from pipeline.rpc.joiner import Joiner, audio_of, message_of
from pipeline.rpc.routing import Identity, Node, NodeRouter
from pipeline.rpc.servicer import END_OF_STREAM_S
from pipeline.rpc.status import is_ours
from yuetone.v1 import call_service_pb2 as pb

STREAM_CALL = "/yuetone.v1.CallService/StreamCall"
ANSWER_S = 3.0
"""How long a node may take to say whether it has a call, s."""
AGAIN_S = 0.05
"""Pause between two rounds of asking nodes, s."""
BEAT_S = 0.5
"""Between two signs of life to a client whose call has no node, s."""
SILENCE_S = 1.8
"""A line on which not even a heartbeat came for so long is broken: they come each second."""
BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
LATER = ("AT_CAPACITY", "SHUTTING_DOWN")
_EOF = grpc.aio.EOF
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class Broken(Exception):
    """The line to a node is gone; the call need not be."""


class Refused(Exception):
    """A node said no, and no other one will say anything else.

    Args:
        code: of the status.
        details: of it.
        answer: message that the client has not had.
    """

    def __init__(self, code: grpc.StatusCode, details: str, answer: bytes | None = None) -> None:
        super().__init__(details)
        self.code, self.details, self.answer = code, details, answer


class CallRelay:
    """Carries one call; for one event loop.

    Args:
        context: of the client's stream.
        router: knows the nodes.
        identity: of the client, for nodes.
        limits: of the server.
        pulse: when audio that was put together is sent on.
    """

    def __init__(
        self,
        context: _Context,
        router: NodeRouter,
        identity: Identity,
        limits: LimitSettings,
        pulse: BatchTicker,
    ) -> None:
        self._context, self._router, self._identity, self._limits = context, router, identity, limits
        self._pulse = pulse
        self._journal = Journal()
        self._start = pb.StreamCallRequest()
        self._session_id = ""
        self._last_seq = 0
        self._acked_ms = 0
        self._call_id = ""
        self._line: _Line | None = None
        self._tracks: _Tracks | None = None
        self._woken = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._sent_all = False

    async def run(self) -> None:
        """Carry the call until it has ended."""
        first = await self._context.read()
        if first is _EOF:
            await self._context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_REQUEST: the stream was empty; the first message must be StartCall",
            )
        try:
            self._start = pb.StreamCallRequest.FromString(first)
            spec = requests.call_spec(self._start, now=time.time())
        except Exception:  # noqa: BLE001 (whatever is wrong with it: the node says so in its own words)
            spec = None
        self._call_id = spec.call_id if spec is not None else ""
        if spec is not None:
            self._tracks = _Tracks(spec, self._limits)
        reader = asyncio.create_task(self._read(spec), name="relay read")
        try:
            await self._carry(first, spec)
        except Refused as refused:
            if refused.answer is not None:
                await self._context.write(refused.answer)
            await self._context.abort(refused.code, refused.details)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            if self._line is not None:
                self._line.close()

    # ---------------------------------------------------------------- from the client

    async def _read(self, spec: CallSpec | None) -> None:
        """Take what the client sends, audio put together, until it has sent all."""
        joiner = Joiner(spec, self._limits.max_chunk_bytes) if spec is not None else None
        flusher: asyncio.Task[None] | None = None
        try:
            while (data := await self._context.read()) is not _EOF:
                await self._room.wait()
                chunk = audio_of(data) if joiner is not None else None
                if joiner is None or chunk is None:
                    self._flush(joiner)
                    self._keep(pb.StreamCallRequest.FromString(data))
                    continue
                joiner.add(chunk)
                if joiner.full:
                    self._flush(joiner)
                elif flusher is None or flusher.done():
                    flusher = asyncio.create_task(self._flush_soon(joiner), name="relay flush")
            self._flush(joiner)
        finally:
            if flusher is not None:
                flusher.cancel()
                await asyncio.gather(flusher, return_exceptions=True)
        await asyncio.sleep(END_OF_STREAM_S)  # a broken stream looks the same, but cancels this task
        self._sent_all = True
        self._woken.set()

    async def _flush_soon(self, joiner: Joiner) -> None:
        while joiner.waiting:
            await self._pulse.next()
            self._flush(joiner)

    def _flush(self, joiner: Joiner | None) -> None:
        if joiner is None:
            return
        for message in joiner.chunks():
            self._keep(self._placed(message), message)

    def _placed(self, chunk: AudioChunk) -> pb.StreamCallRequest:
        at_ms = self._tracks.place(chunk) if self._tracks is not None else chunk.offset_ms
        return message_of(replace(chunk, offset_ms=at_ms))

    def _keep(self, message: pb.StreamCallRequest, chunk: AudioChunk | None = None) -> None:
        end_ms = self._tracks.end_ms if chunk is not None and self._tracks is not None else None
        self._journal.add(message, end_ms)
        if self._journal.full:
            self._room.clear()
        self._woken.set()

    # ---------------------------------------------------------------- to and from nodes

    async def _carry(self, first: bytes, spec: CallSpec | None) -> None:
        """Give the call to a node, and to another one whenever that is gone."""
        line = await self._begun(first, spec)
        while True:
            try:
                return await self._converse(line)
            except Broken:
                self._router.failed(line.node.name)
                if not self._session_id:
                    raise Refused(grpc.StatusCode.UNAVAILABLE, "the node has gone; try again") from None
                _log.info("a node is gone, its call goes on", call=self._call_id)
                line = await self._taken_over(line.node.name)

    async def _begun(self, first: bytes, spec: CallSpec | None) -> _Line:
        """Give a call to a node that takes it.

        Raises:
            Refused: none does.
        """
        tried: list[str] = []
        owners = await self._router.owners(self._call_id) if spec is not None and spec.resume else []
        refused = Refused(grpc.StatusCode.UNAVAILABLE, "no node of this cluster answers; try again")
        while (node := self._first_of(owners, tried)) is not None:
            tried.append(node.name)
            line = self._line = _Line(node, self._identity)
            try:
                await line.write(first)
                answer = await line.read(ANSWER_S)
            except Broken:
                self._router.failed(node.name)
                continue
            except _Finished:
                continue
            message = pb.StreamCallResponse.FromString(answer)
            if message.HasField("error") and message.error.code in LATER:
                refused = await line.refusal(answer, message)
                continue
            await self._take(answer, message)
            return line
        raise refused

    def _first_of(self, owners: list[str], tried: list[str]) -> Node | None:
        for name in owners:
            node = self._router.named(name) if name not in tried else None
            if node is not None:
                return node
        return self._router.for_new(tried)

    async def _taken_over(self, gone: str) -> _Line:
        """Let another node go on with the call.

        Raises:
            Refused: none can, within the resume window.
        """
        until = time.monotonic() + self._limits.resume_window_s
        beat = asyncio.create_task(self._signs_of_life(), name="relay heartbeat")
        resume = pb.StreamCallRequest()
        resume.CopyFrom(self._start)
        try:
            tried = [gone]
            while time.monotonic() < until:
                node = self._router.for_new(tried)
                if node is None:
                    tried = []
                    await asyncio.sleep(AGAIN_S)
                    continue
                tried.append(node.name)
                resume.start_call.resume.session_id = self._session_id
                resume.start_call.resume.last_server_seq = self._last_seq
                line = await self._asked(node, resume)
                if line is not None:
                    return line
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        raise Refused(grpc.StatusCode.UNAVAILABLE, "no other node could go on with the call; try again")

    async def _asked(self, node: Node, resume: pb.StreamCallRequest) -> _Line | None:
        """Ask a node to go on with the call; None where it cannot."""
        line = self._line = _Line(node, self._identity)
        try:
            await line.write(resume.SerializeToString())
            while True:
                answer = await line.read(ANSWER_S)
                message = pb.StreamCallResponse.FromString(answer)
                if message.HasField("error"):
                    refusal = await line.refusal(answer, message)
                    if message.error.code in LATER:
                        return None
                    raise refusal
                if not message.HasField("started"):
                    await self._take(answer, message)  # what the parts before have told
                    continue
                self._note(message)
                self._journal.resume_at(message.started.received_audio_ms)
                self._woken.set()
                return line
        except (Broken, _Finished):
            self._router.failed(node.name)
            return None

    async def _signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            acked = self._acked_ms * SAMPLE_RATE // 1000
            await self._context.write(responses.heartbeat(self._call_id, acked).SerializeToString())

    async def _converse(self, line: _Line) -> None:
        """Send what is kept and hand on what comes, until the node says that it is over.

        Raises:
            Broken: the line is gone.
            Refused: the node ended the stream with an error.
        """
        sender = asyncio.create_task(self._send(line), name="relay send")
        try:
            while True:
                answer = await line.read(SILENCE_S if self._session_id else None)
                message = pb.StreamCallResponse.FromString(answer)
                await self._take(answer, message)
        except _Finished:
            return
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            line.close()

    async def _send(self, line: _Line) -> None:
        while True:
            self._woken.clear()
            while (message := self._journal.next()) is not None:
                await line.write(message.SerializeToString())
            if self._sent_all:
                await line.done()
                return
            await self._woken.wait()

    async def _take(self, answer: bytes, message: pb.StreamCallResponse) -> None:
        """Hand a message on to the client."""
        self._note(message)
        await self._context.write(answer)

    def _note(self, message: pb.StreamCallResponse) -> None:
        self._last_seq = max(self._last_seq, message.server_seq)
        if message.HasField("started"):
            self._session_id = message.started.session_id
        self._acked_ms = max(self._acked_ms, message.acked_audio_ms)
        self._journal.acknowledge(message.acked_audio_ms)
        if not self._journal.full:
            self._room.set()


class _Finished(Exception):
    """The stream ended as it should."""


class _Line:
    """A stream to a node."""

    def __init__(self, node: Node, identity: Identity) -> None:
        self.node = node
        self._call: Any = node.channel.stream_stream(STREAM_CALL)(metadata=identity)

    async def write(self, data: bytes) -> None:
        try:
            await self._call.write(data)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            await asyncio.sleep(0)  # whoever reads learns why

    async def read(self, within_s: float | None) -> bytes:
        """Return the next message; raises Broken, Refused, or _Finished at the end."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self._call.read()
        except TimeoutError:
            self.close()
            raise Broken from None
        except grpc.aio.AioRpcError as error:
            raise self._why(error.code(), error.details()) from None
        if answer is not _EOF:
            return bytes(answer)
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            raise _Finished
        raise self._why(code, await self._call.details())

    @staticmethod
    def _why(code: grpc.StatusCode, details: str | None) -> Exception:
        if code in BROKEN or (code is grpc.StatusCode.INTERNAL and not is_ours(details)):
            return Broken()
        return Refused(code, details or "")

    async def refusal(self, answer: bytes, message: pb.StreamCallResponse) -> Refused:
        """Return what a node refused a call with."""
        told = f"{message.error.code}: {message.error.message}"
        try:
            while True:
                await self.read(ANSWER_S)
        except Refused as refused:
            return Refused(refused.code, refused.details, answer)
        except (Broken, _Finished):
            return Refused(grpc.StatusCode.UNAVAILABLE, told, answer)

    async def done(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            await self._call.done_writing()

    def close(self) -> None:
        self._call.cancel()


class _Tracks:
    """Where a call's audio lies on its time line, as the node counts."""

    def __init__(self, spec: CallSpec, limits: LimitSettings) -> None:
        longest = int(limits.max_call_s * spec.sample_rate)
        self._lines = [Timeline(spec.sample_rate, longest) for _ in spec.roles]
        self._rate, self._size = spec.sample_rate, BYTES_PER_SAMPLE[spec.codec]
        self._after_resume = spec.resume is not None
        self.end_ms = 0.0

    def place(self, chunk: AudioChunk) -> int | None:
        """Take a message; return where it begins, ms; None where only the node can tell."""
        lines = self._lines if chunk.channel is None else self._lines[chunk.channel : chunk.channel + 1]
        size = len(chunk.data) // (self._size * max(1, len(lines)))
        at = chunk.offset_ms
        for line in lines:
            try:
                placed = line.place(chunk.sequence, size, chunk.offset_ms, chunk.count)
            except CallError:
                return chunk.offset_ms  # the node says what is wrong with it
            if placed.late:
                return chunk.offset_ms  # the node knows its place by its number
        if lines:
            end_ms = max(line.position for line in lines) * 1000 / SAMPLE_RATE
            self.end_ms = max(self.end_ms, end_ms)
            at = max(0, round(end_ms - size * 1000 / self._rate))
        return at
