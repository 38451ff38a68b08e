"""``yuetone demo --desk``: the bundled call on the agent's desk and the supervisor's wall, in the browser."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
import webbrowser
from pathlib import Path
from typing import Any

import typer

import client
from pipeline import leftovers
from pipeline.cli.console import listening_socket, web_server
from pipeline.cli.own_server import own_server, own_settings
from pipeline.config import Settings, load_settings
from pipeline.record.master_keys import new_line

DEMO = "demo-desk"
LEAD_S = 4.0
"""Time for the browser to show the desk before anybody speaks, s."""
CALL = {"queue": "帳單熱線", "agent_id": "A016", "team": "demo"}


def demo_desk(recording: client.CallAudio, knowledge: Path, *, port: int, speed: float, show: bool) -> None:
    """Serve a desk before a server of its own, and play a call into it; until interrupted.

    Args:
        recording: the call.
        knowledge: store of the knowledge base.
        port: of the console; 0 takes a free one.
        speed: 1 is real time.
        show: open the browser.
    """
    leftovers.sweep(DEMO)
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix(DEMO)) as folder:
        asyncio.run(_served(recording, _settings(Path(folder), knowledge), port, speed, show=show))


def _settings(folder: Path, knowledge: Path) -> Settings:
    """Return settings of a server that keeps calls while this runs, under a key that nobody else has."""
    chosen = load_settings(
        flags={
            "suggest": {"store": str(knowledge)},
            "record": {
                "enabled": True,
                "folder": folder / "record",
                "keys": str(folder / "keys" / "keys.db"),
                "key": new_line("demo"),
                "classes": {"demo": {"keep_days": 1}},
            },
            "profiles": {"default": {"record": {"retention": "demo"}}},
        }
    )
    own = own_settings(chosen)
    alerts = own.alerts.model_copy(update={"store": folder / "alerts.db"})
    return own.model_copy(update={"alerts": alerts})


async def _served(
    recording: client.CallAudio, settings: Settings, port: int, speed: float, *, show: bool
) -> None:
    from console.settings import ConsoleSettings  # noqa: PLC0415 (loads the web server)

    listening = listening_socket("127.0.0.1", port)
    async with own_server(None, settings) as address:
        own = listening.getsockname()[1]
        server = web_server(ConsoleSettings(server=address, port=own), port=own)
        name = f"demo-{uuid.uuid4().hex[:8]}"
        page = f"http://127.0.0.1:{own}/desk?call={name}"
        typer.echo(f"the agent's desk:      {page}\nthe supervisor's wall: http://127.0.0.1:{own}/wall")
        typer.echo("Ctrl-C ends it; nothing of the call is kept then")
        if show:
            webbrowser.open(page)
        call = asyncio.create_task(_play(address, recording, name, speed), name="demo call")
        try:
            await server.serve(sockets=[listening])
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)


async def _play(address: str, recording: client.CallAudio, name: str, speed: float) -> None:
    """Play the call, once somebody can have seen the desk."""
    await asyncio.sleep(LEAD_S if speed else 0)
    options: dict[str, Any] = {"call_id": name, "roles": ("customer", "agent"), **CALL}
    async with client.connected(address) as channel:
        call = client.CallStream(channel, client.CallOptions(**options), recording.format)
        async for _message in client.stream_recording(call, recording, speed=speed):
            pass
    typer.echo("the call has ended; its wrap-up and its record stay until Ctrl-C")
