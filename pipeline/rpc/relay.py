"""One call through a gateway of a cluster: its client keeps one stream, whatever node has the call.

What the client sent and is not safe yet is kept here (some 11 s, 180 kB): a client that knows nothing of
resuming loses nothing with a node.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from typing import Any

import grpc
import structlog

from client.journal import Journal
from pipeline.calls.info import SAMPLE_RATE, CallSpec
from pipeline.calls.messages import AudioChunk
from pipeline.config import LimitSettings
from pipeline.inference.ticker import BatchTicker
from pipeline.rpc import requests, responses
from pipeline.rpc.call_tracks import CallTracks
from pipeline.rpc.gateway_metrics import GatewayMetrics
from pipeline.rpc.joiner import Joiner, audio_of, message_of
from pipeline.rpc.node_line import ANSWER_S, Broken, Finished, NodeLine, Refused
from pipeline.rpc.peers import CARRIER, CARRIER_AGAIN
from pipeline.rpc.routing import Identity, Node, NodeRouter
from pipeline.rpc.servicer import END_OF_STREAM_S
from yuetone.v1 import call_service_pb2 as pb

AGAIN_S = 0.05
"""Pause between two rounds of asking nodes, s."""
BEAT_S = 0.5
"""Time between two signs of life to a client whose call has no node, s."""
SILENCE_S = 1.8
"""A line on which not even a heartbeat came for so long is broken: they come each second."""
ELSEWHERE = ("AT_CAPACITY", "SHUTTING_DOWN", "CALL_MOVED")
"""Codes of a node that cannot have a call now; another one may."""
_EOF = grpc.aio.EOF
_Context = grpc.aio.ServicerContext[Any, Any]
_log = structlog.get_logger(__name__)


class CallRelay:
    """Carries one call; for one event loop.

    Args:
        context: of the client's stream.
        router: knows the nodes.
        identity: of the client, for nodes.
        limits: of the server.
        pulse: when audio that was put together is sent on.
        metrics: of the gateway.
    """

    def __init__(
        self,
        context: _Context,
        router: NodeRouter,
        identity: Identity,
        limits: LimitSettings,
        pulse: BatchTicker,
        metrics: GatewayMetrics,
    ) -> None:
        self._metrics = metrics
        self._context, self._router, self._limits = context, router, limits
        self._identity = [*identity, (CARRIER, secrets.token_hex(8))]
        self._pulse = pulse
        self._journal = Journal()
        self._start = pb.StreamCallRequest()
        self._session_id = ""
        self._last_seq = 0
        self._acked_ms = 0
        self._call_id = ""
        self._line: NodeLine | None = None
        self._tracks: CallTracks | None = None
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
            self._tracks = CallTracks(spec, self._limits)
        reader = asyncio.create_task(self._read(spec), name="relay read")
        try:
            await self._carry(first, spec)
        except Refused as refused:
            self._metrics.refused.labels(refused.code.name).inc()
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
                with self._metrics.without_node():
                    line = await self._taken_over(line.node.name)

    async def _begun(self, first: bytes, spec: CallSpec | None) -> NodeLine:
        """Give a call to a node that takes it.

        Raises:
            Refused: none does.
        """
        tried: list[str] = []
        owners = await self._router.owners(self._call_id) if spec is not None and spec.resume else []
        refused = Refused(grpc.StatusCode.UNAVAILABLE, "no node of this cluster answers; try again")
        while (node := self._first_of(owners, tried)) is not None:
            tried.append(node.name)
            line = self._line = NodeLine(node, self._identity)
            try:
                await line.write(first)
                answer = await line.read(ANSWER_S)
            except Broken:
                self._router.failed(node.name)
                continue
            except Finished:
                continue
            message = pb.StreamCallResponse.FromString(answer)
            if message.HasField("error") and message.error.code in ELSEWHERE:
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

    async def _taken_over(self, gone: str) -> NodeLine:
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

    async def _asked(self, node: Node, resume: pb.StreamCallRequest) -> NodeLine | None:
        """Ask a node to go on with the call; None where it cannot."""
        line = self._line = NodeLine(node, [*self._identity, (CARRIER_AGAIN, "1")])
        try:
            await line.write(resume.SerializeToString())
            while True:
                answer = await line.read(ANSWER_S)
                message = pb.StreamCallResponse.FromString(answer)
                if message.HasField("error"):
                    refusal = await line.refusal(answer, message)
                    if message.error.code in ELSEWHERE:
                        return None
                    raise refusal
                if not message.HasField("started"):
                    await self._take(answer, message)  # what the parts before have told
                    continue
                self._note(message)
                self._journal.resume_at(message.started.received_audio_ms)
                self._woken.set()
                return line
        except (Broken, Finished):
            self._router.failed(node.name)
            return None

    async def _signs_of_life(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            acked = self._acked_ms * SAMPLE_RATE // 1000
            await self._context.write(responses.heartbeat(self._call_id, acked).SerializeToString())

    async def _converse(self, line: NodeLine) -> None:
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
        except Finished:
            return
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            line.close()

    async def _send(self, line: NodeLine) -> None:
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
        self._acked_ms = max(self._acked_ms, message.acked_audio_ms)  # a sign of life must not come first

    def _note(self, message: pb.StreamCallResponse) -> None:
        self._last_seq = max(self._last_seq, message.server_seq)
        if message.HasField("started"):
            self._session_id = message.started.session_id
        self._journal.acknowledge(message.acked_audio_ms)
        if not self._journal.full:
            self._room.set()
