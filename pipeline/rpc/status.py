"""The one place where errors become gRPC status codes."""

from __future__ import annotations

import grpc

from pipeline import errors

_STATUS: dict[type[errors.CallError], grpc.StatusCode] = {
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.TokenExpired: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.AuditUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnsupportedAudio: grpc.StatusCode.INVALID_ARGUMENT,
    errors.DuplicateCall: grpc.StatusCode.ALREADY_EXISTS,
    errors.UnknownCall: grpc.StatusCode.NOT_FOUND,
    errors.UnknownAlert: grpc.StatusCode.NOT_FOUND,
    errors.UnknownSuggestion: grpc.StatusCode.NOT_FOUND,
    errors.AlertClosed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlertsUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.UnknownRecord: grpc.StatusCode.NOT_FOUND,
    errors.UnknownHold: grpc.StatusCode.NOT_FOUND,
    errors.UnknownErasure: grpc.StatusCode.NOT_FOUND,
    errors.UnknownReview: grpc.StatusCode.NOT_FOUND,
    errors.UnknownOriginalRequest: grpc.StatusCode.NOT_FOUND,
    errors.ExportUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RecognitionFailed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.RecordUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.AtCapacity: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    errors.CallMoved: grpc.StatusCode.UNAVAILABLE,
    errors.CallTaken: grpc.StatusCode.ABORTED,
    errors.IdleTimeout: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.CallTooLong: grpc.StatusCode.OUT_OF_RANGE,
    errors.SlowConsumer: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.InternalFailure: grpc.StatusCode.INTERNAL,
}


def status_of(error: errors.CallError) -> grpc.StatusCode:
    """Return the gRPC status of an error."""
    return _STATUS.get(type(error), grpc.StatusCode.INTERNAL)


def details_of(error: errors.CallError) -> str:
    """Return the status text: the stable code, then the sentence for people."""
    return f"{error.code}: {error}"


def refusal(code: grpc.StatusCode, details: str | None) -> grpc.aio.AioRpcError:
    """Return a status as an error."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


_OF_LINES = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
)


def is_gone(code: grpc.StatusCode, details: str | None) -> bool:
    """Tell whether a status says that a node or the line to it is gone, so that another one may be asked."""
    return code is grpc.StatusCode.UNAVAILABLE or (code in _OF_LINES and not is_ours(details))


def is_ours(details: str | None) -> bool:
    """Tell whether a status text is one of :func:`details_of`, and not one of gRPC, which names addresses."""
    return bool(details) and str(details).partition(":")[0].replace("_", "").isupper()
