"""The gate: the one place where a request is let in, for every method, before any of its code runs."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog

from pipeline.access.authenticator import Authenticator
from pipeline.access.grant import Grant, grant
from pipeline.access.principal import DEVELOPMENT, Principal
from pipeline.audit.entry import AuditEntry, Outcome
from pipeline.audit.service import Auditor
from pipeline.errors import AtCapacity, AuditUnavailable, CallError, PermissionDenied
from pipeline.metrics import Metrics
from pipeline.rpc.audit_records import actor_of, record_of, target_of
from pipeline.rpc.caller import CALLER, Caller
from pipeline.rpc.methods import METHODS, PUBLIC, MethodRule
from pipeline.rpc.peers import OLD_TLS, Connection, StreamCounter, connection_of, is_old_tls
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.writing import drained
from pipeline.sections.access import AccessSettings

EXPIRY_GRACE_S = 30.0
"""How long watching goes on behind the end of a token, s: the client fetches a fresh one meanwhile."""
CHECK_S = 5.0
"""Time between two looks whether who watches may still do so, s."""
BURST_S = 10.0
"""Requests of so many seconds may come at once."""
REFUSAL_S = 10.0
"""Refusals of one kind to one machine are written down once in this time, s: they must not fill the disk."""
MOST_REMEMBERED = 4096
PUBLIC_STREAMS, PUBLIC_STREAMS_A_HOST = 64, 8
"""Streams of health that may be watched at once, by those whom nobody knows."""

_log = structlog.get_logger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]
_Method = Callable[[Any, _Context], Awaitable[Any]]


class Gate(grpc.aio.ServerInterceptor):
    """Lets requests in; for one event loop.

    Args:
        authenticator: says who somebody is.
        auditor: has what leaves before it leaves.
        settings: of access.
        metrics: where refusals are counted.
        gateway_secret: who shows it is a gateway; None where there are none.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        auditor: Auditor,
        settings: AccessSettings,
        metrics: Metrics,
        gateway_secret: str | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._auditor = auditor
        self._metrics = metrics
        self._gateway_secret = gateway_secret
        self._requests = RequestRate(settings.requests_per_s)
        self._most_streams = settings.streams_per_principal
        self._streams, self._public = StreamCounter(), StreamCounter()
        self._refused: OrderedDict[tuple[str, str, str], float] = OrderedDict()  # bounded by MOST_REMEMBERED

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the method's handler behind the gate."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler_call_details.method.startswith(PUBLIC):
            return self._for_everybody(handler)
        return self._behind(handler, handler_call_details.method)

    def _for_everybody(self, handler: Any) -> Any:
        """Return a public method; streams of those whom nobody knows must not crowd out the others."""
        if handler.request_streaming or not handler.response_streaming:
            return handler
        method: _Method = handler.unary_stream

        async def counted(request: Any, context: _Context) -> Any:
            host = connection_of(context, self._gateway_secret).host
            with self._public.counted(host) as of_this_host:
                if of_this_host > PUBLIC_STREAMS_A_HOST or self._public.total > PUBLIC_STREAMS:
                    crowd = AtCapacity("too many streams of this kind")
                    await context.abort(status_of(crowd), details_of(crowd))
                return await method(request, context)

        return grpc.unary_stream_rpc_method_handler(
            counted,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _behind(self, handler: Any, name: str) -> Any:
        wire = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._guarded(handler.stream_stream, name), **wire)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._guarded(handler.stream_unary, name), **wire)
        if handler.response_streaming:
            watched = self._guarded(handler.unary_stream, name, watches=True)
            return grpc.unary_stream_rpc_method_handler(watched, **wire)
        return grpc.unary_unary_rpc_method_handler(self._guarded(handler.unary_unary, name), **wire)

    def _guarded(self, method: _Method, name: str, *, watches: bool = False) -> _Method:
        rule = METHODS.get(name)

        async def guarded(request: Any, context: _Context) -> Any:
            if is_old_tls(context):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, OLD_TLS)
            connection = connection_of(context, self._gateway_secret)
            try:
                given = await self._let_in(rule, name, connection, request)
            except CallError as error:
                self._metrics.refused.labels(error.code).inc()
                if hasattr(request, "__aiter__"):
                    await drained(context)
                await context.abort(status_of(error), details_of(error))
            CALLER.set(Caller(grant=given, connection=connection))
            with self._streams.counted(given.principal.id) as streams:
                if streams > self._most_streams and given.principal is not DEVELOPMENT:
                    crowd = AtCapacity("too many streams of this identity (access.streams_per_principal)")
                    await context.abort(status_of(crowd), details_of(crowd))
                work = method(request, context)
                if watches:
                    work = self._while_valid(given, connection, work, context)
                try:
                    return await work
                except grpc.aio.AbortError:
                    await self._note_abort(given, connection, request, context)
                    raise

        return guarded

    # ---------------------------------------------------------------- who, and may they

    async def _let_in(
        self, rule: MethodRule | None, name: str, connection: Connection, request: Any
    ) -> Grant:
        """Return what whoever asks may do.

        Raises:
            CallError: nothing; the audit log has it.
        """
        principal: Principal | None = None
        try:
            principal = await self._authenticator.identify(connection.credentials)
            if rule is None:
                raise PermissionDenied("no permission lets anybody use this method")
            given = grant(principal, rule.permission)
            if principal is not DEVELOPMENT:  # which is everybody
                self._requests.check(principal.id)
        except CallError as error:
            await self._note_refusal(
                rule.permission.value if rule else name, connection, principal, error.code, ("", "")
            )
            raise
        if rule.content or rule.changes:
            await self._auditor.record(record_of(given, connection, *target_of(request)))
        return given

    async def _note_refusal(
        self,
        action: str,
        connection: Connection,
        principal: Principal | None,
        code: str,
        target: tuple[str, str],
    ) -> None:
        kind = (connection.host, principal.id if principal else action, code)
        now = time.monotonic()
        if now - self._refused.get(kind, -REFUSAL_S) < REFUSAL_S:
            return
        self._refused[kind] = now
        self._refused.move_to_end(kind)
        while len(self._refused) > MOST_REMEMBERED:
            self._refused.popitem(last=False)
        _log.info("request refused", action=action, code=code)
        try:
            await self._auditor.record(
                AuditEntry(
                    action=action,
                    outcome=Outcome.REFUSED,
                    reason=code,
                    target_kind=target[0],
                    target=target[1],
                    peer=connection.host,
                    **(actor_of(principal) if principal else {"actor_type": "unknown"}),
                )
            )
        except AuditUnavailable:
            return  # the refusal stands all the same

    async def _note_abort(
        self, given: Grant, connection: Connection, request: Any, context: _Context
    ) -> None:
        """Write down that a method refused, or found nothing: somebody may be trying doors."""
        if context.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
            code = str(context.details() or "").partition(":")[0]
            action = given.permission.value
            await self._note_refusal(action, connection, given.principal, code, target_of(request))

    # ---------------------------------------------------------------- for how long

    async def _while_valid(
        self, given: Grant, connection: Connection, work: Awaitable[Any], context: _Context
    ) -> Any:
        """Let a stream that watches go on while its principal may; end it with the reason."""
        task, epoch = asyncio.ensure_future(work), self._authenticator.epoch
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=CHECK_S)
                if not task.done():
                    self._authenticator.check(given.principal, grace_s=EXPIRY_GRACE_S)
                    if self._authenticator.epoch != epoch:
                        epoch = self._authenticator.epoch
                        grant(await self._authenticator.identify(connection.credentials), given.permission)
            return task.result()
        except CallError as error:
            await context.abort(status_of(error), details_of(error))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class RequestRate:
    """So many requests a second of each principal, and a burst; for one event loop.

    Args:
        per_s: requests a second, on average.
        clock: s, monotonic.
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # bounded by MOST_REMEMBERED

    def check(self, name: str) -> None:
        """Count a request.

        Raises:
            AtCapacity: it is one too many.
        """
        now, most = self._clock(), max(1.0, self._per_s * BURST_S)
        left, at = self._left.get(name, (most, now))
        left = min(most, left + (now - at) * self._per_s)
        if left < 1:
            raise AtCapacity("too many requests of this identity (access.requests_per_s)")
        self._left[name] = (left - 1, now)
        self._left.move_to_end(name)
        while len(self._left) > MOST_REMEMBERED:
            self._left.popitem(last=False)
