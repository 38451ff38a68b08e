"""``yuetone record``: calls of the past, over a running server."""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import grpc
import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import client
from pipeline.audio.codecs import decoded
from pipeline.calls.info import Codec
from pipeline.cli.calls import (
    SERVER,
    JsonOption,
    QueueOption,
    ServerOption,
    TeamOption,
    TenantOption,
    call_scope,
    run_connected,
)
from pipeline.cli.identity import with_identity
from pipeline.cli.record_files import Format, write_files
from pipeline.errors import SettingsError
from yuetone.v1 import record_service_pb2 as pb

app = typer.Typer(help="Recorded calls: find, read, hear, export, hold and erase them.", no_args_is_help=True)
WIDE = 400
NO_RECORD = "the server keeps no record (record.enabled)"
RecordArgument = Annotated[str, typer.Argument(help="Record id, from 'list' or 'search'.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option(help="Calls that began then or later, local time: 2026-11-01 or with a time."),
]
UntilOption = Annotated[datetime | None, typer.Option(help="Calls that began before then.")]
_STATES = {
    pb.RecordedCall.STATE_LIVE: "live",
    pb.RecordedCall.STATE_CLOSED: "",
    pb.RecordedCall.STATE_INTERRUPTED: "interrupted",
}


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


AgentOption = Annotated[list[str] | None, typer.Option(help="Only this agent; may be given many times.")]


AlertsOption = Annotated[
    bool | None, typer.Option("--alerts/--no-alerts", help="Only calls with, or without alerts.")
]
AgitationOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Only calls whose agitation rose above this.")
]
TopicOption = Annotated[
    list[str] | None, typer.Option(help="Only calls whose wrap-up has this topic; may be given many times.")
]


def _filter(
    alerts: bool | None, agitation_above: float | None, topics: list[str] | None
) -> pb.RecordedCallFilter:
    return pb.RecordedCallFilter(alerts=alerts, agitation_above=agitation_above, topics=topics or [])


@app.command("list")
@with_identity
def list_calls(
    server: ServerOption = SERVER,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    queue: QueueOption = None,
    team: TeamOption = None,
    agent: AgentOption = None,
    call_id: Annotated[str | None, typer.Option(help="Only calls with this id.")] = None,
    alerts: AlertsOption = None,
    agitation_above: AgitationOption = None,
    topic: TopicOption = None,
    last: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Show recorded calls, the newest first.

    Examples:
        yuetone record list --queue billing --since 2026-11-01

        yuetone record list --agent a7 --json | jq -r '.calls[].record_id'
    """
    request = pb.ListRecordedCallsRequest(
        scope=call_scope(tenant, queue, team, agent),
        since_unix_ms=_ms(since),
        until_unix_ms=_ms(until),
        call_id=call_id,
        limit=last,
        filter=_filter(alerts, agitation_above, topic),
    )

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).ListCalls(request)
        if as_json:
            typer.echo(json.dumps(client.as_json(answer), ensure_ascii=False))
        else:
            _console().print(_table(answer.calls))

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
    """Show what was said in a call.

    Examples:
        yuetone record show 3f0c…

        yuetone record show 3f0c… --json > call.json
    """

    async def work(channel: grpc.aio.Channel) -> None:
        if as_json:
            await _print_export(channel, record, Format.JSON)
            return
        pieces = client.record_stub(channel).GetCall(pb.GetRecordedCallRequest(record_id=record))
        head = await anext(aiter(pieces))
        pieces.cancel()
        _console().print(_table([head.call]))
        await _print_export(channel, record, Format.TXT)

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def summary(
    record: RecordArgument,
    server: ServerOption = SERVER,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Show what a call was about and what was promised in it, in sentences that were said.

    Examples:
        yuetone record summary 3f0c…
    """

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).GetSummary(pb.GetSummaryRequest(record_id=record))
        if as_json:
            typer.echo(json.dumps(client.as_json(answer), ensure_ascii=False))
            return
        typer.echo(f"code        {answer.code or '-'}")
        for title, sentences in (("about", answer.about), ("next steps", answer.next_steps)):
            for sentence in sentences:
                at = sentence.start_ms // 1000
                typer.echo(f"{title:<12}[{at // 60}:{at % 60:02d}] {sentence.text}")
        for worded in answer.wording:
            typer.echo(f"model       {worded.text}")
        for article in answer.articles:
            typer.echo(f"article     {article.article_id} {article.title} ({article.confidence:.0%})")
        for rule in answer.alerts:
            typer.echo(f"alert       {rule}")

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def search(
    query: Annotated[str, typer.Argument(help="What was said, in one piece; two characters are enough.")],
    server: ServerOption = SERVER,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    queue: QueueOption = None,
    team: TeamOption = None,
    agent: AgentOption = None,
    role: Annotated[str | None, typer.Option(help="Said by the customer, or by the agent.")] = None,
    alerts: AlertsOption = None,
    agitation_above: AgitationOption = None,
    topic: TopicOption = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    as_json: JsonOption = False,
    *,
    identity: client.Identity,
) -> None:
    """Find what was said, in all calls that you may see, those of the newest calls first.

    Examples:
        yuetone record search 投訴 --since 2026-11-01

        yuetone record search 漫遊收費 --role customer --queue billing --json
    """
    if role not in (None, "customer", "agent"):
        raise SettingsError("--role is customer or agent")
    request = pb.SearchRecordedCallsRequest(
        query=query,
        scope=call_scope(tenant, queue, team, agent),
        role=client.ROLES[role or "unknown"],
        since_unix_ms=_ms(since),
        until_unix_ms=_ms(until),
        limit=limit,
        filter=_filter(alerts, agitation_above, topic),
    )

    async def work(channel: grpc.aio.Channel) -> None:
        answer = await client.record_stub(channel).SearchCalls(request)
        if as_json:
            typer.echo(json.dumps(client.as_json(answer), ensure_ascii=False))
            return
        console = Console(highlight=False)
        for hit in answer.hits:
            at = hit.transcript.start_ms // 1000
            who = client.role_name(hit.transcript.role)
            text = escape(hit.transcript.text).replace(escape(query), f"[bold]{escape(query)}[/bold]")
            console.print(
                f"{hit.call.record_id} {_local(hit.call.started_at_unix_ms)} {at // 60}:{at % 60:02d} {who}"
            )
            console.print(f"    {text}")
        if not answer.hits:
            typer.echo("nothing found", err=True)

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def play(
    record: RecordArgument,
    out: Annotated[Path, typer.Option("--out", help="WAV file to write; - writes it to standard output.")],
    server: ServerOption = SERVER,
    channel: Annotated[int | None, typer.Option(min=0, help="Only this channel.")] = None,
    from_s: Annotated[float, typer.Option(min=0, help="From this second of the call.")] = 0.0,
    *,
    identity: client.Identity,
) -> None:
    """Write the sound of a call as WAV. What was hidden of the words is silent.

    Examples:
        yuetone record play 3f0c… --out call.wav

        yuetone record play 3f0c… --from-s 61 --out - | ffplay -
    """
    request = pb.StreamRecordingRequest(record_id=record, channel=channel, from_ms=int(from_s * 1000))

    async def work(line: grpc.aio.Channel) -> None:
        pieces = client.record_stub(line).StreamRecording(request)
        seconds = await write_wav(aiter(pieces), out)
        typer.echo(f"{seconds:.1f} s", err=True)

    run_connected(server, identity, work, NO_RECORD)


