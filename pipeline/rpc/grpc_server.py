"""Where the server listens: its services, its TLS, its metrics endpoint."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health as health_service
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from pipeline.access.exposure import is_near
from pipeline.alerts.service import AlertService
from pipeline.app import App
from pipeline.calls.directory import CallDirectory
from pipeline.config import LimitSettings, ServerSettings
from pipeline.errors import SettingsError
from pipeline.knowledge.service import KnowledgeService
from pipeline.rpc import requests
from pipeline.rpc.admin import AdminServicer
from pipeline.rpc.gate import Gate
from pipeline.rpc.insight import InsightServicer
from pipeline.rpc.knowledge import KnowledgeServicer
from pipeline.rpc.malformed import MalformedGuard
from pipeline.rpc.overview import OverviewServicer
from pipeline.rpc.quality import QualityServicer
from pipeline.rpc.records import RecordServicer
from pipeline.rpc.servicer import CallServicer
from pipeline.rpc.suggestions import SuggestionServicer
from pipeline.rpc.supervisor import SupervisorServicer
from pipeline.rpc.tls import server_credentials
from yuetone.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    call_service_pb2,
    call_service_pb2_grpc,
    insight_service_pb2,
    insight_service_pb2_grpc,
    knowledge_service_pb2,
    knowledge_service_pb2_grpc,
    overview_service_pb2,
    overview_service_pb2_grpc,
    quality_service_pb2,
    quality_service_pb2_grpc,
    record_service_pb2,
    record_service_pb2_grpc,
    suggestion_service_pb2,
    suggestion_service_pb2_grpc,
    supervisor_service_pb2,
    supervisor_service_pb2_grpc,
)

ADMIN_SERVICE = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name
CALL_SERVICE = call_service_pb2.DESCRIPTOR.services_by_name["CallService"].full_name
OVERVIEW_SERVICE = overview_service_pb2.DESCRIPTOR.services_by_name["OverviewService"].full_name
SUPERVISOR_SERVICE = supervisor_service_pb2.DESCRIPTOR.services_by_name["SupervisorService"].full_name
SUGGESTION_SERVICE = suggestion_service_pb2.DESCRIPTOR.services_by_name["SuggestionService"].full_name
INSIGHT_SERVICE = insight_service_pb2.DESCRIPTOR.services_by_name["InsightService"].full_name
KNOWLEDGE_SERVICE = knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"].full_name
QUALITY_SERVICE = quality_service_pb2.DESCRIPTOR.services_by_name["QualityService"].full_name
RECORD_SERVICE = record_service_pb2.DESCRIPTOR.services_by_name["RecordService"].full_name
HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
KEEPALIVE = (
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),  # clients may ask every second whether we live
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
)
"""A client that is cut off is noticed in 10 s: before limits.idle_timeout_s, so its call waits."""
KINDS_OF_WATCHERS = 3
"""WatchCall, WatchCalls, WatchAlerts."""
MOST_CALLS = 1000
"""More than any one process carries."""
SPARE_STREAMS = 256
"""Short requests, and streams that have not said yet what they want."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server that listens.

    Attributes:
        server: of gRPC.
        health: its health service.
        port: of gRPC.
        metrics_port: of the Prometheus endpoint; None without one.
    """

    server: grpc.aio.Server
    health: health_service.aio.HealthServicer
    port: int
    metrics_port: int | None


@asynccontextmanager
async def listening(
    app: App, calls: CallDirectory, gateway_secret: str | None = None
) -> AsyncIterator[Listening]:
    """Listen; on the way out, stop at once (calls have ended by then).

    Args:
        app: what is behind the wire.
        calls: its calls.
        gateway_secret: who shows it is a gateway; None where there are none.
    """
    settings = app.settings
    gate = Gate(app.authenticator, app.auditor, settings.access, app.metrics, gateway_secret)
    server = grpc.aio.server(
        options=[
            *wire_options(settings.limits),
            ("grpc.so_reuseport", 0),  # two servers on one port would share the calls unnoticed
        ],
        maximum_concurrent_rpcs=most_streams(settings.limits),
        interceptors=[gate, MalformedGuard()],
    )
    try:
        calling = CallServicer(calls, app, behind_gateways=gateway_secret is not None)
        call_service_pb2_grpc.add_CallServiceServicer_to_server(calling, server)
        services = [CALL_SERVICE, *_add_services(server, app, calls)]
        health = health_service.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        if settings.server.reflection:
            names = (*services, HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        port = bind(server, settings.server)
        with metrics_endpoint(settings.server, app.metrics.registry) as metrics_port:
            await server.start()
            for service in ("", *services):
                await health.set(service, health_pb2.HealthCheckResponse.SERVING)
            yield Listening(server=server, health=health, port=port, metrics_port=metrics_port)
    finally:
        await server.stop(grace=0.5)


def wire_options(limits: LimitSettings) -> list[tuple[str, int]]:
    """Return gRPC's own limits: what a client may make a server hold before any of our code has seen it."""
    return [
        ("grpc.max_receive_message_length", limits.max_chunk_bytes + requests.BESIDE_AUDIO_BYTES),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        *KEEPALIVE,
    ]


