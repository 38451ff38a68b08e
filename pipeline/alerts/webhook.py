"""Sends alerts to one address, again and again until it takes them."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import httpx2
import structlog

from pipeline.alerts.payloads import accepted, body, delivery_id, headers, signed_url
from pipeline.alerts.record import AlertRecord
from pipeline.alerts.service import AlertService, Route
from pipeline.alerts.store import WebhookDelivery
from pipeline.calls.events import Severity
from pipeline.clock import Clock
from pipeline.config import WebhookSettings
from pipeline.metrics import Metrics

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
LONGEST_ASKED_S = 3600.0
"""Longest Retry-After that is obeyed, s."""
LONGEST_QUIET_S = 60.0
"""Longest pause between attempts at a receiver that is down, s: so late is it found to be back."""
POLL_S = 5.0

_log = structlog.get_logger(__name__)


def route_of(settings: WebhookSettings) -> Route:
    """Return which records the webhook gets."""
    least = Severity[settings.min_severity.upper()]

    def wants(record: AlertRecord) -> bool:
        return (
            record.event.severity >= least
            and record.event.state.value in settings.states
            and (not settings.tenants or record.call.tenant in settings.tenants)
        )

    return Route(name=settings.name, wants=wants)


def wait_before(attempts: int, draw: Callable[[], float] = random.random) -> float:
    """Return s to wait before the next attempt: doubled each time, and in part random.

    A receiver that comes back is then not met by everyone at once.
    """
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts, 16)) * (0.8 + 0.4 * draw())


class WebhookSender:
    """One webhook; for one event loop.

    Args:
        settings: where and how.
        alerts: has the outbox.
        metrics: where to count.
        clock: of attempts; the real one by default.
        leads: tells whether this process is the one that sends, of all that share the outbox.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        alerts: AlertService,
        metrics: Metrics,
        clock: Clock | None = None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._leads = leads
        self._clock = clock or Clock()
        self._settings = settings
        self._alerts = alerts
        self._metrics = metrics
        self._failures = 0
        self._quiet_until = 0.0

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        async with httpx2.AsyncClient(timeout=self._settings.timeout_s, follow_redirects=False) as client:
            while True:
                changed = self._alerts.changed()
                try:
                    worked = self._leads() and await self._step(client)
                except Exception as error:  # noqa: BLE001 (a store that fails now may work in a moment)
                    self._metrics.failures.labels("webhook").inc()
                    _log.error("webhook failed", webhook=self._settings.name, error=type(error).__name__)
                    self._quiet_until = self._clock.now() + POLL_S
                    worked = False
                if not worked:
                    await self._wait(changed)

    async def _wait(self, changed: asyncio.Event) -> None:
        """Wait for a change of the outbox, for the next attempt that is due, or for a while."""
        try:
            next_at = await self._alerts.in_thread(self._alerts.store.next_due, self._settings.name)
        except Exception:  # noqa: BLE001 (the step before has told)
            next_at = None
        due = self._clock.now() + POLL_S if next_at is None else max(next_at, self._quiet_until)
        await self._clock.wait(changed, min(POLL_S, max(0.02, due - self._clock.now())))

    async def _step(self, client: httpx2.AsyncClient) -> bool:
        """Try the first delivery that is due; return whether there was one."""
        store, name = self._alerts.store, self._settings.name
        if self._clock.now() < self._quiet_until:
            await self._clock.sleep(min(POLL_S, self._quiet_until - self._clock.now()))
            return True
        delivery = await self._alerts.in_thread(store.due, name, self._clock.now())
        if delivery is None:
            return False
        taken, asked = await self._send(client, delivery)
        if taken:
            await self._alerts.in_thread(store.delivered, delivery)
            self._metrics.webhooks.labels(name, "delivered").inc()
            if self._failures:
                _log.info("webhook works again", webhook=name)
                await self._alerts.in_thread(store.hurry, name, self._clock.now())
            self._failures = 0
            return True
        self._metrics.webhooks.labels(name, "failed").inc()
        asked = min(asked, LONGEST_ASKED_S)
        # A receiver that is down is asked seldom, however many deliveries wait for it.
        self._quiet_until = self._clock.now() + max(asked, min(LONGEST_QUIET_S, wait_before(self._failures)))
        self._failures += 1
        if self._clock.now() - delivery.record.at > self._settings.give_up_h * 3600:
            await self._alerts.in_thread(store.give_up, delivery)
            self._metrics.webhooks.labels(name, "given up").inc()
            _log.error("webhook delivery given up", webhook=name, alert=delivery.record.event.alert_id)
            return True
        wait = max(wait_before(delivery.attempts), asked)
        await self._alerts.in_thread(store.failed, delivery, self._clock.now() + wait)
        return True

    async def _send(self, client: httpx2.AsyncClient, delivery: WebhookDelivery) -> tuple[bool, float]:
        """Return whether the receiver took it, and how many s it asked us to wait."""
        settings, record = self._settings, delivery.record
        secret = settings.secret.get_secret_value() if settings.secret else None
        payload, now = body(record, settings.format), time.time()
        plain = settings.format == "yuetone"
        found = headers(
            delivery_id(record, self._alerts.store.id), int(now), payload, secret if plain else None
        )
        url = signed_url(settings.url.get_secret_value(), settings.format, int(now * 1000), secret)
        try:
            # timeout_s is between two bytes; a receiver that sends one a second must not hold us for ever.
            async with asyncio.timeout(2 * settings.timeout_s):
                answer = await client.post(url, content=payload, headers=found)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError) as error:
            self._tell(type(error).__name__)
            return False, 0.0
        if accepted(settings.format, answer.status_code, answer.content):
            return True, 0.0
        self._tell(f"status {answer.status_code}")
        return False, _retry_after(answer.headers.get("retry-after"))

    def _tell(self, reason: str) -> None:
        if not self._failures:
            _log.warning("webhook fails, trying again", webhook=self._settings.name, reason=reason)


def _retry_after(value: str | None) -> float:
    """Return the s that a Retry-After header asks for, as a number or as a date (RFC 9110, 10.2.3)."""
    if not value:
        return 0.0
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
