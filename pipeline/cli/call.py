"""``yuetone call`` and ``yuetone demo``: a recording as a live call."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.console import Console

import client
from client.conversation import ROLES
from pipeline import leftovers
from pipeline.cli.demo_desk import demo_desk
from pipeline.cli.identity import with_identity
from pipeline.cli.logs import configure_logs
from pipeline.cli.own_server import own_server, own_settings
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.serve import ConfigOption, flags
from pipeline.cli.view import CallView, summary
from pipeline.config import LogSettings, Settings, load_settings
from pipeline.errors import SettingsError

DEMO_CALL = Path(__file__).parents[1] / "demo" / "call.wav"
DEMO = "demo"
DEMO_KNOWLEDGE = DEMO_CALL.with_name("knowledge.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a call goes: a running server, or one of our own."""

    address: str | None
    identity: client.Identity
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A recording that is played as a call."""

    recording: client.CallAudio
    options: client.CallOptions
    speed: float
    chunk_ms: int = 60
    title: str


@with_identity
def call_command(
    file: Annotated[
        Path, typer.Argument(help="WAV of any coding, FLAC, OGG, MP3, M4A, AMR …; one or two channels.")
    ],
    server: Annotated[
        str | None, typer.Option(help="host:port of a running server; else one is started.")
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(help="Who is on each channel [default: customer,agent; unknown for one channel]."),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, help="1 is real time; 0 as fast as the server accepts.")
    ] = 1.0,
    chunk_ms: Annotated[int, typer.Option(min=10, max=5000, help="Audio in one message.")] = 60,
    language: Annotated[str | None, typer.Option(help="BCP 47 hint, such as yue.")] = None,
    profile: Annotated[str | None, typer.Option(help="Settings profile of the server.")] = None,
    hotword: Annotated[list[str] | None, typer.Option(help="A likely word; may be given many times.")] = None,
    call_id: Annotated[str | None, typer.Option(help="Id of the call; random when not given.")] = None,
    queue: Annotated[str | None, typer.Option(help="Hotline on which it came in.")] = None,
    agent: Annotated[str | None, typer.Option(help="Id of the agent who answers.")] = None,
    team: Annotated[str | None, typer.Option(help="Team of the agent.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per server message on stdout.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Recogniser of the server that is started.")] = None,
    raw: RawOption = None,
    config: ConfigOption = None,
    *,
    identity: client.Identity,
) -> None:
    """Stream a recording as a call, over real gRPC, and show the transcript.

    Examples:
        yuetone call recording.wav

        yuetone call mixed-down.wav --roles unknown

        yuetone call recording.raw --raw ulaw,8000,2

        yuetone call recording.wav --server asr.example:50051 --roles agent,customer

        yuetone call recording.wav --speed 0 --json | jq -r 'select(.transcript.is_final).transcript.text'
    """
    names = tuple(role.strip() for role in roles.split(",")) if roles else ()
    if unknown := [name for name in names if name not in ROLES]:
        raise SettingsError(
            f"--roles: no role {unknown[0]!r}; use customer, agent or unknown, split by commas"
        )
    recording = client.read_audio(file, raw_of(raw))
    for remark in recording.remarks:
        typer.secho(f"{file.name}: {remark}", err=True, fg=typer.colors.YELLOW)
    names = names or (("customer", "agent") if recording.format.channels > 1 else ("unknown",))
    options = client.CallOptions(
        call_id=call_id or f"call-{uuid.uuid4().hex[:12]}",
        roles=names,
        language=language,
        profile=profile,
        hotwords=hotword or (),
        queue=queue,
        agent_id=agent,
        team=team,
    )
    title = f"{file.name}, {recording.seconds:.0f} s"
    played = Played(recording=recording, options=options, speed=speed, chunk_ms=chunk_ms, title=title)
    settings = load_settings(config, flags(asr={"model": model}))
    target = Target(address=server, identity=identity if server else client.Identity(), settings=settings)
    sys.exit(_run(target, played, as_json=as_json))


def demo_command(
    speed: Annotated[float, typer.Option(min=0, help="1 is real time; 0 as fast as possible.")] = 1.0,
    server: Annotated[
        str | None, typer.Option(help="host:port of a running server; else one is started.")
    ] = None,
    desk: Annotated[
        bool, typer.Option("--desk", help="Show it on the agent's desk and the wall, in the browser.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the desk; 0 takes a free one.")
    ] = 8080,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether --desk opens the browser.")
    ] = True,
) -> None:
    """Play the bundled two-party call and watch it being transcribed.

    The voices are a man's recorded syllables, 8 kHz µ-law, customer and agent on a channel each.

    Examples:
        yuetone demo

        yuetone demo --speed 0

        yuetone demo --desk
    """
    recording = client.read_audio(DEMO_CALL)
    options = client.CallOptions(call_id=f"demo-{uuid.uuid4().hex[:8]}", roles=("customer", "agent"))
    title = f"Yuetone demo: a call of {recording.seconds:.0f} s, made of recorded syllables, both sides, live"
    played = Played(recording=recording, options=options, speed=speed, title=title)
    with demo_knowledge() as store:
        if desk:
            configure_logs(LogSettings(level="warning"))
            demo_desk(recording, store, port=port, speed=speed, show=open_browser)
            return
        settings = load_settings(flags={"suggest": {"store": str(store)}})
        target = Target(address=server, identity=client.Identity(), settings=settings)
        status = _run(target, played, as_json=False)
    sys.exit(status)


@contextmanager
def demo_knowledge() -> Iterator[Path]:
    """Yield a store with the bundled knowledge base, for as long as it is needed."""
    from suggest.reading.tables import read_table  # noqa: PLC0415 (keeps --help fast)
    from suggest.store.knowledge import KnowledgeStore  # noqa: PLC0415

    leftovers.sweep(DEMO)
    with tempfile.TemporaryDirectory(prefix=leftovers.prefix(DEMO)) as folder:
        path = Path(folder) / "knowledge.db"
        store = KnowledgeStore(str(path))
        store.write(read_table(DEMO_KNOWLEDGE).articles)
        store.close()
        yield path


def _run(target: Target, played: Played, *, as_json: bool) -> int:
    configure_logs(LogSettings(level="warning"))
    settings = own_settings(target.settings)
    return asyncio.run(_call(target, settings, played, as_json=as_json))


async def _call(target: Target, settings: Settings, played: Played, *, as_json: bool) -> int:
    """Run one call to its end; return the exit status."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)
    try:
        async with (
            own_server(target.address, settings) as address,
            client.connected(address, target.identity) as channel,
        ):
            return await _follow(channel, played, target, as_json=as_json)
    except asyncio.CancelledError:
        typer.echo("stopped", err=True)
        return 130
    except grpc.aio.AioRpcError as error:
        typer.secho(f"yuetone: {error.details() or error.code().name}", err=True, fg=typer.colors.RED)
        return 1


async def _follow(channel: grpc.aio.Channel, played: Played, target: Target, *, as_json: bool) -> int:
    meter, failed, processor = client.LatencyMeter(), False, time.process_time()
    call = client.CallStream(channel, played.options, played.recording.format)
    messages = client.stream_recording(
        call, played.recording, speed=played.speed, chunk_ms=played.chunk_ms, meter=meter
    )
    if as_json:
        async for message in messages:
            sys.stdout.write(json.dumps(client.as_json(message), ensure_ascii=False) + "\n")
            sys.stdout.flush()
            failed |= message.HasField("error")
        return int(failed)
    console = Console()
    with CallView(console, played.title) as view:
        async for message in messages:
            view.take(message, call.origin_ms)
            failed |= message.HasField("error")
    own = time.process_time() - processor if target.address is None else None
    console.print(summary(view, meter, cpu_seconds=own, paced=played.speed > 0))
    return int(failed)