def most_streams(limits: LimitSettings) -> int:
    """Return the requests under way above which gRPC refuses further ones by itself."""
    return (limits.max_calls or MOST_CALLS) + KINDS_OF_WATCHERS * limits.max_watchers + SPARE_STREAMS


def _add_services(server: grpc.aio.Server, app: App, calls: CallDirectory) -> list[str]:
    """Add what this server offers beside calls; return the names of the services."""
    overview = OverviewServicer(calls, app.settings)
    overview_service_pb2_grpc.add_OverviewServiceServicer_to_server(overview, server)
    admin = AdminServicer(app)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    services = [OVERVIEW_SERVICE, ADMIN_SERVICE]
    if isinstance(app.alerts, AlertService):
        supervisor = SupervisorServicer(app.alerts, app.settings)
        supervisor_service_pb2_grpc.add_SupervisorServiceServicer_to_server(supervisor, server)
        services.append(SUPERVISOR_SERVICE)
    if isinstance(app.knowledge, KnowledgeService):
        adviser = SuggestionServicer(app.knowledge, calls)
        suggestion_service_pb2_grpc.add_SuggestionServiceServicer_to_server(adviser, server)
        writes = KnowledgeServicer(app.knowledge)
        knowledge_service_pb2_grpc.add_KnowledgeServiceServicer_to_server(writes, server)
        services += [SUGGESTION_SERVICE, KNOWLEDGE_SERVICE]
    if app.record is not None:
        writer = app.knowledge.writer if app.settings.record.llm_summaries else None
        records = RecordServicer(app.record, app.settings, app.auditor, writer)
        record_service_pb2_grpc.add_RecordServiceServicer_to_server(records, server)
        insight = InsightServicer(
            app.record,
            app.knowledge if isinstance(app.knowledge, KnowledgeService) else None,
            app.alerts if isinstance(app.alerts, AlertService) else None,
            app.settings,
        )
        insight_service_pb2_grpc.add_InsightServiceServicer_to_server(insight, server)
        quality = QualityServicer(app.record, app.settings)
        quality_service_pb2_grpc.add_QualityServiceServicer_to_server(quality, server)
        services += [RECORD_SERVICE, INSIGHT_SERVICE, QUALITY_SERVICE]
    return services


def bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    """Let ``server`` listen where the settings say; return the port.

    Raises:
        SettingsError: it cannot listen there.
    """
    if settings.host.startswith("unix:"):
        return _listen(server, settings.host, None)
    if settings.tls_certificate is None:
        return _listen(server, f"{settings.host}:{settings.port}", None)
    machines_apart = settings.machine_port is not None
    if machines_apart:
        credentials = server_credentials(settings, machines=True)
        _listen(server, f"{settings.host}:{settings.machine_port}", credentials)
    asks = settings.tls_client_ca is not None and not machines_apart
    return _listen(server, f"{settings.host}:{settings.port}", server_credentials(settings, machines=asks))


def _listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise SettingsError(
            f"cannot listen on {address}: the port is taken or the address is not this machine's; "
            "set server.port, server.machine_port or server.host"
        ) from error


@contextlib.contextmanager
def metrics_endpoint(settings: ServerSettings, registry: CollectorRegistry) -> Iterator[int | None]:
    """Serve Prometheus; yield the port, None where that is turned off.

    Raises:
        SettingsError: it cannot listen there.
    """
    if settings.metrics_port is None:
        yield None
        return
    near = is_near(settings.metrics_host)
    try:
        endpoint, thread = start_http_server(
            settings.metrics_port,
            addr=settings.metrics_host,
            registry=registry,
            certfile=None if near else settings.tls_certificate,  # type: ignore[arg-type] # a path will do
            keyfile=None if near else settings.tls_key,  # type: ignore[arg-type]
        )
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.metrics_host}:{settings.metrics_port} for metrics; "
            "set server.metrics_port, or none to do without"
        ) from error
    try:
        yield int(endpoint.server_port)
    finally:
        endpoint.shutdown()
        endpoint.server_close()
        thread.join()
