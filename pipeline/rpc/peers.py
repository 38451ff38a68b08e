"""Who is at the other end of a connection, also behind a gateway."""

from __future__ import annotations

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


def host_of(peer: str) -> str:
    """Return a client's machine: its address without the port."""
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer
