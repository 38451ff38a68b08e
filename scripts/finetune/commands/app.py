"""``python -m scripts.finetune``: the steps in order, and one-line errors."""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models import ModelError
from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.common.folders import no_traceback_when_full

app = typer.Typer(
    name="python -m scripts.finetune",
    help="From a folder of calls to a promoted model; docs/finetuning.md walks through it. Each step can be "
    "stopped and started again with the same command.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
EXIT_FAILED, EXIT_UNUSABLE, EXIT_STOPPED = 1, 2, 130

OutOption = Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")]
TaskOption = Annotated[str, typer.Option("--task", help="Which trainable model.")]
ModelsOption = Annotated[Path, typer.Option("--models", help="Folder of installed models (asr.models_dir).")]
MODELS = Path("~/.local/share/yuetone/models")


@app.callback()
def _steps() -> None:
    """Keep the name of a step necessary, however many there are."""


def say(text: str) -> None:
    """Print a line as it is: no markup, no wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def say_next(*command: object) -> None:
    """Print the next step, ready to be pasted."""
    say("next: python -m scripts.finetune " + shlex.join(map(str, command)))


def main() -> None:
    """Run a step: 0 done or passed, 1 a check failed, 2 the input or the command must be mended."""
    warnings.filterwarnings("ignore")
    try:
        with no_traceback_when_full(Path("the output folder")):
            app(standalone_mode=True)
    except (FinetuneError, ModelError) as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(EXIT_UNUSABLE)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        typer.secho(f"error: {place}{error.strerror or type(error).__name__}", err=True, fg=typer.colors.RED)
        sys.exit(EXIT_UNUSABLE)
    except KeyboardInterrupt:
        typer.secho("stopped; the same command goes on from here", err=True)
        sys.exit(EXIT_STOPPED)
