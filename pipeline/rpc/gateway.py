"""A gateway: takes calls off the wire and hands them to the server behind it in fewer, larger messages.

Every method is forwarded as it is; only the audio of a call is looked at, and put together. The server
behind keeps calls, alerts, the knowledge base and the recogniser, so it does not matter which gateway a
client meets, and a broken call is resumed through any of them. Measured on one core: a message costs gRPC
in Python 140 µs whether it holds 20 or 100 ms of audio.

    python -m pipeline.rpc.gateway SETTINGS.json unix:/run/yuetone/core.sock
"""

from __future__ import annotations

import asyncio
import functools
import signal
import sys
from pathlib import Path
from typing import Any

import grpc

from pipeline.audio.codecs import BYTES_PER_SAMPLE
from pipeline.calls.info import CallSpec
from pipeline.calls.messages import AudioChunk
from pipeline.config import LimitSettings, ServerSettings
from pipeline.errors import YuetoneError
from pipeline.inference.ticker import BatchTicker
from pipeline.rpc import requests
from pipeline.rpc.grpc_server import bind, most_streams, wire_options
from pipeline.rpc.peers import (
    CERTIFICATE_NAME,
    CERTIFICATE_URI,
    GATEWAY,
    OLD_TLS,
    OURS,
    PEER,
    certificate_of,
    is_old_tls,
)
from pipeline.rpc.servicer import END_OF_STREAM_S
from pipeline.sections.base import Section
from pipeline.stages.joining import join_audio
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

STREAM_CALL = "/yuetone.v1.CallService/StreamCall"
GATHER_S = 0.06
"""Three messages of 20 ms: what a call may wait for company."""
UNREACHABLE = "the server behind this gateway does not answer; try again"
_FROM_CORE = [("grpc.max_receive_message_length", -1)]
_Context = grpc.aio.ServicerContext[Any, Any]


class GatewaySettings(Section):
    """What a gateway is told by the server that starts it."""

    server: ServerSettings
    limits: LimitSettings
    secret: str


