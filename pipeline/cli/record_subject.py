"""``yuetone record subject``: what is kept of one customer, for a data access request. Joins the group."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import grpc
import typer

import client
from pipeline.cli.calls import SERVER, ServerOption, TenantOption, call_scope, run_connected
from pipeline.cli.identity import with_identity
from pipeline.cli.record import NO_RECORD, app
from pipeline.cli.record_files import write_files
from pipeline.errors import SettingsError
from yuetone.v1 import record_service_pb2 as pb


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
    try:
        out.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"--out: {out} cannot be made: {error.strerror or error}") from error

    async def work(channel: grpc.aio.Channel) -> None:
        request = pb.ExportSubjectRequest(
            customer_ref=customer,
            scope=call_scope(tenant, None, None),
            received_unix_ms=None if received is None else int(received.timestamp() * 1000),
        )
        files = await write_files(aiter(client.record_stub(channel).ExportSubject(request)), out)
        told = json.loads(files[0].read_text("utf-8"))
        typer.echo(f"{len(told['calls'])} calls in {out}; answer by {told['answer_by']}")

    run_connected(server, identity, work, NO_RECORD)
