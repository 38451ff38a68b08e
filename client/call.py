"""Streaming a call: audio and control in, everything that the server says out, over lines that may break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import grpc

from client.audio import AudioFormat, CallAudio
from client.connection import call_stub
from client.conversation import CallOptions, Conversation
from client.errors import ClientError, LineLost
from client.journal import KEPT_MS
from client.meter import LatencyMeter
from client.pacing import paced
from client.quiet import alive
from client.retry import Retry, is_broken_line
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

PAUSES = {
    "hold": audio_pb2.PAUSE_REASON_HOLD,
    "pci": audio_pb2.PAUSE_REASON_PCI,
    "ivr": audio_pb2.PAUSE_REASON_IVR,
}
_FORGOTTEN = ("UNKNOWN_CALL", "DUPLICATE_CALL")
"""What a server says that does not know the call any more, or knows another part of it by its name."""
_LATER = ("AT_CAPACITY", "SLOW_CONSUMER")
"""What a server says where the same may succeed on a new line, a moment later."""
_NOT_THE_END = ("shutdown", "lost")
"""Reasons of Ended by which the server leaves the conversation, not the client."""
MISSED_HEARTBEATS = 5
"""Heartbeats that do not come before a line counts as dead; gRPC's keepalive notices most of them earlier."""


class CallStream:
    """One conversation. Send from one task, read :meth:`messages` in another; broken lines are mended.

    What is sent is kept until it is safe: everything said in it is in finals that came (some 11 s; while
    the line is down up to five minutes, then sending waits). A new line goes on where the server has it;
    what it gets twice it hears once. A server that has forgotten the call (it died, or another one answers
    now) gets the conversation from the first sample on that is not safe, as a call of its own: its id is
    ``call_id`` with ``.2``, ``.3`` …, and its ``continues_call_id`` names the part before. Times in its
    messages count from :attr:`origin_ms`.

    Args:
        channel: to the server; reconnects by itself.
        options: what the call is.
        audio: how its audio is coded.
        retry: when to try again; for five minutes by default.

    Attributes:
        reconnects: lines that were opened behind the first.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        options: CallOptions,
        audio: AudioFormat,
        retry: Retry | None = None,
    ) -> None:
        self._stub = call_stub(channel)
        self._audio = audio
        self._retry = retry or Retry(first_s=0.1, longest_s=3.0, give_up_s=KEPT_MS / 1000)
        self._conversation = Conversation(options, audio)
        self._journal = self._conversation.journal
        self._sequence = 0
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()  # the present line may have audio
        self._quiet_s: float | None = None
        self._refusal = pb.Error()
        self._ending = False
        self.reconnects = 0

    @property
    def call_id(self) -> str:
        """Id of the present part of the conversation."""
        return self._conversation.call_id

    @property
    def origin_ms(self) -> int:
        """Ms from the first sample of the conversation to the first of the present part."""
        return self._conversation.origin_ms

    @property
    def parts(self) -> int:
        """Calls that the conversation has become, 1 at the beginning."""
        return self._conversation.parts

    async def __aenter__(self) -> Self:
        """Begin; nothing is sent before :meth:`messages` is read."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; what was not sent by now is not sent."""

    # ---------------------------------------------------------------- sending

    async def send_audio(self, data: bytes) -> None:
        """Send whole frames, interleaved, right behind those sent before. Waits while too much is on its way.

        Raises:
            ClientError: these are not whole frames.
        """
        if len(data) % self._audio.frame_bytes:
            raise ClientError(f"{len(data)} bytes are not whole frames of {self._audio.frame_bytes} bytes")
        while self._journal.full:
            self._changed.clear()
            await self._changed.wait()
        begin = self._journal.end_ms
        audio = audio_pb2.Audio(sequence=self._sequence, offset_ms=int(begin), data=data)
        self._sequence += 1
        self._put(pb.StreamCallRequest(audio=audio), begin + self._audio.milliseconds(len(data)))

    def skip(self, milliseconds: float) -> None:
        """Let time pass without audio, as in a hold: the server counts it as silence."""
        silence = audio_pb2.Audio(
            sequence=self._sequence, offset_ms=int(self._journal.end_ms + milliseconds), data=b""
        )
        self._sequence += 1
        self._put(pb.StreamCallRequest(audio=silence), self._journal.end_ms + milliseconds)

    def send(self, control: audio_pb2.Control) -> None:
        """Send any control; it is in force from the end of the audio sent so far."""
        self._put(pb.StreamCallRequest(control=control))

    def pause(self, reason: str = "hold") -> None:
        """Let the server hear nothing until :meth:`resume`; ``reason`` is hold, pci or ivr."""
        self.send(audio_pb2.Control(pause=audio_pb2.Pause(reason=PAUSES[reason])))

    def resume(self) -> None:
        """Let the server hear again."""
        self.send(audio_pb2.Control(resume=audio_pb2.Resume()))

    def end(self, transferred_to: str | None = None) -> None:
        """The call is over; the rest of its messages still comes.

        Args:
            transferred_to: queue, team or agent that it was handed to, or None.
        """
        self._ending = True
        self._put(pb.StreamCallRequest(end_call=audio_pb2.EndCall(transferred_to=transferred_to)))

    def _put(self, message: pb.StreamCallRequest, end_ms: float | None = None) -> None:
        self._journal.add(message, end_ms)
        self._changed.set()

    # ---------------------------------------------------------------- receiving

    async def messages(self) -> AsyncIterator[pb.StreamCallResponse]:
        """Yield what the server says, each event once, until the conversation has ended; no heartbeats.

        Raises:
            grpc.aio.AioRpcError: the server refused the call or ended it with an error.
            LineLost: the line broke and could not be mended in time.
        """
        failures, down_since = 0, 0.0
        while True:
            forgotten = False
            try:
                async with aclosing(self._line()) as line:
                    async for message in line:
                        failures = 0
                        if forgotten := self._is_left_by(message):
                            break
                        yield message
                        if message.HasField("ended"):
                            return
                broken = "the server closed the line"
            except grpc.aio.AioRpcError as error:
                broken = error.details() or error.code().name
                forgotten = broken.startswith(_FORGOTTEN)
                if not self._may_go_on(error, forgotten=forgotten):
                    raise
            except TimeoutError:
                broken = "nothing came any more"
            if forgotten:  # now that the old line is closed: it would take what the next one is to send
                self._conversation.begin_anew()
            failures += 1
            down_since = time.monotonic() if failures == 1 else down_since
            await self._wait_for_line(failures, time.monotonic() - down_since, broken)

    def _is_left_by(self, message: pb.StreamCallResponse) -> bool:
        """Tell whether a server ends a conversation that is not over: the next line begins a new part."""
        ended = message.HasField("ended") and message.ended.reason in _NOT_THE_END
        return ended and not (self._ending and self._journal.safe)

    def _may_go_on(self, error: grpc.aio.AioRpcError, *, forgotten: bool) -> bool:
        """Tell whether a new line may mend it; before a server has accepted the call, nothing does."""
        later = (error.details() or "").startswith(_LATER)
        return self._conversation.accepted and (forgotten or later or is_broken_line(error))

    async def _wait_for_line(self, failures: int, down_s: float, broken: str) -> None:
        limit = self._retry.give_up_s
        if not self._conversation.accepted or (limit is not None and down_s > limit):
            within = "" if limit is None else f" within {limit:.0f} s"
            raise LineLost(f"the line to the server broke and was not mended{within} ({broken})")
        self.reconnects += 1
        asked_s = self._refusal.retry_after_ms / 1000
        self._refusal = pb.Error()
        await asyncio.sleep(max(asked_s, self._retry.wait_s(failures)))

    async def _line(self) -> AsyncGenerator[pb.StreamCallResponse, None]:
        """Yield what comes over one line; its sender works beside."""
        call = self._stub.StreamCall()
        self._ready.clear()
        sender = asyncio.create_task(self._send(call), name=f"send {self.call_id}")
        try:
            async for message in alive(aiter(call), self._quiet_s):
                self._note(message)
                if self._is_news(message):
                    yield message
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            call.cancel()

    def _is_news(self, message: pb.StreamCallResponse) -> bool:
        """Tell whether a message is for the caller: no heartbeat, no refusal that a later line may mend."""
        if message.HasField("heartbeat"):
            return False
        refused = message.HasField("error") and not self._ready.is_set()
        if refused:
            self._refusal = message.error
        return not (refused and self._conversation.accepted)

    def _note(self, message: pb.StreamCallResponse) -> None:
        self._conversation.note(message)
        if message.HasField("started"):
            heartbeat_ms = message.started.limits.heartbeat_ms
            self._quiet_s = MISSED_HEARTBEATS * heartbeat_ms / 1000 if heartbeat_ms else None
            self._ready.set()
        self._changed.set()

    async def _send(self, call: Any) -> None:
        """Send StartCall, then everything that the server does not have, as it comes."""
        await call.write(pb.StreamCallRequest(start_call=self._conversation.start()))
        await self._ready.wait()
        while True:
            message = self._journal.next()
            if message is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            await call.write(message)
            if message.HasField("end_call"):
                await call.done_writing()
                return


