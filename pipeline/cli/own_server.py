"""A server of a command's own, for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.rpc.server import Server, serve
from pipeline.sections.audit import AuditSettings

START_S = 60.0


def own_settings(settings: Settings) -> Settings:
    """Return settings with which a command's own server meets nothing of another one's.

    Neither its ports, nor its alerts: a recording that is played again must not call anybody. Nor is what it
    asks a question of a customer.
    """
    own = {"port": 0, "metrics_port": None, "host": "127.0.0.1", "tls_certificate": None, "tls_key": None}
    server = settings.server.model_copy(update={**own, "tls_client_ca": None, "shutdown_grace_s": 0.0})
    return settings.model_copy(
        update={
            "server": server,
            "alerts": settings.alerts.model_copy(update={"store": None, "webhooks": ()}),
            "suggest": settings.suggest.model_copy(update={"record": False}),
            "audit": AuditSettings(enabled="off"),  # only this command reaches it
        }
    )


@asynccontextmanager
async def own_server(address: str | None, settings: Settings) -> AsyncIterator[str]:
    """Yield the address of a server that runs, or start one and stop it afterwards."""
    if address:
        yield address
        return
    loop = asyncio.get_running_loop()
    listening: asyncio.Future[Server] = loop.create_future()
    work = serve(settings, ready=listening.set_result, signals=False, private=True)
    task = asyncio.create_task(work, name="server")
    try:
        waiting: list[asyncio.Future[Any]] = [task, listening]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=START_S)
        if not listening.done():
            await task
            raise SettingsError("the server did not start")
        yield f"127.0.0.1:{listening.result().port}"
    finally:
        if listening.done():
            listening.result().stop()
        await asyncio.gather(task, return_exceptions=True)
