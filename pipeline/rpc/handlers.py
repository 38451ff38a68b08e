"""Putting something around a method of gRPC, whichever of the four kinds it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

_NAMES = {
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


def method_of(handler: Any) -> Any:
    """Return the method behind a handler."""
    return getattr(handler, _name_of(handler))


def rebuilt(handler: Any, method: Any, read: Callable[[bytes], Any] | None = None) -> Any:
    """Return a handler like another one, of the same kind, with another method.

    gRPC calls a method by its handler's kind, so that must stay.

    Args:
        handler: the other one.
        method: to be called in place of its own.
        read: makes a request of its bytes; None reads as the other one does.
    """
    build = getattr(grpc, f"{_name_of(handler)}_rpc_method_handler")
    return build(
        method,
        request_deserializer=read or handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


def _name_of(handler: Any) -> str:
    return _NAMES[bool(handler.request_streaming), bool(handler.response_streaming)]
