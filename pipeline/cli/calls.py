"""``yuetone calls``: the live calls of a server at a glance."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any, NoReturn

import grpc
import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

import client
from pipeline.cli.identity import with_identity
from yuetone.v1 import assist_pb2, overview_service_pb2

app = typer.Typer(help="See the live calls of a server.", no_args_is_help=True)
ServerOption = Annotated[str, typer.Option(help="host:port of a running server.")]
TenantOption = Annotated[str | None, typer.Option(help="Only this company.")]
QueueOption = Annotated[list[str] | None, typer.Option(help="Only this hotline; may be given many times.")]
TeamOption = Annotated[list[str] | None, typer.Option(help="Only this team; may be given many times.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a message on stdout.")]
SERVER = "127.0.0.1:50051"
_PHASES = {
    overview_service_pb2.CallOverview.PHASE_TALKING: "talking",
    overview_service_pb2.CallOverview.PHASE_HOLD: "hold",
    overview_service_pb2.CallOverview.PHASE_LOST: "lost",
    overview_service_pb2.CallOverview.PHASE_ENDED: "ended",
}


def call_scope(
    tenant: str | None, queue: list[str] | None, team: list[str] | None, agent: list[str] | None = None
) -> overview_service_pb2.CallScope:
    """Return which calls are asked for; what is left out does not restrict."""
    return overview_service_pb2.CallScope(
        tenant=tenant, queues=queue or [], teams=team or [], agent_ids=agent or []
    )


@app.command("list")
@with_identity
def list_calls(
    server: ServerOption = SERVER,
    tenant: TenantOption = None,
    queue: QueueOption = None,
    team: TeamOption = None,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Show the live calls of a server once.

    Examples:
        yuetone calls list --server asr.example:50051

        yuetone calls list --queue billing --json | jq '.calls[].call_id'
    """
    request = overview_service_pb2.ListCallsRequest(scope=call_scope(tenant, queue, team))

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.overview_stub(channel).ListCalls(request)
        if as_json:
            typer.echo(json.dumps(client.as_json(answer), ensure_ascii=False))
        else:
            Console().print(_table(list(answer.calls), answer.at_unix_ms / 1000))

    run_connected(server, identity, work)


@app.command()
@with_identity
def watch(
    server: ServerOption = SERVER,
    tenant: TenantOption = None,
    queue: QueueOption = None,
    team: TeamOption = None,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Follow the live calls of a server until interrupted; lines that break are mended.

    Examples:
        yuetone calls watch --server asr.example:50051

        yuetone calls watch --team cards --json
    """
    request = overview_service_pb2.WatchCallsRequest(scope=call_scope(tenant, queue, team))

    async def work(channel: grpc.aio.Channel) -> None:
        messages = client.watch_calls(channel, request, lost=_lost)
        await (_print(messages) if as_json else _show(messages))

    run_connected(server, identity, work)


async def _print(messages: AsyncIterator[overview_service_pb2.WatchCallsResponse]) -> None:
    async for message in messages:
        sys.stdout.write(json.dumps(client.as_json(message), ensure_ascii=False) + "\n")
        sys.stdout.flush()


async def _show(messages: AsyncIterator[overview_service_pb2.WatchCallsResponse]) -> None:
    rows: dict[str, overview_service_pb2.CallOverview] = {}
    with Live(_table([], time.time()), console=Console(), auto_refresh=False) as live:
        async for message in messages:
            _merge(rows, message)
            live.update(_table(list(rows.values()), message.at_unix_ms / 1000), refresh=True)


def _merge(
    rows: dict[str, overview_service_pb2.CallOverview], message: overview_service_pb2.WatchCallsResponse
) -> None:
    """Take a message into the rows that are shown; a call that has ended goes."""
    if message.snapshot:
        rows.clear()
    for row in message.calls:
        rows[row.call_id] = row
        if row.phase == row.PHASE_ENDED:
            del rows[row.call_id]


def _table(rows: list[overview_service_pb2.CallOverview], now: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("call", "since", "phase", "queue", "team", "agent", "finals", "agitation", "alerts"):
        table.add_column(heading, overflow="fold")
    for row in sorted(rows, key=lambda row: row.started_at_unix_ms):
        seconds = max(0, int(now - row.started_at_unix_ms / 1000))
        worst = assist_pb2.Alert.Severity.Name(row.worst_alert).removeprefix("SEVERITY_").lower()
        table.add_row(
            escape(row.call_id),
            f"{seconds // 60}:{seconds % 60:02d}",
            _PHASES.get(row.phase, "") + (" (late)" if row.overloaded else ""),
            *map(escape, (row.queue, row.team, row.agent_id)),
            str(row.utterances),
            f"{row.agitation:.0%}" if row.HasField("agitation") else "",
            f"{row.open_alerts} {worst}" if row.open_alerts else "",
        )
    return table


def _lost(reason: str) -> None:
    typer.secho(f"yuetone: {reason}; trying again", err=True, fg=typer.colors.YELLOW)


def run_connected(
    server: str,
    identity: client.Identity,
    work: Callable[[grpc.aio.Channel], Coroutine[Any, Any, None]],
    missing: str = "the server is of an older release",
) -> NoReturn:
    """Run ``work`` with a channel until it ends or is interrupted, and end with its exit status.

    Args:
        server: host:port.
        identity: who we are.
        work: what to do.
        missing: what it means when the server does not have the service.
    """
    sys.exit(asyncio.run(_connected(server, identity, work, missing)))


async def _connected(
    server: str,
    identity: client.Identity,
    work: Callable[[grpc.aio.Channel], Coroutine[Any, Any, None]],
    missing: str,
) -> int:
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task.cancel() if task else None)
    try:
        async with client.connected(server, identity) as channel:
            await work(channel)
    except asyncio.CancelledError:
        return 130
    except grpc.aio.AioRpcError as error:
        reason = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            reason = missing
        typer.secho(f"yuetone: {reason}", err=True, fg=typer.colors.RED)
        return 1
    return 0