@app.command()
@with_identity
def export(
    record: RecordArgument,
    form: Annotated[Format, typer.Option("--format", help="Form of the file.")] = Format.TXT,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; standard output when left out.")
    ] = None,
    server: ServerOption = SERVER,
    *,
    identity: client.Identity,
) -> None:
    """Write what was said in a call, for people or for other programs.

    Examples:
        yuetone record export 3f0c… --format srt > call.srt

        yuetone record export 3f0c… --format vcon | jq .parties

        yuetone record export 3f0c… --format docx --out call.docx
    """

    async def work(channel: grpc.aio.Channel) -> None:
        if out is None:
            await _print_export(channel, record, form)
        else:
            await write_files(_export(channel, record, form), out.parent, out.name)

    run_connected(server, identity, work, NO_RECORD)


def _export(channel: grpc.aio.Channel, record: str, form: Format) -> AsyncIterator[pb.ExportedPiece]:
    request = pb.ExportCallRequest(record_id=record, format=form.number)
    return aiter(client.record_stub(channel).ExportCall(request))


async def _print_export(channel: grpc.aio.Channel, record: str, form: Format) -> None:
    async for piece in _export(channel, record, form):
        sys.stdout.buffer.write(piece.data)
    sys.stdout.buffer.flush()


async def write_wav(pieces: AsyncIterator[pb.StreamRecordingResponse], out: Path) -> float:
    """Write pieces of sound as 16-bit WAV; return how many seconds.

    Raises:
        SettingsError: the file cannot be written.
    """
    first = await anext(pieces, None)
    if first is None:
        raise SettingsError("the sound of this call is not kept")
    try:
        target: BinaryIO = sys.stdout.buffer if str(out) == "-" else out.open("wb")
        with target, wave.open(target, "wb") as file:
            file.setnchannels(first.channels)
            file.setsampwidth(2)
            file.setframerate(first.sample_rate_hz)
            frames = _written(file, first)
            async for piece in pieces:
                frames += _written(file, piece)
    except OSError as error:
        raise SettingsError(f"{out} cannot be written: {error.strerror or error}") from error
    return frames / first.sample_rate_hz


def _written(file: wave.Wave_write, piece: pb.StreamRecordingResponse) -> int:
    pcm = decoded(piece.data, Codec.MULAW)
    file.writeframesraw((pcm * 32767).astype(np.int16).tobytes())
    return len(pcm) // piece.channels


def _local(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _console() -> Console:
    """Return where tables are printed; what is no terminal has room for whole lines."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def _table(calls: Iterable[pb.RecordedCall]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, width in (
        ("record", 16),
        ("began", 16),
        ("length", 6),
        ("said", 4),
        ("alerts", 6),
        ("until", 10),
    ):
        table.add_column(heading, no_wrap=True, min_width=width)
    table.add_column("call, queue, agent, class", overflow="ellipsis", no_wrap=True)
    for call in calls:
        ended = call.ended_at_unix_ms if call.HasField("ended_at_unix_ms") else 0
        lasted = call.audio_ms or max(0, ended - call.started_at_unix_ms)
        seconds = lasted // 1000
        state, lost = _STATES.get(call.state, ""), f"{call.lost} lost" if call.lost else ""
        about = (call.call_id, call.queue, call.agent_id, call.retention_class)
        table.add_row(
            call.record_id,
            _local(call.started_at_unix_ms),
            f"{seconds // 60}:{seconds % 60:02d}",
            str(call.utterances),
            str(call.alerts) if call.alerts else "",
            "held" if call.held else _local(call.expires_at_unix_ms)[:10] if call.expires_at_unix_ms else "",
            escape(", ".join(filter(None, (state, lost, *about)))),
        )
    return table
