"""The command line: ``yuetone``. Each command is loaded when it is called: all together take a second."""

from __future__ import annotations

import importlib
import io
import sys
from importlib.metadata import version as installed_version
from typing import Any

import typer
from typer.core import TyperGroup

from client.errors import ClientError
from pipeline.errors import SettingsError

COMMANDS = {
    "serve": "serve:serve_command",
    "call": "call:call_command",
    "demo": "call:demo_command",
    "diarize": "diarize:diarize_command",
    "emotion": "emotion:emotion_command",
    "recogniser": "recogniser:recogniser_command",
    "redact": "redact:redact_command",
    "access": "access:app",
    "alerts": "alerts:app",
    "audit": "audit:app",
    "calls": "calls:app",
    "console": "console:app",
    "kb": "kb:app",
    "models": "models:app",
    "record": "record:app",
    "config": "config:app",
}
"""Where each command is: module and name in it, a function or a group."""
BESIDE = {
    "kb": ("kb_search", "kb_write"),
    "record": ("record_hold", "record_import", "record_keys", "record_original", "record_subject"),
}
"""Modules that add themselves to a group."""


class LoadedCommands(TyperGroup):
    """Finds commands by :data:`COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, loaded; None where there is none of that name."""
        return _loaded(cmd_name) if cmd_name in COMMANDS else super().get_command(ctx, cmd_name)


def _loaded(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(importlib.import_module(f"pipeline.cli.{module}"), attribute)
    for beside in BESIDE.get(name, ()):
        importlib.import_module(f"pipeline.cli.{beside}")
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.name = name
        return group
    alone = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="yuetone",
    cls=LoadedCommands,
    help="Streaming Cantonese speech pipeline for call centres: call audio in, live transcripts out.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _all() -> None:
    pass  # makes a group of it, with one command of its own


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
