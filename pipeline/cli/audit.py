"""``yuetone audit``: read, verify, prove and export the log of who did what."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from pipeline.audit.checkpoint import Signer, Verifier, proof_text
from pipeline.audit.log import KEY, AuditLog, begin_of, lines_of, segments
from pipeline.audit.merkle import inclusion_proof, leaf_hash
from pipeline.audit.ocsf import ocsf_of
from pipeline.audit.verify import notes_in, verify
from pipeline.cli.serve import ConfigOption
from pipeline.config import load_settings
from pipeline.errors import SettingsError
from pipeline.sections.audit import AuditSettings

app = typer.Typer(help="Who did what: read, verify, prove and export the audit log.", no_args_is_help=True)
FolderOption = Annotated[Path | None, typer.Option(help="Folder of the log; else audit.folder.")]
_KEYS = {"n", "at", "tenant", "actor", "peer", "action", "target", "scope", "outcome", "reason", "detail"}


def _settings(folder: Path | None, config: Path | None) -> AuditSettings:
    """Return the settings of the log that is meant; raises SettingsError where there is none."""
    audit = load_settings(config).audit
    found = (folder or audit.folder).expanduser()
    if not segments(found):
        raise SettingsError(f"no audit log in {found}")
    return audit.model_copy(update={"folder": found})


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for segment in segments(folder):
        for number, line in enumerate(lines_of(segment)):
            try:
                record = json.loads(line)
                if not isinstance(record, dict) or not record.keys() >= _KEYS:
                    raise ValueError("no record")  # noqa: TRY301 (one message for both)
                yield record
            except (ValueError, RecursionError):
                raise SettingsError(
                    f"line {number + 1} of {segment.name} cannot be read; see 'yuetone audit verify'"
                ) from None


@app.command("list")
def list_records(
    folder: FolderOption = None,
    tenant: Annotated[str | None, typer.Option(help="Only this company.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only this principal.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as call.watch.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    last: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show records, the oldest first.

    Examples:
        yuetone audit list --refused

        yuetone audit list --actor oidc:staff:8f14e45f --json --last 1000
    """
    wanted = [
        record
        for record in _records(_settings(folder, config).folder)
        if (tenant is None or record["tenant"] == tenant)
        and (actor is None or record["actor"]["id"] == actor)
        and (action is None or record["action"] == action)
        and (not refused or record["outcome"] == "refused")
    ][-last:]
    if as_json:
        for record in wanted:
            typer.echo(json.dumps(record, sort_keys=True))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("n", "at", "company", "who", "action", "target", "outcome"):
        table.add_column(heading, overflow="fold")
    for record in wanted:
        outcome = record["outcome"] + (f" ({record['reason']})" if record["reason"] else "")
        who, target = record["actor"]["id"] or record["actor"]["type"], record["target"]["id"]
        cells = (record["tenant"], who, record["action"], target, outcome)
        table.add_row(str(record["n"]), record["at"][:19], *map(escape, cells))
    Console().print(table)


@app.command("key")
def key(config: ConfigOption = None) -> None:
    """Print the public key of the log's checkpoints: note it elsewhere, for 'audit verify --key'.

    Examples:
        yuetone audit key > /mnt/other/audit.vkey
    """
    audit = load_settings(config).audit
    audit.folder.expanduser().mkdir(parents=True, exist_ok=True, mode=0o700)
    typer.echo(Signer.at(audit.folder.expanduser() / KEY, audit.origin).verifier.vkey)


@app.command("verify")
def verify_log(
    folder: FolderOption = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="File of checkpoints that were kept elsewhere; may be repeated.")
    ] = None,
    vkey: Annotated[
        str | None, typer.Option("--key", help="Public key that was noted elsewhere; else the folder's.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Recompute the whole log and name the first record that does not fit; the exit status is then 1.

    Only checkpoints and a key that were kept elsewhere show a log whose end is missing, or that was written
    anew by somebody who has the key in the folder.

    Examples:
        yuetone audit verify

        yuetone audit verify --checkpoint /mnt/other/checkpoints.txt --key "$(cat /mnt/other/audit.vkey)"
    """
    audit = _settings(folder, config)
    found = audit.folder
    verifier = Verifier.of(vkey) if vkey else Signer.at(found / KEY, audit.origin).verifier
    outside = [note for file in checkpoint or () for note in _notes(file)]
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("verifying", total=sum(path.stat().st_size for path in segments(found)))
        verdict = verify(found, verifier, outside, lambda size: progress.advance(task, size))
    if verdict.problem:
        typer.secho(f"yuetone: {verdict.problem}", err=True, fg=typer.colors.RED)
        sys.exit(1)
    typer.echo(
        f"{verdict.records} records from {verdict.first} on, {verdict.checkpoints} checkpoints, "
        f"of them {verdict.outside} from elsewhere: all right"
    )


def _notes(file: Path) -> list[str]:
    try:
        notes = notes_in(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"--checkpoint: {file} cannot be read") from None
    if not notes:
        raise SettingsError(f"--checkpoint: {file} holds no checkpoint")
    return notes


@app.command("prove")
def prove(
    number: Annotated[int, typer.Argument(min=0, help="Number of the record.")],
    folder: FolderOption = None,
    config: ConfigOption = None,
) -> None:
    """Print a proof that a record is in the log, which can be checked without the log (C2SP tlog-proof).

    Examples:
        yuetone audit prove 1204 > 1204.tlog-proof
    """
    audit = _settings(folder, config)
    files = segments(audit.folder)
    try:
        begun = begin_of(files[0])[0].size
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError(
            f"the start of {files[0].name} cannot be read; see 'yuetone audit verify'"
        ) from None
    if begun:
        raise SettingsError("older segments were deleted; a proof needs the log from its first record on")
    log = AuditLog(audit.folder, audit.origin)
    leaves = [leaf_hash(line) for segment in files for line in lines_of(segment)][: log.size]
    if number >= len(leaves):
        raise SettingsError(f"the log has {len(leaves)} records, the first is number 0")
    typer.echo(proof_text(number, inclusion_proof(leaves, number), log.signed_now()), nl=False)


@app.command("export")
def export(
    folder: FolderOption = None,
    after: Annotated[int, typer.Option(min=-1, help="Begin behind this record.")] = -1,
    config: ConfigOption = None,
) -> None:
    """Print records as events of the Open Cybersecurity Schema Framework (OCSF 1.9), one a line.

    Examples:
        yuetone audit export --after 1200 | vector --config siem.toml
    """
    for record in _records(_settings(folder, config).folder):
        if record["n"] > after:
            typer.echo(json.dumps(ocsf_of(record), sort_keys=True))
