"""``yuetone record`` hold, release, erase. Adds itself to :mod:`pipeline.cli.record`."""

from __future__ import annotations

import json
from typing import Annotated

import grpc
import typer

import client
from pipeline.cli.calls import SERVER, JsonOption, ServerOption, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.record import NO_RECORD, app
from yuetone.v1 import record_service_pb2 as pb


@app.command()
@with_identity
def hold(
    records: Annotated[list[str], typer.Argument(help="Record ids.")],
    reason: Annotated[str, typer.Option(help="Why; no names or numbers of people.")],
    server: ServerOption = SERVER,
    *,
    identity: client.Identity,
) -> None:
    """Keep calls whatever their class says, until the hold is released.

    Examples:
        yuetone record hold 3f0c… 9a1b… --reason 'case 2026/14'
    """

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).PlaceHold(
            pb.PlaceHoldRequest(record_ids=records, reason=reason)
        )
        typer.echo(answer.hold_id)

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def release(
    hold_id: Annotated[str, typer.Argument(help="From 'hold'.")],
    server: ServerOption = SERVER,
    *,
    identity: client.Identity,
) -> None:
    """End a hold.

    Examples:
        yuetone record release Zk3b9…
    """

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).ReleaseHold(pb.ReleaseHoldRequest(hold_id=hold_id))
        typer.echo(f"{answer.calls} calls released")

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def erase(
    records: Annotated[list[str], typer.Argument(help="Record ids.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    server: ServerOption = SERVER,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Erase calls and everything that was made of them. Nothing brings them back.

    Examples:
        yuetone record erase 3f0c… 9a1b…

        yuetone record erase $(yuetone record list --call-id c7 --json | jq -r '.calls[].record_id') --yes
    """
    if not yes:
        typer.confirm(f"Erase {len(records)} calls for ever?", abort=True, err=True)

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).EraseCalls(pb.EraseCallsRequest(record_ids=records))
        if as_json:
            typer.echo(json.dumps(client.as_json(answer)))
        else:
            kept = f"; {len(answer.held)} stay: held, kept by law, live, or not there" if answer.held else ""
            typer.echo(f"{len(answer.erased)} calls erased, receipt {answer.erasure_id}{kept}")
        if answer.held:
            raise typer.Exit(1)

    run_connected(server, identity, work, NO_RECORD)
