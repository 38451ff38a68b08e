"""CallService over gRPC: pumps messages between a stream and its call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import grpc
import structlog

from pipeline.bus import Reader
from pipeline.config import Settings
from pipeline.errors import AtCapacity, CallError, IdleTimeout, InternalFailure, InvalidRequest, SlowConsumer
from pipeline.events import EndCall, Ended, Pause, Resume
from pipeline.registry import CallRegistry
from pipeline.rpc import mapping
from pipeline.rpc.idle import IdleWatch
from pipeline.rpc.status import details_of, status_of
from pipeline.session import CallSession, Engines
from yuetone.v1 import call_service_pb2 as pb
from yuetone.v1 import call_service_pb2_grpc

FEATURES = ("partials", "words", "confidence", "hotwords", "language_spans", "resume", "watch", "finalize")
"""Of every server; emotion and alerts come with the settings."""
FIRST_MESSAGE_S = 10.0
"""How long a new stream may wait before StartCall."""
END_OF_STREAM_S = 0.1
"""How long an end of stream without EndCall must last to be taken for the end of the call."""

_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]


class CallServicer(call_service_pb2_grpc.CallServiceServicer):
    """The service; for one event loop.

    Args:
        registry: the calls.
        settings: of the server.
        engines: shared by all calls.
    """

    def __init__(self, registry: CallRegistry, settings: Settings, engines: Engines) -> None:
        self._registry = registry
        self._settings = settings
        self._engines = engines
        self._watchers = 0
        self._behind = settings.server.host.startswith("unix:")  # front ends put messages together
        limits = settings.limits
        self._limits = pb.Limits(
            max_chunk_bytes=limits.max_chunk_bytes,
            idle_timeout_ms=int(limits.idle_timeout_s * 1000),
            hold_timeout_ms=int(limits.hold_timeout_s * 1000),
            max_call_ms=int(limits.max_call_s * 1000),
            resume_window_ms=int(limits.resume_window_s * 1000),
        )

    # ---------------------------------------------------------------- StreamCall

    async def StreamCall(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.StreamCallRequest], context: _Context
    ) -> None:
        """Serve one stream of a call; see call_service.proto."""
        try:
            session, after = await self._open(context)
        except CallError as error:
            self._engines.metrics.refused.labels(error.code).inc()
            _log.info("call refused", code=error.code)
            await self._refuse(context, error)
            return
        try:
            await self._converse(session, after, context)
        finally:
            self._registry.detach(session)
        if session.error:
            await context.abort(status_of(session.error), details_of(session.error))

    async def _open(self, context: _Context) -> tuple[CallSession, int]:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                first = await context.read()
        except TimeoutError:
            raise IdleTimeout(f"no StartCall within {FIRST_MESSAGE_S:.0f} s") from None
        if not isinstance(first, pb.StreamCallRequest):
            raise InvalidRequest("the stream was empty; the first message must be StartCall")
        spec = mapping.call_spec(first)
        session = self._registry.open(spec)
        return session, spec.resume.last_server_seq if spec.resume else 0

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
        await context.abort(status_of(error), details_of(error))

    async def _converse(self, session: CallSession, after: int, context: _Context) -> None:
        """Read until the client ends and write until the call has ended."""
        reader = asyncio.create_task(self._read(session, context), name=f"read {session.spec.call_id}")
        try:
            await self._write(session, after, context)
        except SlowConsumer as error:
            session.fail(error)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, session: CallSession, context: _Context) -> None:
        """Feed the call; ends with EndCall, with the client's end of stream, or with an error."""
        limits = self._settings.limits
        watch = IdleWatch(limits.idle_timeout_s, session.fail)
        try:
            while True:
                request = await context.read()
                watch.heard()
                if not isinstance(request, pb.StreamCallRequest):
                    # A broken stream looks the same, but cancels this task in a moment.
                    await asyncio.sleep(END_OF_STREAM_S)
                    session.close("client")
                    return
                message = mapping.client_message(request, joined=self._behind)
                if isinstance(message, EndCall):
                    session.close(message.reason)
                    return
                if isinstance(message, Pause | Resume):
                    watch.wait(limits.hold_timeout_s if isinstance(message, Pause) else limits.idle_timeout_s)
                await session.mailbox.put(message)
                watch.taken()
        except CallError as error:
            session.fail(error)
        except grpc.aio.UsageError:
            return  # the stream is gone; the call waits for its resumption
        except Exception as error:  # noqa: BLE001 (a reader that dies unseen would leave the call hanging)
            self._engines.metrics.failures.labels("reader").inc()
            _log.error("reader failed", call=session.spec.call_id, error=type(error).__name__)
            session.fail(InternalFailure("the call failed inside the server; the log has the reason"))
        finally:
            watch.stop()

    async def _write(self, session: CallSession, after: int, context: _Context) -> None:
        log, reader = session.context.log, Reader(after)
        while (delivery := await log.next(reader)) is not None:
            if delivery.missed:
                raise SlowConsumer("the client did not read fast enough; its oldest events are gone")
            message = mapping.response(delivery.envelope, self._limits)
            try:
                async with asyncio.timeout(self._settings.limits.write_timeout_s):
                    await context.write(message)
            except TimeoutError:
                raise SlowConsumer("the client does not read (limits.write_timeout_s)") from None
            if isinstance(delivery.envelope.event, Ended):
                return  # a second look goes on for those who watch

    # ---------------------------------------------------------------- the others

    async def WatchCall(
        self, request: pb.WatchCallRequest, context: _Context
    ) -> AsyncIterator[pb.WatchCallResponse]:
        """Follow a live call; see call_service.proto."""
        try:
            session = self._registry.find(request.call_id)
            if self._watchers >= self._settings.limits.max_watchers:
                raise AtCapacity("too many watchers (limits.max_watchers)")
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        log = session.context.log
        after = request.after_server_seq if request.HasField("after_server_seq") else log.first_seq - 1
        reader = Reader(after)
        self._watchers += 1
        try:
            while (delivery := await log.next(reader)) is not None:
                yield pb.WatchCallResponse(
                    event=mapping.response(delivery.envelope, self._limits), missed_events=delivery.missed
                )
        finally:
            self._watchers -= 1

    async def GetCapabilities(
        self,
        request: pb.GetCapabilitiesRequest,
        context: _Context,
    ) -> pb.GetCapabilitiesResponse:
        """Tell what this server can do."""
        return pb.GetCapabilitiesResponse(
            version=version("yuetone"),
            codecs=list(mapping.CODECS),
            sample_rates_hz=mapping.RATES_TESTED,
            max_channels=mapping.MAX_CHANNELS,
            languages=self._engines.scheduler.model.languages,
            model=self._engines.scheduler.model.name,
            model_ready=self._engines.scheduler.ready,
            features=[
                *FEATURES,
                *(["diarization"] if self._engines.voices else []),
                *(["second_look"] if self._engines.reviewer else []),
                *(["emotion"] if self._engines.emotion else []),
                *(["alerts"] if self._engines.alerts else []),
                *(["suggestions"] if self._engines.knowledge else []),
            ],
            profiles=list(self._settings.profiles),
            limits=self._limits,
            max_calls=self._settings.limits.max_calls,
            live_calls=len(self._registry),
        )