async def stream_recording(
    call: CallStream,
    recording: CallAudio,
    *,
    speed: float = 1.0,
    chunk_ms: float = 60,
    meter: LatencyMeter | None = None,
    sent: Callable[[float], None] = lambda _ms: None,
) -> AsyncIterator[pb.StreamCallResponse]:
    """Stream a whole recording as a call, paced, and yield what the server says.

    Args:
        call: the call, not begun.
        recording: its audio.
        speed: 1 is real time, 2 twice as fast, 0 as fast as the server accepts.
        chunk_ms: audio in one message.
        meter: times what comes back; None does not.
        sent: is told the ms of audio sent so far.

    Raises:
        grpc.aio.AioRpcError, LineLost: as :meth:`CallStream.messages` does.
    """

    async def feed() -> None:
        frame = recording.format.frame_bytes
        frames = len(recording.data) // frame
        async for chunk in paced(frames, recording.format.rate, chunk_ms, speed=speed):
            await call.send_audio(recording.data[chunk.first * frame : chunk.last * frame])
            until_ms = chunk.last * 1000 // recording.format.rate
            if meter is not None:
                meter.sent(until_ms)
            sent(until_ms)
        call.end()

    sender = asyncio.create_task(feed(), name="feed")
    try:
        async for message in call.messages():
            if meter is not None:
                meter.received(message, call.origin_ms)
            yield message
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
