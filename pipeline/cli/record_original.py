"""``yuetone record original``: what was hidden of calls, for who a second person agrees with."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import grpc
import typer

import client
from pipeline.cli.calls import SERVER, JsonOption, ServerOption, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.record import NO_RECORD, RecordArgument, write_wav
from pipeline.cli.record import app as record_app
from yuetone.v1 import record_service_pb2 as pb

app = typer.Typer(
    help="What was hidden of calls: ask, let a second person agree, read. Never cards, codes or PINs.",
    no_args_is_help=True,
)
record_app.add_typer(app, name="original")
RequestArgument = Annotated[str, typer.Argument(help="Id of the request, from 'list'.")]


@app.command()
@with_identity
def ask(
    record: RecordArgument,
    reason: Annotated[str, typer.Option(help="Why; no names or numbers of people.")],
    server: ServerOption = SERVER,
    *,
    identity: client.Identity,
) -> None:
    """Ask to read what was hidden of a call.

    Examples:
        yuetone record original ask 3f0c… --reason 'case 2026/14: which address was given'
    """

    async def work(channel: grpc.aio.Channel) -> None:
        request = pb.RequestOriginalRequest(record_id=record, reason=reason)
        answer = await client.record_stub(channel).RequestOriginal(request)
        typer.echo(
            f"request {answer.original_request_id} waits for a second person: "
            f"yuetone record original agree {answer.original_request_id}"
        )

    run_connected(server, identity, work, NO_RECORD)


@app.command("list")
@with_identity
def list_requests(
    server: ServerOption = SERVER, as_json: JsonOption = False, *, identity: client.Identity
) -> None:
    """Show the requests that wait for a second person.

    Examples:
        yuetone record original list
    """

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).ListOriginalRequests(pb.ListOriginalRequestsRequest())
        if as_json:
            typer.echo(json.dumps(client.as_json(answer), ensure_ascii=False))
            return
        for one in answer.requests:
            at = _local(one.asked_at_unix_ms)
            typer.echo(f"{one.original_request_id}  {at}  {one.asked_by}  {one.record_id}  {one.reason}")
        if not answer.requests:
            typer.echo("no request waits", err=True)

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def agree(request: RequestArgument, server: ServerOption = SERVER, *, identity: client.Identity) -> None:
    """Let somebody else read what was hidden of a call, for some hours (record.original_hours).

    Examples:
        yuetone record original agree 5c1e…
    """
    _decide(request, server, identity, agreed=True)


@app.command()
@with_identity
def refuse(request: RequestArgument, server: ServerOption = SERVER, *, identity: client.Identity) -> None:
    """Refuse a request.

    Examples:
        yuetone record original refuse 5c1e…
    """
    _decide(request, server, identity, agreed=False)


def _decide(name: str, server: str, identity: client.Identity, *, agreed: bool) -> None:
    async def work(channel: grpc.aio.Channel) -> None:
        request = pb.DecideOriginalRequest(original_request_id=name, agree=agreed)
        answer = await client.record_stub(channel).DecideOriginal(request)
        if agreed:
            until = _local(answer.readable_until_unix_ms)
            typer.echo(f"{answer.asked_by} can read {answer.record_id} until {until}")
        else:
            typer.echo("refused")

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def show(
    record: RecordArgument,
    server: ServerOption = SERVER,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Show what was said in a call, with what was hidden.

    Examples:
        yuetone record original show 3f0c…
    """

    async def work(channel: grpc.aio.Channel) -> None:
        pieces = client.record_stub(channel).GetOriginal(pb.GetOriginalRequest(record_id=record))
        async for piece in pieces:
            if as_json:
                typer.echo(json.dumps(client.as_json(piece), ensure_ascii=False))
            elif piece.event.HasField("transcript"):
                said = piece.event.transcript
                at = said.start_ms // 1000
                typer.echo(f"[{at // 60}:{at % 60:02d}] {client.role_name(said.role)}  {said.text}")

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def play(
    record: RecordArgument,
    out: Annotated[Path, typer.Option("--out", help="WAV file to write; - writes it to standard output.")],
    server: ServerOption = SERVER,
    *,
    identity: client.Identity,
) -> None:
    """Write the sound of a call as WAV, with what was silenced.

    Examples:
        yuetone record original play 3f0c… --out call.wav
    """

    async def work(channel: grpc.aio.Channel) -> None:
        pieces = client.record_stub(channel).StreamOriginal(pb.StreamRecordingRequest(record_id=record))
        seconds = await write_wav(aiter(pieces), out)
        typer.echo(f"{seconds:.1f} s", err=True)

    run_connected(server, identity, work, NO_RECORD)


def _local(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
