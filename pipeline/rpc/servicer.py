"""CallService over gRPC: pumps messages between a stream and its call."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import version
from typing import Any, cast

import grpc
import structlog

from pipeline.app import App
from pipeline.calls.commands import SetSensitive
from pipeline.calls.directory import CallDirectory, CallStream, LiveCall
from pipeline.calls.events import AlertEvent, Ended, RedactionEvent, SuggestionEvent, TranscriptEvent
from pipeline.calls.info import CallSpec, ResumePoint
from pipeline.calls.log import check_cursor
from pipeline.calls.messages import EndCall, Pause, Resume
from pipeline.calls.overview import CallFilter
from pipeline.errors import (
    AtCapacity,
    AuditUnavailable,
    CallError,
    CallMoved,
    CallTaken,
    IdleTimeout,
    InternalFailure,
    InvalidRequest,
    SlowConsumer,
)
from pipeline.rpc import requests, responses
from pipeline.rpc.audit_records import record_of
from pipeline.rpc.caller import caller, granted, may_see_alerts, personal_view
from pipeline.rpc.convert import milliseconds
from pipeline.rpc.heartbeat import CALL_HEARTBEAT_S
from pipeline.rpc.idle import IdleWatch
from pipeline.rpc.malformed import Malformed
from pipeline.rpc.peers import StreamCounter
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.watchers import Watchers
from pipeline.rpc.writing import drained, reset, write_in_time
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import call_service_pb2_grpc

FEATURES = (
    "partials", "words", "confidence", "hotwords", "language_spans", "resume", "watch", "finalize",
    "overview", "redaction",
)  # fmt: skip
"""Features of every server; emotion and alerts come with the settings."""
FIRST_MESSAGE_S = 10.0
"""How long a new stream may wait before StartCall."""
END_OF_STREAM_S = 0.1
"""How long an end of stream without EndCall must last to be taken for the end of the call."""
NOTE_S = 2.0
"""Time for the audit log to take the beginning of a call, s."""

_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]


class _Stream:
    """One client's stream; see :class:`pipeline.calls.directory.CallStream`."""

    def __init__(self) -> None:
        self.is_replaced = False
        self.is_moved = False
        self.tasks: tuple[asyncio.Task[None], ...] = ()

    def replaced(self) -> None:
        """End without a further word to the call."""
        self.is_replaced = True
        for task in self.tasks:
            task.cancel()

    def moved(self) -> None:
        """End, so that the client resumes, on another node."""
        self.is_moved = True
        self.replaced()


def _readable(request: object) -> pb.StreamCallRequest | None:
    """Return what a stream's read gave, None at its end.

    Raises:
        InvalidRequest: it was no message.
    """
    if isinstance(request, Malformed):
        raise InvalidRequest("a message is no StreamCallRequest (not valid protobuf)")
    return request if isinstance(request, pb.StreamCallRequest) else None


def _of_caller(spec: CallSpec) -> CallSpec:
    """Return a call as the caller's: company, sender and carrier come from the connection, not the message.

    Raises:
        PermissionDenied: it names another company.
    """
    given = granted()
    info = replace(spec.info, tenant=given.tenant(spec.info.tenant), sender=given.principal.id)
    connection = caller().connection
    return replace(spec, info=info, carrier=connection.carrier, traceparent=connection.traceparent)


def _is_ping(request: pb.StreamCallRequest | None) -> bool:
    """Tell whether a message only asks how the server keeps up: it holds no place without audio."""
    return request is not None and request.control.HasField("ping")


_WORDS = (TranscriptEvent, RedactionEvent, SuggestionEvent)
"""Events with something that was said, or that could be."""


