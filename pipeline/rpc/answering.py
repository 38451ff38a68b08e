"""The answer to a request: what its work returns, or the status of the error that it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

import grpc
import sqlalchemy as sa
import structlog

from pipeline.errors import CallError, SettingsError, StoreUnavailable
from pipeline.rpc.status import details_of, status_of

_Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")
_log = structlog.get_logger(__name__)


async def answered(
    context: _Context, work: Callable[[], Awaitable[T]], guard: Callable[[], AbstractContextManager[None]]
) -> T:
    """Return what ``work`` does; a CallError in it ends the request with its status.

    Args:
        context: gRPC context of the request.
        work: what answers the request.
        guard: turns what stores raise into a CallError, such as :func:`guarded`.
    """
    try:
        with guard():
            return await work()
    except CallError as error:
        await context.abort(status_of(error), details_of(error))
        raise  # never: abort raises


def guarded(what: str) -> Callable[[], AbstractContextManager[None]]:
    """Return a guard for a file or a database.

    Args:
        what: it is, for people.
    """
    return partial(_guard, what)


@contextmanager
def _guard(what: str) -> Iterator[None]:
    try:
        yield
    except (sa.exc.SQLAlchemyError, SettingsError, OSError) as error:
        _log.error("a store cannot be used", store=what, error=type(error).__name__)
        raise StoreUnavailable(
            f"{what} cannot be read or written now; the server's log has the reason"
        ) from error
