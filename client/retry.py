"""When to try again after a broken line: doubled each time, in part random, and not for ever."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import grpc

BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
"""Status codes by which gRPC says that a line broke; what a server refuses has other ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How to try again.

    Attributes:
        first_s: wait before the second attempt, s.
        longest_s: longest wait between two attempts, s.
        give_up_s: time without any success after which it is given up, s; None never.
        draw: gives random numbers in [0, 1): a server that comes back is then not met by everyone at once.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    give_up_s: float | None = None
    draw: Callable[[], float] = random.random

    def wait_s(self, failures: int) -> float:
        """Return the s to wait behind the ``failures``-th failure in a row, counted from 1."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 16))
        return whole * (0.5 + 0.5 * self.draw())


def is_expired(error: grpc.aio.AioRpcError) -> bool:
    """Tell whether a token that was good has ended: with a fresh one the same goes on."""
    expired = (error.details() or "").startswith("TOKEN_EXPIRED")
    return error.code() is grpc.StatusCode.UNAUTHENTICATED and expired


def is_broken_line(error: grpc.aio.AioRpcError) -> bool:
    """Tell whether an error is about the line, so that the same may succeed on a new one."""
    return error.code() in BROKEN
