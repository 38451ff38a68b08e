"""``yuetone diarize``: who speaks when in a recording."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

from client.decoding import RawFormat
from diarization import DiarizationError, SpeakerTurn
from diarization.crosstalk import Crosstalk
from diarization.turns import to_rttm
from pipeline.analysis.recording import DecodedRecording, read_audio
from pipeline.analysis.speakers import BLOCK, live_turns
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.serve import ConfigOption, flags
from pipeline.config import load_settings
from pipeline.engines import build_vad, build_voices
from pipeline.errors import SettingsError

Pcm = NDArray[np.float32]
Diarize = Callable[[DecodedRecording, Callable[[float], None]], list[SpeakerTurn]]


class EngineName(StrEnum):
    """Which engine listens."""

    LIVE = "live"
    PYANNOTE = "pyannote"


def diarize_command(
    files: Annotated[list[Path], typer.Argument(help="WAV, FLAC, OGG, MP3, M4A …; one or two channels.")],
    engine: Annotated[
        EngineName,
        typer.Option(help="live: what a live call would have said at its end. pyannote: second look."),
    ] = EngineName.LIVE,
    rttm: Annotated[
        Path | None, typer.Option(help="Write RTTM into this file instead of standard output.")
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Of the pyannote engine: bundled, a folder, or a name on the hub.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Settings profile.")] = "default",
    raw: RawOption = None,
    config: ConfigOption = None,
) -> None:
    """Say who speaks when, as RTTM: one line a turn.

    A file of one channel holds several people, labelled A1, A2 and so on. In one of two channels, the first
    channel's voices are A1 ..., the second one's B1 ...; echo of the other channel is left out. The engine
    pyannote mixes two channels down. The hub's access token is read from the environment variable HF_TOKEN.

    Examples:
        yuetone diarize call.wav

        yuetone diarize recordings/*.wav --rttm calls.rttm

        yuetone diarize call.wav --engine pyannote --pipeline pyannote/speaker-diarization-community-1
    """
    threadpool_limits(1, user_api="blas")
    settings = load_settings(
        config,
        flags(diarization={"enabled": True, "second_look": {"pipeline": pipeline} if pipeline else None}),
    )
    chosen = settings.profiles.get(profile)
    if chosen is None:
        raise SettingsError(f"--profile: there are {', '.join(settings.profiles)}")
    if rttm is not None and not rttm.expanduser().absolute().parent.is_dir():
        raise SettingsError(f"--rttm: no folder {rttm.parent}")
    if engine is EngineName.LIVE:
        voices, vad = build_voices(settings), build_vad(settings)

        def listen(recording: DecodedRecording, heard: Callable[[float], None]) -> list[SpeakerTurn]:
            parts = without_echo(recording.channels)
            turns: list[SpeakerTurn] = []
            for channel, pcm in enumerate(parts):
                turns += live_turns(
                    pcm, voices, vad, chosen.vad, channel=channel, mixed=len(parts) == 1, heard=heard
                ).turns
            return sorted(turns, key=lambda turn: turn.start)

        found, failed = _all(files, listen, raw_of(raw))
    else:
        found, failed = _all(files, _second_look(settings.diarization.second_look.pipeline), raw_of(raw))
    _write(found, rttm)
    sys.exit(1 if failed else 0)


def without_echo(channels: Sequence[Pcm]) -> list[Pcm]:
    """Return the channels as a live call hears them: each without the other one's echo, copies once."""
    if len(channels) < 2:
        return list(channels)
    crosstalk, parts = Crosstalk(), [[np.zeros(0, np.float32)] for _ in channels]
    for start in range(0, max(len(pcm) for pcm in channels), BLOCK // 25):
        for channel, pcm in enumerate(channels):
            parts[channel].append(crosstalk.hear(channel, pcm[start : start + BLOCK // 25]))
    if crosstalk.identical(seconds=30.0):
        return [channels[0]]  # one line copied to both
    return [np.concatenate(pieces) for pieces in parts]


def _second_look(source: str) -> Diarize:
    """Return what looks at a recording with a pyannote pipeline.

    Raises:
        SettingsError: it cannot be loaded.
    """
    from diarization.second_look import PyannotePipeline  # noqa: PLC0415 (an extra)

    try:
        loaded = PyannotePipeline(source)
    except DiarizationError as error:
        raise SettingsError(str(error)) from error

    def look(recording: DecodedRecording, heard: Callable[[float], None]) -> list[SpeakerTurn]:
        length = max(len(pcm) for pcm in recording.channels)
        mixed = np.mean([np.pad(pcm, (0, length - len(pcm))) for pcm in recording.channels], axis=0)
        turns = loaded.diarize(np.asarray(mixed, np.float32))
        heard(length * len(recording.channels))
        return turns

    return look


def _all(
    files: list[Path], diarize: Diarize, raw: RawFormat | None
) -> tuple[list[tuple[str, list[SpeakerTurn]]], bool]:
    """Diarize every file; a bad one is told and left out."""
    errors, failed = Console(stderr=True), False
    found: list[tuple[str, list[SpeakerTurn]]] = []
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        for path in files:
            try:
                recording = read_audio(path, level=False, raw=raw)
                total = sum(len(pcm) for pcm in recording.channels)
                task = progress.add_task(path.name, total=total)
                turns = diarize(recording, functools.partial(progress.advance, task))
                found.append((path.stem, turns))
            except (SettingsError, DiarizationError) as error:
                failed = True
                errors.print(f"yuetone: {error}", style="red", markup=False, highlight=False)
    return found, failed


def _write(found: list[tuple[str, list[SpeakerTurn]]], path: Path | None) -> None:
    text = "".join(to_rttm(turns, name) for name, turns in found)
    if path is None:
        sys.stdout.write(text)
        return
    try:
        path.expanduser().write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"--rttm: {path} cannot be written") from error
