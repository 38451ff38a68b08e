"""Bytes that are no message: the client is told so, in every method, and no traceback is written."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from pipeline.rpc.handlers import method_of, rebuilt

NOT_A_MESSAGE = "INVALID_REQUEST: the message is not of this method's type (not valid protobuf)"


class Malformed:
    """Stands for a message that could not be read."""


class MalformedGuard(grpc.aio.ServerInterceptor):
    """Refuses unary requests that cannot be read; gives streaming methods a :class:`Malformed` for each."""

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the method's handler, reading requests with care."""
        handler = await continuation(handler_call_details)
        return handler if handler is None else _guarded(handler)


def _guarded(handler: Any) -> Any:
    method = method_of(handler)
    if not handler.request_streaming:  # else the method itself finds what cannot be read
        method = _stream(method) if handler.response_streaming else _unary(method)
    return rebuilt(handler, method, _careful(handler.request_deserializer))


def _careful(read: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if read is None:
        return None

    def careful(data: bytes) -> Any:
        try:
            return read(data)
        except Exception:  # noqa: BLE001 (protobuf's readers raise different things)
            return Malformed()

    return careful


def _unary(method: Any) -> Any:
    async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if isinstance(request, Malformed):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, NOT_A_MESSAGE)
        return await method(request, context)

    return guarded


def _stream(method: Any) -> Any:
    """Guard a method that answers with many messages: one that yields them, or one that writes them."""
    if not inspect.isasyncgenfunction(method):
        return _unary(method)

    async def guarded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        if isinstance(request, Malformed):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, NOT_A_MESSAGE)
        async with aclosing(method(request, context)) as answers:
            async for answer in answers:
                yield answer

    return guarded
