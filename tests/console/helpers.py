"""A console before a running server, and a browser before it."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from console.app import build_app
from console.settings import ConsoleSettings

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
