"""What a gateway tells the server behind it of the connection, which ends at the gateway."""

from __future__ import annotations

from typing import Any

import grpc

from pipeline.rpc.peers import CERTIFICATE_NAME, CERTIFICATE_URI, GATEWAY, OURS, PEER, certificate_of

_Context = grpc.aio.ServicerContext[Any, Any]


def identity_of(context: _Context, secret: str) -> list[tuple[str, str | bytes]]:
    """Return the metadata of a client, and who it is as its connection proves.

    Args:
        context: of the client's stream.
        secret: by which the server behind knows its gateways.
    """
    passed = [(key, value) for key, value in context.invocation_metadata() or () if _is_passed_on(key)]
    uris, name = certificate_of(context)
    known: list[tuple[str, str | bytes]] = [*passed, (GATEWAY, secret), (PEER, context.peer())]
    known += [(CERTIFICATE_URI, uri) for uri in uris]
    return known if name is None else [*known, (CERTIFICATE_NAME, name.encode())]


def _is_passed_on(key: str) -> bool:
    return not key.startswith((":", "grpc-", OURS)) and key not in ("user-agent", "content-type", "te")
