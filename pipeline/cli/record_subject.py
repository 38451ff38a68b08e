"""``yuetone record subject``: what is kept of one customer, for a data access request. Joins the group."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import grpc
import typer

import client
from pipeline.cli.calls import SERVER, ServerOption, TenantOption, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.record import NO_RECORD, app, read_call, write_wav
from pipeline.cli.record_export import Format, exported
from pipeline.errors import SettingsError
from yuetone.v1 import overview_service_pb2
from yuetone.v1 import record_service_pb2 as pb

DAYS = 40
"""Time to comply with a request, days from its receipt (Personal Data (Privacy) Ordinance, s. 19)."""
MOST = 1_000


@app.command()
@with_identity
def subject(
    customer: Annotated[str, typer.Argument(help="The customer, as in StartCall.customer_ref.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into; new.")],
    received: Annotated[
        datetime | None, typer.Option(help="Day on which the request came; today when left out.")
    ] = None,
    server: ServerOption = SERVER,
    tenant: TenantOption = None,
    *,
    identity: client.Identity,
) -> None:
    """Write what is kept of one customer into a folder, for a data access request: texts, sound, an index.

    Agents' ids are left out; what was hidden of the calls is hidden here too. Prove who asks before you hand
    it out (PDPO s. 20), and write a refusal into your log book (s. 27): every call that is read here is in
    the audit log of the server.

    Examples:
        yuetone record subject C-100234 --out dar-2026-114 --received 2026-11-20
    """
    day = (received or datetime.now()).date()
    try:
        out.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"--out: {out} cannot be made: {error.strerror or error}") from error

    async def work(channel: grpc.aio.Channel) -> None:
        scope = overview_service_pb2.CallScope(tenant=tenant)
        request = pb.ListRecordedCallsRequest(customer_ref=customer, scope=scope, limit=MOST)
        calls = (await client.record_stub(channel).ListCalls(request)).calls
        for call in calls:
            await _written(channel, call.record_id, out)
        due = day + timedelta(days=DAYS)
        (out / "index.json").write_text(_index(calls, day, due), "utf-8")
        typer.echo(f"{len(calls)} calls in {out}; answer by {due:%Y-%m-%d}")

    run_connected(server, identity, work, NO_RECORD)


async def _written(channel: grpc.aio.Channel, record: str, out: Path) -> None:
    """Write the text and the sound of a call."""
    call, said = await read_call(channel, record)
    call.ClearField("agent_id")
    call.ClearField("team")
    for form in (Format.TXT, Format.VCON):
        (out / f"{record}.{form.value}").write_text(exported(call, said, form), "utf-8")
    if call.with_sound and call.audio_ms:
        pieces = client.record_stub(channel).StreamRecording(pb.StreamRecordingRequest(record_id=record))
        await write_wav(aiter(pieces), out / f"{record}.wav")


def _index(calls: Iterable[pb.RecordedCall], received: date, due: date) -> str:
    rows = [
        {
            "record": call.record_id,
            "began": datetime.fromtimestamp(call.started_at_unix_ms / 1000, UTC).isoformat(),
            "kept_until": datetime.fromtimestamp(call.expires_at_unix_ms / 1000, UTC).isoformat(),
            "class": call.retention_class,
            "notice_given": call.notice_given,
        }
        for call in calls
    ]
    told = {"received": received.isoformat(), "answer_by": due.isoformat(), "calls": rows}
    return json.dumps(told, indent=1) + "\n"
