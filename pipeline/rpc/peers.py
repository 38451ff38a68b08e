"""Who is at the other end of a connection, also behind a gateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

FORWARDED = "yuetone-peer"
"""Metadata in which a gateway names its client; a gateway passes no client's own one on."""


def peer_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the address of the client as gRPC writes it, such as ``ipv4:10.0.0.7:41234``."""
    peer = context.peer()
    if not peer.startswith("unix:"):
        return peer
    named = (value for key, value in context.invocation_metadata() or () if key == FORWARDED)
    return str(next(named, peer))


class StreamCounter:
    """Counts streams by the machine that they come from; for one event loop."""

    def __init__(self) -> None:
        self._by_host: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Streams of all machines."""
        return self._by_host.total()

    @contextmanager
    def counted(self, context: grpc.aio.ServicerContext[Any, Any]) -> Iterator[int]:
        """Count a stream while it lasts; yield how many its machine has with it."""
        host = _host_of(peer_of(context))
        self._by_host[host] += 1
        try:
            yield self._by_host[host]
        finally:
            self._by_host[host] -= 1
            self._by_host += Counter()  # forgets who has left


def _host_of(peer: str) -> str:
    """Return a client's machine: its address without the port."""
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer
