"""A server of the public API whose calls are made up: as many as wanted, at the pace of real ones."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from yuetone.v1 import (
    assist_pb2,
    audio_pb2,
    call_service_pb2,
    call_service_pb2_grpc,
    overview_service_pb2,
    overview_service_pb2_grpc,
    supervisor_service_pb2,
    supervisor_service_pb2_grpc,
    transcript_pb2,
)

PARTIALS_S = 0.33
"""The demo call has 3 events a second."""
PARTIALS_A_FINAL = 9
SAID = "我上個月張單點解會多咗五十蚊嘅我想你幫我查下"
_WARNING, _CRITICAL = assist_pb2.Alert.SEVERITY_WARNING, assist_pb2.Alert.SEVERITY_CRITICAL
PERMISSIONS = {"call.watch": "tenant", "call.list": "tenant", "alert.watch": "tenant"}


class Overview(overview_service_pb2_grpc.OverviewServiceServicer):
    """Many calls, all of which change twice a second."""

    def __init__(self, calls: int, seed: int) -> None:
        self._rng = random.Random(seed)
        now = int(time.time() * 1000)
        pb = overview_service_pb2.CallOverview
        self._calls = [
            pb(
                call_id=f"call-{number}", agent_id=f"A{number:03d}", queue=f"q{number % 8}", agitation=0.2,
                started_at_unix_ms=now - self._rng.randrange(600_000), phase=pb.PHASE_TALKING,
            )
            for number in range(calls)
        ]  # fmt: skip

    async def GetMe(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC method name)
        """Say that everybody may do everything."""
        return overview_service_pb2.GetMeResponse(principal="benchmark", permissions=PERMISSIONS)

    async def WatchCalls(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC method name)
        """Send all calls, then all of them again and again with another agitation."""
        snapshot = True
        while True:
            for call in self._calls:
                call.agitation = min(1.0, max(0.0, call.agitation + self._rng.uniform(-0.1, 0.1)))
            yield overview_service_pb2.WatchCallsResponse(
                snapshot=snapshot, calls=self._calls, at_unix_ms=int(time.time() * 1000)
            )
            snapshot = False
            await asyncio.sleep(0.5)


class Alerts(supervisor_service_pb2_grpc.SupervisorServiceServicer):
    """An alert every few seconds."""

    async def ListOpenAlerts(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC method name)
        """Say that none is open."""
        return supervisor_service_pb2.ListOpenAlertsResponse(cursor="0")

    async def WatchAlerts(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC method name)
        """Raise alerts of one call after the other."""
        number = 0
        while True:
            number += 1
            alert = assist_pb2.Alert(
                alert_id=f"a{number}", severity=(_WARNING, _CRITICAL)[number % 2],
                state=assist_pb2.Alert.STATE_RAISED, evidence="激動程度 80%",
                agitation=0.8,
            )  # fmt: skip
            yield supervisor_service_pb2.WatchAlertsResponse(
                call_id=f"call-{number % 40}", agent_id=f"A{number % 40:03d}", alert=alert,
                cursor=str(number), at_unix_ms=int(time.time() * 1000),
            )  # fmt: skip
            await asyncio.sleep(3.0)


class Calls(call_service_pb2_grpc.CallServiceServicer):
    """Calls in which both sides speak by turns; every text ends with the time at which it was sent, ms."""

    def __init__(self, faster: float) -> None:
        self._wait_s = PARTIALS_S / faster

    async def WatchCall(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC method name)
        """Send partials and finals of a call that does not end."""
        seq, at = 0, 0
        while True:
            for step in range(PARTIALS_A_FINAL + 1):
                seq += 1
                at += int(PARTIALS_S * 1000)
                yield call_service_pb2.WatchCallResponse(event=_said(request.call_id, seq, at, step))
                await asyncio.sleep(self._wait_s)


def _said(call_id: str, seq: int, at: int, step: int) -> call_service_pb2.StreamCallResponse:
    final = step == PARTIALS_A_FINAL
    utterance = seq // (PARTIALS_A_FINAL + 1)
    channel = utterance % 2
    text = SAID if final else SAID[: 2 * (step + 1)]
    return call_service_pb2.StreamCallResponse(
        call_id=call_id,
        server_seq=seq,
        transcript=transcript_pb2.Transcript(
            utterance_id=f"{channel}-{utterance}", channel=channel, is_final=final, stability=0.7,
            role=(audio_pb2.ROLE_CUSTOMER, audio_pb2.ROLE_AGENT)[channel], start_ms=at, end_ms=at + 300,
            text=f"{text} @{int(time.time() * 1000)}",
        ),
    )  # fmt: skip


@asynccontextmanager
async def feeding(calls: int, seed: int, faster: float = 1.0) -> AsyncIterator[int]:
    """Serve such calls; yield the port.

    Args:
        calls: on the wall.
        seed: of their moods.
        faster: than real ones, in the streams of single calls.
    """
    server = grpc.aio.server(options=[("grpc.http2.min_ping_interval_without_data_ms", 500)])
    # What is not here answers UNIMPLEMENTED; the type stubs of the generated classes call it abstract.
    overview, alerts, one = Overview(calls, seed), Alerts(), Calls(faster)  # type: ignore[abstract]
    overview_service_pb2_grpc.add_OverviewServiceServicer_to_server(overview, server)
    supervisor_service_pb2_grpc.add_SupervisorServiceServicer_to_server(alerts, server)
    call_service_pb2_grpc.add_CallServiceServicer_to_server(one, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)