class CallServicer(call_service_pb2_grpc.CallServiceServicer):
    """The service; for one event loop.

    Args:
        calls: all calls.
        app: the server behind the wire.
        behind_gateways: whether gateways are in front.
    """

    def __init__(self, calls: CallDirectory, app: App, *, behind_gateways: bool = False) -> None:
        self._calls = calls
        self._app = app
        self._settings = settings = app.settings
        self._metrics = app.metrics
        self._watchers = Watchers(settings.limits)
        self._streams = StreamCounter()
        self._behind = behind_gateways  # they put messages together
        limits = settings.limits
        self._limits = pb.Limits(
            max_chunk_bytes=limits.max_chunk_bytes,
            idle_timeout_ms=int(limits.idle_timeout_s * 1000),
            hold_timeout_ms=int(limits.hold_timeout_s * 1000),
            max_call_ms=int(limits.max_call_s * 1000),
            resume_window_ms=int(limits.resume_window_s * 1000),
            heartbeat_ms=int(CALL_HEARTBEAT_S * 1000),
        )

    # ---------------------------------------------------------------- StreamCall

    async def StreamCall(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.StreamCallRequest], context: _Context
    ) -> None:
        """Serve one stream of a call; see call_service.proto."""
        with self._streams.counted(caller().connection.host) as of_this_host:
            await self._serve(of_this_host, context)

    async def _serve(self, of_this_host: int, context: _Context) -> None:
        stream = _Stream()
        try:
            self._check_host(of_this_host)
            call, resumed = await self._open(context, stream)
        except CallError as error:
            self._metrics.refused.labels(error.code).inc()
            _log.info("call refused", code=error.code)
            await self._refuse(context, error)
            return
        try:
            await self._note(call, resumed=resumed is not None)
            after = resumed.last_server_seq if resumed else 0
            if not stream.is_replaced:  # by another one, meanwhile
                await self._converse(call, after, context, stream)
        except SlowConsumer:
            raise reset() from None  # the call goes on: whoever reads again may resume it
        finally:
            self._calls.detach(call, stream)
        if stream.is_moved:
            moved = CallMoved("this node is leaving; resume the call")
            await context.abort(status_of(moved), details_of(moved))
        if stream.is_replaced:
            taken = CallTaken("another stream has taken this call over")
            await context.abort(status_of(taken), details_of(taken))
        if call.error:
            await context.abort(status_of(call.error), details_of(call.error))

    def _check_host(self, streams: int) -> None:
        most = self._settings.limits.max_calls_per_host
        if most is not None and streams > most:
            raise AtCapacity(f"{most} calls at once from one machine (limits.max_calls_per_host)")

    async def _open(self, context: _Context, stream: CallStream) -> tuple[LiveCall, ResumePoint | None]:
        """Begin a call or take one up; return it, and where it goes on."""
        try:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                first = await context.read()
        except TimeoutError:
            raise IdleTimeout(f"no StartCall within {FIRST_MESSAGE_S:.0f} s") from None
        first = _readable(first)
        if first is None:
            raise InvalidRequest("the stream was empty; the first message must be StartCall")
        if first.ByteSize() > requests.BESIDE_AUDIO_BYTES:
            raise InvalidRequest(f"StartCall of over {requests.BESIDE_AUDIO_BYTES} bytes")
        spec = _of_caller(requests.call_spec(first, now=time.time()))
        if spec.resume:
            return await self._calls.resume(spec, stream), spec.resume
        return await self._calls.open(spec, stream), None

    async def _note(self, call: LiveCall, *, resumed: bool) -> None:
        """Write down that a call is sent; the call goes on where that fails, or takes long."""
        record = record_of(
            granted(), caller().connection, "call", call.info.call_id, {"resumed": int(resumed)}
        )
        with contextlib.suppress(AuditUnavailable, TimeoutError):
            async with asyncio.timeout(NOTE_S):
                await self._app.auditor.record(record)

    @staticmethod
    async def _refuse(context: _Context, error: CallError) -> None:
        message = pb.StreamCallResponse(
            error=pb.Error(
                code=error.code,
                message=str(error),
                retryable=error.retryable,
                retry_after_ms=error.retry_after_ms,
            )
        )
        await context.write(message)
        await drained(context)
        await context.abort(status_of(error), details_of(error))

    async def _converse(self, call: LiveCall, after: int, context: _Context, stream: _Stream) -> None:
        """Read until the client ends and write until the call has ended, or another stream has it."""
        name = call.info.call_id
        reader = asyncio.create_task(self._read(call, context), name=f"read {name}")
        writer = asyncio.create_task(self._write(call, after, context), name=f"write {name}")
        stream.tasks = (reader, writer)
        try:
            await asyncio.wait({writer})
        finally:
            reader.cancel()
            writer.cancel()
            done = await asyncio.gather(reader, writer, return_exceptions=True)
        if isinstance(done[1], Exception) and not stream.is_replaced:
            raise done[1]

    async def _read(self, call: LiveCall, context: _Context) -> None:
        """Feed the call; ends with EndCall, with the client's end of stream, or with an error."""
        limits = self._settings.limits
        watch = IdleWatch(limits.hold_timeout_s if call.on_hold else limits.idle_timeout_s, call.fail)
        try:
            while True:
                request = _readable(await context.read())
                keeps = not _is_ping(request)
                if keeps:
                    watch.heard()
                if request is None:
                    # A broken stream looks the same, but cancels this task in a moment.
                    await asyncio.sleep(END_OF_STREAM_S)
                    call.close("client")
                    return
                message = requests.client_message(request, joined=self._behind)
                if isinstance(message, EndCall):
                    call.close(message.reason, message.transferred_to)
                    return
                if isinstance(message, Pause | Resume):
                    watch.wait(limits.hold_timeout_s if isinstance(message, Pause) else limits.idle_timeout_s)
                await call.put(message)
                if keeps:
                    watch.taken()
        except CallError as error:
            call.fail(error)
        except grpc.aio.UsageError:
            return  # the stream is gone; the call waits for its resumption
        except Exception as error:  # noqa: BLE001 (a reader that dies unseen would leave the call hanging)
            self._metrics.failures.labels("reader").inc()
            _log.error("reader failed", call=call.info.call_id, error=type(error).__name__)
            call.fail(InternalFailure("the call failed inside the server; the log has the reason"))
        finally:
            watch.stop()

    async def _write(self, call: LiveCall, after: int, context: _Context) -> None:
        within_s = self._settings.limits.write_timeout_s
        async with aclosing(call.log.follow(after, CALL_HEARTBEAT_S)) as entries:
            async for entry in entries:
                if entry is None:
                    alive = responses.heartbeat(call.info.call_id, call.acked)
                    await write_in_time(context, responses.with_stored(alive, call.log), within_s)
                    continue
                if entry.missed:
                    call.fail(SlowConsumer("the client did not read fast enough; its oldest events are gone"))
                message = responses.response(entry.envelope, self._limits)
                await write_in_time(context, responses.with_stored(message, call.log), within_s)
                if isinstance(entry.envelope.event, Ended):
                    return  # a second look goes on for those who watch

    # ---------------------------------------------------------------- the others

    async def WatchCall(  # type: ignore[override]
        self, request: pb.WatchCallRequest, context: _Context
    ) -> None:
        """Follow a live call; see call_service.proto."""
        async with self._watchers.admitted(context) as write:
            call = await self._calls.find(request.call_id, granted().reach)
            after = call.log.first_seq - 1
            if request.HasField("after_server_seq"):
                after = request.after_server_seq
                check_cursor(call.log, after)
            alerts = may_see_alerts(granted(), call.info, self._settings.profiles)
            view = personal_view(granted(), call.info, self._settings.profiles)
            async with aclosing(call.log.follow(after, CALL_HEARTBEAT_S, view)) as entries:
                async for entry in entries:
                    if entry is None:
                        await write(pb.WatchCallResponse(event=responses.heartbeat(request.call_id, 0)))
                        continue
                    told = entry.envelope.event
                    if isinstance(told, AlertEvent) and not alerts:
                        continue
                    if isinstance(told, _WORDS) and request.without_words:
                        continue
                    event = responses.response(entry.envelope, self._limits)
                    if event.HasField("started"):
                        event.started.ClearField("session_id")  # whoever has it can take the call over
                    await write(pb.WatchCallResponse(event=event, missed_events=entry.missed))

    async def SetSensitive(
        self, request: pb.SetSensitiveRequest, context: _Context
    ) -> pb.SetSensitiveResponse:
        """Hide what follows; see call_service.proto."""
        try:
            wanted = requests.sensitive(request.sensitive)
            command = SetSensitive(category=wanted.category)
            at = await self._calls.send(request.call_id, command, granted().reach)
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        return pb.SetSensitiveResponse(at_ms=milliseconds(cast("int", at)))

    async def GetCapabilities(
        self,
        request: pb.GetCapabilitiesRequest,
        context: _Context,
    ) -> pb.GetCapabilitiesResponse:
        """Tell what this server can do."""
        services = self._app.services
        assisting = {
            "diarization": services.voices.value.enabled,
            "second_look": services.second_look.enabled,
            "emotion": services.emotion.value.enabled,
            "alerts": services.alerts.enabled,
            "suggestions": self._app.knowledge.enabled,
            "record": self._app.record is not None,
        }
        return pb.GetCapabilitiesResponse(
            version=version("yuetone"),
            codecs=list(requests.CODECS),
            sample_rates_hz=requests.RATES_TESTED,
            max_channels=requests.MAX_CHANNELS,
            languages=services.scheduler.model.languages,
            model=services.scheduler.model.name,
            model_ready=services.scheduler.ready,
            features=[*FEATURES, *(name for name, there in assisting.items() if there)],
            profiles=self._app.shares.profiles(self._settings.profiles, granted().principal.tenant),
            limits=self._limits,
            max_calls=self._app.capacity.calls,
            live_calls=len(await self._calls.list(CallFilter(reach=granted().reach))),
        )
