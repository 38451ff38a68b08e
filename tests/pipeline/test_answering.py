"""A request whose files or database cannot be used is refused in words of its own."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from pipeline.errors import InvalidRequest
from pipeline.rpc.answering import answered, guarded


class Aborted(Exception):
    """What gRPC raises to end a request."""


class Context:
    """Keeps the status."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Aborted(code, details)


async def refused(error: Exception) -> tuple[Any, ...]:
    async def work() -> None:
        raise error

    with pytest.raises(Aborted) as found:
        await answered(Context(), work, guarded("the knowledge base"))  # type: ignore[arg-type]
    return found.value.args


@pytest.mark.parametrize(
    "error", [OSError("/srv/kb.db"), sa.exc.OperationalError("SELECT", {}, Exception("at db.internal"))]
)
async def test_a_store_that_cannot_be_used_is_named_and_nothing_of_it(error: Exception) -> None:
    code, details = await refused(error)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert details.startswith("STORE_UNAVAILABLE: the knowledge base cannot be read or written now")
    assert "kb.db" not in details
    assert "internal" not in details


async def test_what_is_wrong_with_a_request_is_told() -> None:
    assert await refused(InvalidRequest("days: 1 to 3650")) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST: days: 1 to 3650",
    )
