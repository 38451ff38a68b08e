"""A channel to a server, and typed stubs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import grpc

from client.authorized import AuthorizedChannel
from client.errors import ClientError, NotReachable
from client.identity import NOBODY, Identity
from yuetone.v1 import (
    admin_service_pb2_grpc,
    call_service_pb2_grpc,
    insight_service_pb2_grpc,
    knowledge_service_pb2_grpc,
    overview_service_pb2_grpc,
    quality_service_pb2_grpc,
    record_service_pb2_grpc,
    suggestion_service_pb2_grpc,
    supervisor_service_pb2_grpc,
)

CONNECT_S = 10.0
OPTIONS = (
    ("grpc.keepalive_time_ms", 1_000),
    ("grpc.keepalive_timeout_ms", 1_000),  # as TCP_USER_TIMEOUT: a peer that is cut off
    ("grpc.http2.ping_timeout_ms", 1_000),  # without it, a peer that is frozen is noticed after 60 s
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # what one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 3_000),
)
"""A frozen server is noticed in 1.1 s (measured), one that is cut off within 2 s; ours allows such pings."""


async def connect(address: str, identity: Identity = NOBODY) -> grpc.aio.Channel:
    """Return a channel that is known to work; close it in the end.

    Args:
        address: of the server, host:port.
        identity: what we show, and how we know the server.

    Raises:
        ClientError: a certificate file cannot be read.
        NotReachable: nobody answers there.
    """
    channel = open_channel(address, identity)
    try:
        async with asyncio.timeout(CONNECT_S):
            await _ready(channel)
    except (TimeoutError, ConnectionError):
        await channel.close()
        raise NotReachable(f"no server answers at {address}; start one with 'yuetone serve'") from None
    except BaseException:
        await channel.close()
        raise
    return channel


def open_channel(address: str, identity: Identity = NOBODY) -> grpc.aio.Channel:
    """Return a channel that connects when it is first used; close it in the end.

    Args:
        address: of the server, host:port.
        identity: what we show, and how we know the server.

    Raises:
        ClientError: a certificate file cannot be read.
    """
    if identity.authorities is None and not identity.secure and identity.certificate is None:
        channel = grpc.aio.insecure_channel(address, options=OPTIONS)
    else:
        credentials = grpc.ssl_channel_credentials(
            _read(identity.authorities), _read(identity.key), _read(identity.certificate)
        )
        channel = grpc.aio.secure_channel(address, credentials, options=OPTIONS)
    return channel if identity.token is None else AuthorizedChannel(channel, identity)


def _read(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError as error:
        raise ClientError(f"no certificate file at {file}") from error


async def _ready(channel: grpc.aio.Channel) -> None:
    """Wait until a channel works.

    Raises:
        ConnectionError: it was refused; waiting longer would not help who has just typed an address.
    """
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            raise ConnectionError
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)


@asynccontextmanager
async def connected(address: str, identity: Identity = NOBODY) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel as :func:`connect` returns it, and close it.

    Raises:
        ClientError, NotReachable: as there.
    """
    channel = await connect(address, identity)
    try:
        yield channel
    finally:
        await channel.close()


# The generated modules have one class for both worlds; only their type stubs tell them apart.


def call_stub(channel: grpc.aio.Channel) -> call_service_pb2_grpc.CallServiceAsyncStub:
    """Return the typed client of CallService."""
    stub: object = call_service_pb2_grpc.CallServiceStub(channel)
    return cast("call_service_pb2_grpc.CallServiceAsyncStub", stub)


def overview_stub(channel: grpc.aio.Channel) -> overview_service_pb2_grpc.OverviewServiceAsyncStub:
    """Return the typed client of OverviewService."""
    stub: object = overview_service_pb2_grpc.OverviewServiceStub(channel)
    return cast("overview_service_pb2_grpc.OverviewServiceAsyncStub", stub)


def supervisor_stub(channel: grpc.aio.Channel) -> supervisor_service_pb2_grpc.SupervisorServiceAsyncStub:
    """Return the typed client of SupervisorService."""
    stub: object = supervisor_service_pb2_grpc.SupervisorServiceStub(channel)
    return cast("supervisor_service_pb2_grpc.SupervisorServiceAsyncStub", stub)


def suggestion_stub(channel: grpc.aio.Channel) -> suggestion_service_pb2_grpc.SuggestionServiceAsyncStub:
    """Return the typed client of SuggestionService."""
    stub: object = suggestion_service_pb2_grpc.SuggestionServiceStub(channel)
    return cast("suggestion_service_pb2_grpc.SuggestionServiceAsyncStub", stub)


def record_stub(channel: grpc.aio.Channel) -> record_service_pb2_grpc.RecordServiceAsyncStub:
    """Return the typed client of RecordService."""
    stub: object = record_service_pb2_grpc.RecordServiceStub(channel)
    return cast("record_service_pb2_grpc.RecordServiceAsyncStub", stub)


def admin_stub(channel: grpc.aio.Channel) -> admin_service_pb2_grpc.AdminServiceAsyncStub:
    """Return the typed client of AdminService."""
    stub: object = admin_service_pb2_grpc.AdminServiceStub(channel)
    return cast("admin_service_pb2_grpc.AdminServiceAsyncStub", stub)


def knowledge_stub(channel: grpc.aio.Channel) -> knowledge_service_pb2_grpc.KnowledgeServiceAsyncStub:
    """Return the typed client of KnowledgeService."""
    stub: object = knowledge_service_pb2_grpc.KnowledgeServiceStub(channel)
    return cast("knowledge_service_pb2_grpc.KnowledgeServiceAsyncStub", stub)


def quality_stub(channel: grpc.aio.Channel) -> quality_service_pb2_grpc.QualityServiceAsyncStub:
    """Return the typed client of QualityService."""
    stub: object = quality_service_pb2_grpc.QualityServiceStub(channel)
    return cast("quality_service_pb2_grpc.QualityServiceAsyncStub", stub)


def insight_stub(channel: grpc.aio.Channel) -> insight_service_pb2_grpc.InsightServiceAsyncStub:
    """Return the typed client of InsightService."""
    stub: object = insight_service_pb2_grpc.InsightServiceStub(channel)
    return cast("insight_service_pb2_grpc.InsightServiceAsyncStub", stub)
