from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from pipeline.alerts.record import AlertRecord
from pipeline.alerts.service import AlertService
from pipeline.alerts.store import AlertStore
from pipeline.alerts.webhook import WebhookSender, route_of
from pipeline.calls.events import AlertEvent, AlertState, Severity
from pipeline.calls.info import CallInfo
from pipeline.clock import Clock
from pipeline.config import WebhookSettings
from pipeline.metrics import Metrics
from tests.fakes.calls import FakeCalls

CALL = CallInfo(call_id="call-1", tenant="acme", queue="billing", agent_id="a7")

PACE = 10.0
"""Seconds of the webhooks' clock in one second of a test."""


def alert(
    number: int = 1, state: AlertState = AlertState.RAISED, severity: Severity = Severity.WARNING
) -> AlertEvent:
    return AlertEvent(
        alert_id=f"alert-{number}", rule="mood", severity=severity, state=state, channel=0, start=16_000,
        end=32_000, evidence="激動程度 70%", agitation=0.7, curve=((16_000, 0.2), (32_000, 0.7)),
    )  # fmt: skip


def everybody(_record: AlertRecord) -> bool:
    return True


def record(
    number: int = 1, state: AlertState = AlertState.RAISED, *, at: float | None = None, expire_s: float = 600
) -> AlertRecord:
    return AlertRecord(
        at=time.time() if at is None else at, call=CALL, event=alert(number, state), expire_s=expire_s
    )


def hook(url: str, **fields: object) -> WebhookSettings:
    return WebhookSettings(**{"name": "desk", "url": SecretStr(url), "timeout_s": 0.5, **fields})


@asynccontextmanager
async def running_hub(
    path: Path | str, *webhooks: WebhookSettings, max_pending: int = 100
) -> AsyncIterator[AlertService]:
    metrics = Metrics()
    store = AlertStore(path, max_pending)
    hub = AlertService(store, tuple(route_of(webhook) for webhook in webhooks), metrics, keep_s=3600)
    tasks = [asyncio.create_task(hub.run(FakeCalls()), name="hub")]
    tasks += [
        asyncio.create_task(WebhookSender(webhook, hub, metrics, Clock(PACE)).run(), name="sender")
        for webhook in webhooks
    ]
    try:
        yield hub
    finally:
        await hub.flush()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        hub.close()


def publish(hub: AlertService, event: AlertEvent) -> None:
    hub.publish(CALL, event, 600)


async def pass_s(seconds: float) -> None:
    """Let time pass on the webhooks' clock."""
    await asyncio.sleep(seconds / PACE)


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def closed(number: int, state: AlertState) -> AlertEvent:
    return replace(alert(number), state=state)