class Joiner:
    """Puts a call's audio together; forwards everything else at once and in order.

    Args:
        spec: of the call.
        max_bytes: of one message of audio.
    """

    def __init__(self, spec: CallSpec, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = BYTES_PER_SAMPLE[spec.codec]
        self._rate = spec.sample_rate
        self._channels = len(spec.roles)
        self._first = 0 if spec.resume is None else None
        self._expected: dict[int | None, int] = {}
        self._waiting: list[AudioChunk] = []

    def add(self, chunk: AudioChunk) -> None:
        """Keep a message of audio for the next :meth:`take`."""
        self._waiting.append(chunk)

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no more should be kept: the client sends faster than the server behind takes."""
        return len(self._waiting) >= requests.MAX_JOINED

    def take(self) -> list[bytes]:
        """Return what was kept, put together, as messages."""
        waiting, self._waiting = self._waiting, []
        out = []
        for message in join_audio(waiting, self._next, self._length_ms, self._max_bytes):
            if isinstance(message, AudioChunk):
                behind = message.sequence + message.count
                self._expected[message.channel] = max(behind, self._expected.get(message.channel, 0))
                out.append(_message(message))
        return out

    def _next(self, channel: int | None) -> int | None:
        return self._expected.get(channel, self._first)

    def _length_ms(self, chunk: AudioChunk) -> float | None:
        size = self._bytes * (self._channels if chunk.channel is None else 1)
        return None if len(chunk.data) % size else len(chunk.data) / size * 1000 / self._rate


def _message(chunk: AudioChunk) -> bytes:
    audio = audio_pb2.Audio(
        sequence=chunk.sequence,
        data=chunk.data,
        offset_ms=chunk.offset_ms,
        channel=chunk.channel,
        joined=chunk.count if chunk.count > 1 else 0,
    )
    return pb.StreamCallRequest(audio=audio).SerializeToString()


class Forwarder(grpc.GenericRpcHandler):
    """Forwards every method to the server behind.

    Args:
        core: channel to it.
        max_bytes: of one message of audio.
        secret: by which the server behind knows its gateways.
    """

    def __init__(self, core: grpc.aio.Channel, max_bytes: int, secret: str) -> None:
        self._core = core
        self._secret = secret
        self._max_bytes = max_bytes
        self._pulse = BatchTicker(GATHER_S)

    def service(self, handler_call_details: Any) -> Any:
        """Return what serves a method: its bytes both ways."""
        method = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(functools.partial(self._forward, method))

    async def _forward(self, method: str, _requests: Any, context: _Context) -> None:
        if is_old_tls(context):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, OLD_TLS)
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if _is_passed_on(key)]
        metadata += self._identity(context)
        call: Any = self._core.stream_stream(method)(metadata=metadata, timeout=context.time_remaining())
        carry = self._carry_call if method == STREAM_CALL else self._carry
        sender = asyncio.create_task(carry(call, context), name=f"forward {method}")
        try:
            while (answer := await call.read()) is not grpc.aio.EOF:
                await context.write(answer)
            await self._conclude(call, context)
        except grpc.aio.AioRpcError as error:
            unreachable = error.code() is grpc.StatusCode.UNAVAILABLE  # its text would name our socket
            await context.abort(error.code(), UNREACHABLE if unreachable else error.details() or "")
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            call.cancel()

    def _identity(self, context: _Context) -> list[tuple[str, str | bytes]]:
        """Return what the server behind must know of the connection, which ends here."""
        uris, name = certificate_of(context)
        known: list[tuple[str, str | bytes]] = [(GATEWAY, self._secret), (PEER, context.peer())]
        known += [(CERTIFICATE_URI, uri) for uri in uris]
        return known if name is None else [*known, (CERTIFICATE_NAME, name.encode())]

    @staticmethod
    async def _conclude(call: Any, context: _Context) -> None:
        code = await call.code()
        if code is not grpc.StatusCode.OK:
            await context.abort(code, await call.details() or UNREACHABLE)

    @staticmethod
    async def _carry(call: Any, context: _Context) -> None:
        """Forward a client's messages until it has sent all."""
        while (message := await context.read()) is not grpc.aio.EOF:
            await call.write(message)
        await asyncio.sleep(END_OF_STREAM_S)  # a broken stream looks the same, but cancels this task
        await call.done_writing()

    async def _carry_call(self, call: Any, context: _Context) -> None:
        """Forward a call's messages, its audio put together."""
        first = await context.read()
        if first is grpc.aio.EOF:
            await call.done_writing()
            return
        await call.write(first)
        try:
            joiner = Joiner(requests.call_spec(pb.StreamCallRequest.FromString(first)), self._max_bytes)
        except Exception:  # noqa: BLE001 (whatever is wrong with it, the server behind says so)
            await self._carry(call, context)
            return
        writing = asyncio.Lock()
        flusher: asyncio.Task[None] | None = None
        try:
            while (data := await context.read()) is not grpc.aio.EOF:
                chunk = _audio(data)
                if chunk is not None:
                    joiner.add(chunk)
                    if joiner.full:
                        await _flush(joiner, call, writing)
                    elif flusher is None or flusher.done():
                        flusher = asyncio.create_task(self._flush_soon(joiner, call, writing))
                    continue
                await _flush(joiner, call, writing)
                await call.write(data)
            await _flush(joiner, call, writing)
            await asyncio.sleep(END_OF_STREAM_S)
            await call.done_writing()
        finally:
            if flusher is not None:
                flusher.cancel()
                await asyncio.gather(flusher, return_exceptions=True)

    async def _flush_soon(self, joiner: Joiner, call: Any, writing: asyncio.Lock) -> None:
        while joiner.waiting:
            await self._pulse.next()
            await _flush(joiner, call, writing)


async def _flush(joiner: Joiner, call: Any, writing: asyncio.Lock) -> None:
    async with writing:
        for message in joiner.take():
            await call.write(message)


def _audio(data: bytes) -> AudioChunk | None:
    """Return a message's audio; None for every other message, and for one that the server will refuse."""
    try:
        found = requests.client_message(pb.StreamCallRequest.FromString(data))
    except Exception:  # noqa: BLE001 (not for this process to judge)
        return None
    return found if isinstance(found, AudioChunk) else None


def _is_passed_on(key: str) -> bool:
    return not key.startswith((":", "grpc-", OURS)) and key not in ("user-agent", "content-type", "te")


async def run(settings: GatewaySettings, core: str) -> None:
    """Forward until standard input ends: then the server behind has let its calls finish, or is gone.

    Signals that go to the whole group (Ctrl-C, a service manager) are for the server behind.

    Raises:
        SettingsError: it cannot listen.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    limits = settings.limits
    async with grpc.aio.insecure_channel(core, options=_FROM_CORE) as channel:
        server = grpc.aio.server(
            options=[*wire_options(limits), ("grpc.so_reuseport", 1)],
            maximum_concurrent_rpcs=most_streams(limits),
        )
        server.add_generic_rpc_handlers((Forwarder(channel, limits.max_chunk_bytes, settings.secret),))
        bind(server, settings.server)
        await server.start()
        print("listening", flush=True)  # noqa: T201 (the process that started it waits for this line)
        await _end_of_input()
        await server.stop(grace=1.0)


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    """Run one gateway."""
    settings = GatewaySettings.model_validate_json(Path(sys.argv[1]).read_text("utf-8"))
    try:
        asyncio.run(run(settings, sys.argv[2]))
    except YuetoneError as error:
        sys.exit(f"yuetone: {error}")


if __name__ == "__main__":
    main()
