"""A console before a running server, and a browser before it."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from console.app import build_app
from console.settings import ConsoleSettings
from tests.fakes.engines import SayingEngine
from tests.integration.helpers import Running, chunks, demo_bytes, end, kept, running, settings, start, talk
from tests.record.helpers import profile, section

SAID = "我要投訴<img src=x onerror=alert(1)>你哋間公司"
CHROMIUM = os.environ.get("YUETONE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@asynccontextmanager
async def consoling(port: int, **more: Any) -> AsyncIterator[str]:
    """Serve a console before the server on a port; yield its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    own = listening.getsockname()[1]
    chosen = ConsoleSettings(server=f"127.0.0.1:{port}", port=own, **more)
    config = uvicorn.Config(
        build_app(chosen), log_level="error", access_log=False, proxy_headers=False, ws="websockets-sansio"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="console")
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        server.should_exit = True
        await task


def packed(data: bytes) -> int:
    """Return how many bytes go over the line."""
    return len(gzip.compress(data))


@asynccontextmanager
async def recorded(folder: Path) -> AsyncIterator[Running]:
    """Run a server that asks nobody and has one recorded call."""
    chosen = settings(
        record=section(folder),
        profiles=profile(),
        alerts={"store": str(folder / "alerts.db")},
        suggest={"store": str(folder / "kb.db")},
    )
    async with running(chosen, SayingEngine(SAID)) as run:
        await talk(run, [start("c1", queue="<b>billing", agent_id="a7"), *chunks(demo_bytes(9)), end()])
        await kept(run)
        yield run


def origin(base: str) -> dict[str, str]:
    return {"origin": base, "sec-fetch-site": "same-origin"}


async def post(web: httpx2.AsyncClient, base: str, name: str, **fields: Any) -> httpx2.Response:
    return await web.post(f"{base}/api/{name}", json=fields, headers=origin(base))
