"""The command line: ``yuetone``."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version as installed_version

import typer

from client.errors import ClientError
from pipeline.cli import (
    access,
    alerts,
    audit,
    call,
    calls,
    config,
    console,
    diarize,
    emotion,
    kb,
    kb_search,
    kb_write,
    models,
    recogniser,
    record,
    record_hold,
    record_import,
    record_keys,
    record_original,
    record_subject,
    redact,
    serve,
)
from pipeline.errors import SettingsError

COMMANDS_OF_KB = (kb_search, kb_write)
"""Add themselves to ``kb.app``."""
COMMANDS_OF_RECORD = (record_hold, record_import, record_keys, record_original, record_subject)
"""Add themselves to ``record.app``."""
app = typer.Typer(
    name="yuetone",
    help="Streaming Cantonese speech pipeline for call centres: call audio in, live transcripts out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve_command)
app.command("call")(call.call_command)
app.command("demo")(call.demo_command)
app.command("diarize")(diarize.diarize_command)
app.command("emotion")(emotion.emotion_command)
app.command("recogniser")(recogniser.recogniser_command)
app.command("redact")(redact.redact_command)
app.add_typer(access.app, name="access")
app.add_typer(alerts.app, name="alerts")
app.add_typer(audit.app, name="audit")
app.add_typer(calls.app, name="calls")
app.add_typer(console.app, name="console")
app.add_typer(kb.app, name="kb")
app.add_typer(models.app, name="models")
app.add_typer(record.app, name="record")
app.add_typer(config.app, name="config")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"yuetone {installed_version('yuetone')}")


def main() -> None:
    """Run the command line; problems that the user can mend are one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names and terminals may be of any encoding
    try:
        app(standalone_mode=True)
    except (SettingsError, ClientError) as error:
        typer.secho(f"yuetone: {error}", err=True, fg=typer.colors.RED)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
