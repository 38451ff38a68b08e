"""Sending the audit log elsewhere, in order: syslog over TLS (RFC 5424, RFC 5425), or HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx2
import structlog

from pipeline.audit.feed import AuditFeed
from pipeline.metrics import Metrics
from pipeline.sections.audit import AuditReceiverSettings

POLL_S = 1.0
LONGEST_WAIT_S = 60.0
TIMEOUT_S = 10.0
_FACILITY, _NOTICE, _WARNING = 13, 5, 4
"""Log audit (RFC 5424, table 1)."""
_FAILURE = 2

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Line(Protocol):
    """A way to a receiver."""

    async def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Send events; raises OSError, httpx2.HTTPError or TimeoutError when they did not arrive."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Syslog:
    """A syslog server.

    Args:
        settings: with ``host``.
    """

    def __init__(self, settings: AuditReceiverSettings) -> None:
        self._settings = settings
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Send events; see :class:`Line`.

        Syslog answers nothing: what a line swallows as it breaks is lost. An HTTP collector loses nothing.
        """
        if self._reader is not None and self._reader.at_eof():
            await self.close()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                writer = self._writer or await self._connect()
                for event in events:
                    message = syslog_message(event)
                    writer.write(b"%d " % len(message) + message)  # RFC 5425, section 4.3
                await writer.drain()
        except (OSError, TimeoutError):
            await self.close()
            raise

    async def _connect(self) -> asyncio.StreamWriter:
        settings = self._settings
        context: ssl.SSLContext | None = None
        if settings.tls:
            authorities = None if settings.tls_ca is None else str(settings.tls_ca)
            context = ssl.create_default_context(cafile=authorities)
        self._reader, self._writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
        return self._writer

    async def close(self) -> None:
        """Close the line."""
        if self._writer is not None:
            self._writer.close()
        self._writer = self._reader = None


class Web:
    """An HTTP collector, which gets a JSON array by POST.

    Args:
        settings: with ``url``.
    """

    def __init__(self, settings: AuditReceiverSettings) -> None:
        token = settings.authorization
        headers = {"authorization": token.get_secret_value()} if token else {}
        self._url = settings.url.get_secret_value() if settings.url else ""
        self._client = httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    async def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Send events; see :class:`Line`."""
        answer = await self._client.post(self._url, json=list(events))
        answer.raise_for_status()

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


class AuditSender:
    """Sends the log to one receiver; for one event loop.

    Args:
        folder: of the log.
        settings: of the receiver.
        metrics: where failures are counted.
    """

    def __init__(self, folder: Path, settings: AuditReceiverSettings, metrics: Metrics) -> None:
        self._feed = AuditFeed(folder, settings.name)
        self._name = settings.name
        self._metrics = metrics
        self._line: Line = Syslog(settings) if settings.host else Web(settings)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit feed")

    async def run(self) -> None:
        """Send what comes, until cancelled; a receiver that is down is tried again ever more seldom."""
        wait_s = POLL_S
        try:
            while True:
                try:
                    sent = await self._step()
                    wait_s = 0.0 if sent else POLL_S
                except Exception as error:  # noqa: BLE001 (whatever a receiver or a disk does, the next try may work)
                    self._metrics.failures.labels("audit receiver").inc()
                    _log.warning("audit receiver failed", receiver=self._name, error=type(error).__name__)
                    wait_s = min(LONGEST_WAIT_S, max(POLL_S, wait_s * 2))
                await asyncio.sleep(wait_s)
        finally:
            await self._line.close()
            self._thread.shutdown(wait=False)

    async def _step(self) -> bool:
        """Send what comes next; return whether there was anything."""
        events, place = await self._in_thread(self._feed.next)
        if not events:
            return False
        try:
            await self._line.send(events)
        except BaseException:
            self._feed = AuditFeed(self._feed.folder, self._name)  # begins again at the place that is kept
            raise
        await self._in_thread(lambda: self._feed.keep(place))
        return True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def syslog_message(event: dict[str, Any], host: str | None = None, at: datetime | None = None) -> bytes:
    """Return an event as a syslog message (RFC 5424, section 6).

    Args:
        event: of OCSF, or a checkpoint.
        host: of this machine; None asks the system.
        at: when; None for the event's own time.
    """
    if at is None:
        at = datetime.fromtimestamp(event["time"] / 1000, UTC) if "time" in event else datetime.now(UTC)
    severity = _WARNING if event.get("status_id") == _FAILURE else _NOTICE
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = (
        f"<{_FACILITY * 8 + severity}>1 {stamp} {host or socket.gethostname()} yuetone {os.getpid()} audit - "
    )
    return head.encode("ascii", "replace") + json.dumps(event, sort_keys=True).encode("ascii")
