"""The gate: the one place where a request is let in, for every method, before any of its code runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from pipeline.access.authenticator import Authenticator
from pipeline.access.grant import Grant, grant
from pipeline.access.limits import PrincipalLimits
from pipeline.access.principal import Principal
from pipeline.audit.service import Auditor
from pipeline.errors import AtCapacity, CallError, PermissionDenied
from pipeline.metrics import Metrics
from pipeline.rpc.audit_records import record_of, target_of
from pipeline.rpc.caller import CALLER, Caller
from pipeline.rpc.handlers import method_of, rebuilt
from pipeline.rpc.methods import METHODS, PUBLIC, MethodRule
from pipeline.rpc.peers import OLD_TLS, Connection, StreamCounter, connection_of, is_old_tls
from pipeline.rpc.refusals import Refusals
from pipeline.rpc.status import details_of, status_of
from pipeline.rpc.writing import drained
from pipeline.sections.access import AccessSettings

EXPIRY_GRACE_S = 30.0
"""How long watching goes on behind the end of a token, s: the client fetches a fresh one meanwhile."""
CHECK_S = 5.0
"""Time between two looks whether who watches may still do so, s."""
PUBLIC_STREAMS, PUBLIC_STREAMS_A_HOST = 64, 8
"""Streams of health that may be watched at once, by those whom nobody knows."""

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
        self._limits = PrincipalLimits(settings)
        self._refusals = Refusals(auditor)
        self._streams, self._public = StreamCounter(), StreamCounter()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the method's handler behind the gate."""
        handler, name = await continuation(handler_call_details), handler_call_details.method
        if handler is None:
            return None
        if not name.startswith(PUBLIC):
            return rebuilt(handler, self._guarded(handler, name))
        watches = handler.response_streaming and not handler.request_streaming
        return rebuilt(handler, self._counted(method_of(handler))) if watches else handler

    def _counted(self, method: _Method) -> _Method:
        """Return a public method whose streams cannot crowd out those of people who are known."""

        async def counted(request: Any, context: _Context) -> Any:
            host = connection_of(context, self._gateway_secret).host
            with self._public.counted(host) as of_this_host:
                if of_this_host > PUBLIC_STREAMS_A_HOST or self._public.total > PUBLIC_STREAMS:
                    await _abort(context, AtCapacity("too many streams of this kind"))
                return await method(request, context)

        return counted

    def _guarded(self, handler: Any, name: str) -> _Method:
        method, rule = method_of(handler), METHODS.get(name)
        watches = handler.response_streaming and not handler.request_streaming

        async def guarded(request: Any, context: _Context) -> Any:
            if is_old_tls(context):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, OLD_TLS)
            connection = connection_of(context, self._gateway_secret)
            try:
                given = await self._let_in(rule, name, connection, request)
            except CallError as error:
                self._metrics.refused.labels(error.code).inc()
                if handler.request_streaming:
                    await drained(context)
                await _abort(context, error)
            CALLER.set(Caller(grant=given, connection=connection))
            with self._streams.counted(given.principal.id) as streams:
                try:
                    self._limits.check_streams(given.principal, streams)
                except CallError as error:
                    await _abort(context, error)
                work = method(request, context)
                if watches:
                    work = self._while_valid(given, connection, work, context)
                try:
                    return await work
                except grpc.aio.AbortError:
                    await self._note_abort(given, connection, request, context)
                    raise

        return guarded

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
            self._limits.check_rate(principal)
        except CallError as error:
            await self._refusals.note(rule.permission if rule else name, error.code, connection, principal)
            raise
        if rule.content or rule.changes:
            await self._auditor.record(record_of(given, connection, *target_of(request)))
        return given

    async def _note_abort(
        self, given: Grant, connection: Connection, request: Any, context: _Context
    ) -> None:
        """Write down that a method refused, or found nothing: somebody may be trying doors."""
        if context.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
            code = str(context.details() or "").partition(":")[0]
            await self._refusals.note(given.permission, code, connection, given.principal, target_of(request))

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
            await _abort(context, error)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _abort(context: _Context, error: CallError) -> None:
    await context.abort(status_of(error), details_of(error))
