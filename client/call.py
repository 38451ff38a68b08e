"""Streaming a call: audio and control in, everything that the server says out, over lines that may break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

from client.audio import AudioFormat, CallAudio
from client.connection import call_stub
from client.errors import ClientError, LineLost
from client.journal import Journal
from client.meter import LatencyMeter
from client.pacing import paced
from client.retry import Retry, is_broken_line
from yuetone.v1 import audio_pb2
from yuetone.v1 import call_service_pb2 as pb

ROLES = {
    "customer": audio_pb2.ROLE_CUSTOMER,
    "agent": audio_pb2.ROLE_AGENT,
    "unknown": audio_pb2.ROLE_UNSPECIFIED,
}
PAUSES = {
    "hold": audio_pb2.PAUSE_REASON_HOLD,
    "pci": audio_pb2.PAUSE_REASON_PCI,
    "ivr": audio_pb2.PAUSE_REASON_IVR,
}
_STILL_ATTACHED = "DUPLICATE_CALL"
"""What a server says to a resume while it has not noticed that the old line is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What a call is.

    Attributes:
        call_id: unique among live calls.
        roles: by channel, names of :data:`ROLES`; missing ones are unknown.
        language: BCP 47 hint, or None.
        profile: of the server, or None.
        hotwords: likely words.
        tenant: the company, or None.
        queue: the hotline, or None.
        team: the agent's team, or None.
        agent_id: who answers, or None.
    """

    call_id: str
    roles: Sequence[str] = ()
    language: str | None = None
    profile: str | None = None
    hotwords: Sequence[str] = ()
    tenant: str | None = None
    queue: str | None = None
    team: str | None = None
    agent_id: str | None = None


class CallStream:
    """One call. Send from one task, read :meth:`messages` in another; a broken line is mended behind both.

    A new line goes on where the server has acknowledged audio: nothing is lost, and what the server gets
    twice it hears once. While the line is down, what is sent is kept (five minutes; then sending waits).

    Args:
        channel: to the server; reconnects by itself.
        options: what the call is.
        audio: how its audio is coded.
        retry: when to try again; given up after ``retry.give_up_s``, or after the server's resume window.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        options: CallOptions,
        audio: AudioFormat,
        retry: Retry | None = None,
    ) -> None:
        self._stub = call_stub(channel)
        self._options = options
        self._audio = audio
        self._retry = retry or Retry(first_s=0.2, longest_s=3.0)
        self._journal = Journal()
        self._sequence = 0
        self._changed = asyncio.Event()
        self._session_id = ""
        self._last_seq = 0
        self._window_s = 0.0
        self._ready = asyncio.Event()  # the present line may have audio
        self.reconnects = 0

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

    def end(self) -> None:
        """The call is over; the rest of its messages still comes."""
        self._put(pb.StreamCallRequest(end_call=audio_pb2.EndCall()))

    def _put(self, message: pb.StreamCallRequest, end_ms: float | None = None) -> None:
        self._journal.add(message, end_ms)
        self._changed.set()

    # ---------------------------------------------------------------- receiving

    async def messages(self) -> AsyncIterator[pb.StreamCallResponse]:
        """Yield what the server says, each event once, until the call has ended.

        Raises:
            grpc.aio.AioRpcError: the server refused the call or ended it with an error.
            LineLost: the line broke and could not be mended in time.
        """
        failures, down_since = 0, 0.0
        while True:
            try:
                async for message in self._line():
                    failures = 0
                    yield message
                    if message.HasField("ended"):
                        return
                broken = "the server closed the line"
            except grpc.aio.AioRpcError as error:
                if not self._may_go_on(error):
                    raise
                broken = error.details() or error.code().name
            failures += 1
            down_since = time.monotonic() if failures == 1 else down_since
            await self._wait_for_line(failures, time.monotonic() - down_since, broken)

    def _may_go_on(self, error: grpc.aio.AioRpcError) -> bool:
        """Tell whether a new line may mend it; before the server has accepted the call, nothing does."""
        attached = (error.details() or "").startswith(_STILL_ATTACHED)
        return bool(self._session_id) and (is_broken_line(error) or attached)

    async def _wait_for_line(self, failures: int, down_s: float, broken: str) -> None:
        limit = self._window_s if self._retry.give_up_s is None else self._retry.give_up_s
        if not self._session_id or down_s > limit:
            raise LineLost(f"the line to the server broke and was not mended within {limit:.0f} s ({broken})")
        self.reconnects += 1
        await asyncio.sleep(self._retry.wait_s(failures))

    async def _line(self) -> AsyncIterator[pb.StreamCallResponse]:
        """Yield what comes over one line; its sender works beside."""
        call = self._stub.StreamCall()
        self._ready.clear()
        sender = asyncio.create_task(self._send(call), name=f"send {self._options.call_id}")
        try:
            async for message in call:
                self._note(message)
                yield message
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            call.cancel()

    def _note(self, message: pb.StreamCallResponse) -> None:
        self._last_seq = max(self._last_seq, message.server_seq)
        if message.HasField("started"):
            self._session_id = message.started.session_id
            self._window_s = message.started.limits.resume_window_ms / 1000
            if message.started.resumed:
                self._journal.rewind(message.acked_audio_ms)
            self._ready.set()
        self._journal.acknowledge(message.acked_audio_ms)
        self._changed.set()

    async def _send(self, call: Any) -> None:
        """Send StartCall, then everything that the server does not have, as it comes."""
        await call.write(pb.StreamCallRequest(start_call=self._start()))
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

    def _start(self) -> audio_pb2.StartCall:
        options, audio = self._options, self._audio
        roles = [*options.roles, *["unknown"] * audio.channels][: audio.channels]
        resume = None
        if self._session_id:
            resume = audio_pb2.ResumePoint(session_id=self._session_id, last_server_seq=self._last_seq)
        return audio_pb2.StartCall(
            call_id=options.call_id,
            codec=audio.codec,
            sample_rate_hz=audio.rate,
            channels=[audio_pb2.ChannelConfig(index=i, role=ROLES[role]) for i, role in enumerate(roles)],
            language_hint=options.language,
            profile=options.profile,
            hotwords=[audio_pb2.Hotword(text=word) for word in options.hotwords],
            resume=resume,
            tenant=options.tenant,
            queue=options.queue,
            team=options.team,
            agent_id=options.agent_id,
        )


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
                meter.received(message)
            yield message
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
