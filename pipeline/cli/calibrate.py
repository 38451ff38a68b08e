"""``yuetone models calibrate``: how little context a recogniser reads safely, on the user's own audio."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from asr.context import (
    LENGTHS,
    TOLERANCE,
    ContextFigures,
    Speech,
    least_safe,
    measure_contexts,
)
from asr.directory import declare
from asr.finding import find_recogniser
from models import ModelError
from pipeline.analysis.plot import check_target, plot_contexts
from pipeline.analysis.recording import read_audio
from pipeline.analysis.speakers import utterances
from pipeline.cli.serve import ConfigOption
from pipeline.config import load_settings
from pipeline.engines import build_vad
from pipeline.errors import SettingsError
from vad import VadEngine
from vad.endpointer import EndpointerSettings

AUDIO = (".wav", ".mp3", ".flac", ".ogg", ".opus")
MANIFEST = "manifest.csv"
FEW = 30
"""Stretches of speech below which a result is a guess."""


def calibrate(
    model: Annotated[str, typer.Argument(help="Registry name or directory of a recogniser.")],
    audio: Annotated[Path, typer.Option(help="Folder of recordings: the centre's own are best.")],
    lengths: Annotated[
        str, typer.Option(help="Contexts to try, in s, split by commas; 0 is the speech's own length.")
    ] = ",".join(f"{length:g}" for length in LENGTHS),
    tolerance: Annotated[
        float, typer.Option(min=0, max=0.5, help="Error rate that a shorter context may cost, absolute.")
    ] = TOLERANCE,
    minutes: Annotated[float, typer.Option(min=0.1, help="Speech to listen to, at most.")] = 10.0,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag of the speech; else the model's.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw error rate and cost into this PNG.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
    config: ConfigOption = None,
) -> None:
    """Measure how little context a recogniser reads safely, and write it beside the model.

    Stock Whisper is padded to 30 s; less costs less, and too little makes it write loops. Transcripts are
    taken from NAME.txt beside NAME.wav, or from a manifest.csv with the columns file and transcript; without
    them, every length is compared with what the model writes at 30 s.

    Examples:
        yuetone models calibrate whisper-base --audio recordings

        yuetone models calibrate ./ours --audio recordings --lengths 30,15,10,5,0 --plot context.png
    """
    settings = load_settings(config)
    if plot:
        check_target(plot)
    try:
        directory = find_recogniser(model, settings.asr.models_dir)
        speech = read_speech(audio.expanduser(), build_vad(settings), minutes * 60)
        wanted = _lengths(lengths)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(f"{len(speech)} utterances", total=len(speech) * len({30.0, *wanted}))
            found = measure_contexts(
                directory, speech, wanted, language=language, heard=lambda: progress.advance(task)
            )
        least = least_safe(found, tolerance)
        if not dry_run:
            declare(directory.path, "min_context_s", least)
    except (ModelError, OSError) as error:
        raise SettingsError(str(error)) from error
    known = all(item.text is not None for item in speech)
    _show(found, least, against="the transcripts" if known else "what it writes at 30 s")
    if len(speech) < FEW:
        typer.echo(f"only {len(speech)} utterances: give more recordings before you trust this", err=True)
    if plot:
        plot_contexts(found, least, plot)
    typer.echo(f"least safe context: {least:g} s" + ("" if dry_run else f", written to {directory.path}"))


def _lengths(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--lengths: {text!r} are not numbers split by commas, such as 30,10,0"
        ) from error
    if any(not 0 <= length <= 30 for length in found):
        raise SettingsError("--lengths: each is 0 to 30 s")
    return found


def _show(found: Sequence[ContextFigures], least: float, *, against: str) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), title=f"errors are counted against {against}")
    for heading in ("context", "error rate", "runaway texts", "CPU-s a second", ""):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(
            f"{row.context_s:g} s" if row.context_s else "own length",
            f"{row.error:.1%}",
            f"{row.runaway:.1%}",
            f"{row.cpu_s_per_s:.3f}",
            "least safe" if row.context_s == least else "",
        )
    Console().print(table)


def read_speech(folder: Path, vad: VadEngine, seconds: float) -> list[Speech]:
    """Return the speech of a folder's recordings, cut as a live call is; at most ``seconds`` of it.

    A recording with a transcript stays whole where it is short enough for the model (30 s).

    Raises:
        SettingsError: no folder, or no recording that can be read.
    """
    if not folder.is_dir():
        raise SettingsError(f"--audio: no folder {folder}")
    texts = _transcripts(folder)
    found: list[Speech] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO):
        found += _speech_of(path, texts.get(path), vad)
        if sum(len(item.pcm) for item in found) > seconds * 16_000:
            break
    if not found:
        raise SettingsError(f"--audio: no speech in {folder} (WAV, FLAC, OGG, MP3)")
    if any(item.text is None for item in found):
        return [Speech(pcm=item.pcm) for item in found]
    return found


def _speech_of(path: Path, text: str | None, vad: VadEngine) -> Iterable[Speech]:
    for pcm in read_audio(path).channels:
        if text is not None and len(pcm) <= 30 * 16_000:
            yield Speech(pcm=pcm, text=text)
            continue
        for _at, ended in utterances(pcm, vad, EndpointerSettings()):
            yield Speech(pcm=pcm[ended.start : ended.end])


def _transcripts(folder: Path) -> dict[Path, str]:
    """Return what was said in which file, as far as anybody wrote it down."""
    found = {
        path.with_suffix(ending): path.read_text("utf-8", "replace").strip()
        for path in folder.rglob("*.txt")
        for ending in AUDIO
    }
    for manifest in folder.rglob(MANIFEST):
        with manifest.open(newline="", encoding="utf-8", errors="replace") as rows:
            for row in csv.DictReader(rows):
                if row.get("file") and row.get("transcript"):
                    found[manifest.parent / row["file"]] = row["transcript"]
    return found
