"""Who is at the other end of a connection, also behind a gateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from pipeline.access.authenticator import Credentials
from pipeline.access.secrets import same_secret
from pipeline.calls.info import Carrier
from pipeline.tracing import TRACEPARENT

OURS = "yuetone-"
"""How metadata begins that only a gateway may write; it passes no client's own such metadata on."""
GATEWAY = f"{OURS}gateway"
"""The secret by which a server knows its gateways."""
PEER = f"{OURS}peer"
CERTIFICATE_URI = f"{OURS}certificate-uri"
CERTIFICATE_NAME = f"{OURS}certificate-name-bin"
CARRIER = f"{OURS}carrier"
CARRIER_AGAIN = f"{OURS}carrier-again"
"""See :class:`pipeline.calls.info.Carrier`; CARRIER_AGAIN is there where ``again`` is true."""
OLD_TLS = "UNAUTHENTICATED: this connection uses TLS below 1.3"
_Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What is known of a client's connection.

    Attributes:
        peer: its address as gRPC writes it, such as ``ipv4:10.0.0.7:41234``.
        credentials: what it shows.
        carrier: stream of a gateway of a cluster; None for any other.
        traceparent: trace that the client is in; None where it says nothing of that, or nonsense.
    """

    peer: str
    credentials: Credentials
    carrier: Carrier | None = None
    traceparent: str | None = None

    @property
    def host(self) -> str:
        """The client's machine: its address without the port."""
        return self.peer.rpartition(":")[0] if self.peer.startswith(("ipv4:", "ipv6:")) else self.peer


def connection_of(context: _Context, gateway_secret: str | None) -> Connection:
    """Return what is known of a connection.

    Args:
        context: of a method.
        gateway_secret: who shows it is a gateway, and is believed; None where there are none.
    """
    metadata = [(str(key), value) for key, value in context.invocation_metadata() or ()]
    named = dict(metadata)
    authorization = _text(named.get("authorization"))
    carrier = None
    if gateway_secret is not None and same_secret(gateway_secret, _text(named.get(GATEWAY))):
        uris = tuple(_text(value) or "" for key, value in metadata if key == CERTIFICATE_URI)
        name = _text(named.get(CERTIFICATE_NAME))
        peer = _text(named.get(PEER)) or context.peer()
        if carried := _text(named.get(CARRIER)):
            carrier = Carrier(id=carried, again=CARRIER_AGAIN in named)
    else:
        uris, name = certificate_of(context)
        peer = context.peer()
    shown = Credentials(authorization=authorization, uris=uris, common_name=name)
    trace = _text(named.get("traceparent")) or ""
    return Connection(
        peer=peer,
        credentials=shown,
        carrier=carrier,
        traceparent=trace if TRACEPARENT.fullmatch(trace) else None,
    )


def certificate_of(context: _Context) -> tuple[tuple[str, ...], str | None]:
    """Return the URI names and the common name of the client's certificate, which TLS has verified."""
    shown: Mapping[str, Iterable[bytes]] = context.auth_context() or {}
    names = tuple(shown.get("x509_common_name", ()))
    uris = tuple(uri.decode("utf-8", "replace") for uri in shown.get("peer_uri", ()))
    return uris, names[0].decode("utf-8", "replace") if names else None


def is_old_tls(context: _Context) -> bool:
    """Tell whether a connection uses TLS below 1.3; a second fence behind the handshake."""
    shown: Mapping[str, Iterable[bytes]] = context.auth_context() or {}
    versions = tuple(shown.get("ssl_tls_version", ()))
    return bool(versions) and versions[0] != b"TLSv1.3"


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


class StreamCounter:
    """Counts streams by what they have in common, such as a machine; for one event loop."""

    def __init__(self) -> None:
        self._by_name: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Streams of all names."""
        return self._by_name.total()

    @contextmanager
    def counted(self, name: str) -> Iterator[int]:
        """Count a stream while it lasts; yield how many there are of that name with it."""
        self._by_name[name] += 1
        try:
            yield self._by_name[name]
        finally:
            self._by_name[name] -= 1
            self._by_name += Counter()  # forgets who has left
