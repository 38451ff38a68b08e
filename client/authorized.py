"""A channel that shows a token with every request, also where it goes without TLS (on loopback)."""

from __future__ import annotations

from typing import Any, Self

import grpc

from client.identity import Identity


class AuthorizedChannel(grpc.aio.Channel):
    """Another channel, and an identity.

    gRPC's own call credentials need TLS, and its interceptors wrap every message of a stream; this adds
    metadata when a request begins and is not in the way afterwards.

    Args:
        channel: the other one.
        identity: what is shown; asked at each request, so that a token may be renewed.
    """

    def __init__(self, channel: grpc.aio.Channel, identity: Identity) -> None:
        self._channel = channel
        self._identity = identity

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel; see :class:`grpc.aio.Channel`."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the state; see :class:`grpc.aio.Channel`."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for another state; see :class:`grpc.aio.Channel`."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until it works; see :class:`grpc.aio.Channel`."""
        await self._channel.channel_ready()

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        """Return a method; see :class:`grpc.aio.Channel`."""
        return self._authorized(self._channel.unary_unary(*arguments, **named))

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        """Return a method; see :class:`grpc.aio.Channel`."""
        return self._authorized(self._channel.unary_stream(*arguments, **named))

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        """Return a method; see :class:`grpc.aio.Channel`."""
        return self._authorized(self._channel.stream_unary(*arguments, **named))

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        """Return a method; see :class:`grpc.aio.Channel`."""
        return self._authorized(self._channel.stream_stream(*arguments, **named))

    def _authorized(self, method: Any) -> Any:
        def begin(*arguments: Any, metadata: Any = None, **named: Any) -> Any:
            return method(*arguments, metadata=(*(metadata or ()), *self._identity.metadata()), **named)

        return begin
