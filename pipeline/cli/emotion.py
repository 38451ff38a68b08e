"""``yuetone emotion``: how a recording was said."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from threadpoolctl import threadpool_limits

from asr import AsrRequest
from client.decoding import RawFormat
from diarization import Role
from emotion import EmotionModelError, restrained
from emotion.agitation import SUPPORT
from pipeline.alerts.profile_rules import ProfileRules, read_profile_rules
from pipeline.analysis.call import Pcm, Recognise, Tools, analyse
from pipeline.analysis.plot import check_target, plot
from pipeline.analysis.recording import DecodedRecording, read_audio
from pipeline.analysis.report import THRESHOLD, ChannelReport, JudgedWindow
from pipeline.calls.info import SAMPLE_RATE
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.serve import ConfigOption, flags
from pipeline.config import ProfileSettings, Settings, load_settings
from pipeline.engines import asr_factory, build_emotion, build_vad, find_model
from pipeline.errors import SettingsError

ROLES = {role.value: role for role in Role}
_NAMES = ("customer", "agent")


def emotion_command(
    files: Annotated[list[Path], typer.Argument(help="WAV, FLAC, OGG, MP3, M4A …; one or two channels.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a file on stdout.")] = False,
    plot_to: Annotated[Path | None, typer.Option("--plot", help="Draw the curves into this PNG.")] = None,
    transcribe: Annotated[
        bool, typer.Option("--transcribe", help="Recognise the words too, and count them.")
    ] = False,
    roles: Annotated[
        str, typer.Option(help="Who is on each channel of a stereo file: customer, agent, unknown.")
    ] = "customer,agent",
    model: Annotated[
        str | None, typer.Option(help="Emotion model: bundled, promoted, or a directory.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Settings profile.")] = "default",
    raw: RawOption = None,
    config: ConfigOption = None,
) -> None:
    """Analyse how recordings were said: agitation, arousal, probabilities, with the curve of the call.

    The figure of a file is its most agitated 10 s of speech (of the customer, where there are two channels);
    from 0.5 on it counts as agitated. A happy voice may score high too: only words tell (--transcribe).

    Examples:
        yuetone emotion call.wav --plot curve.png

        yuetone emotion recordings/*.wav --json | jq -r '[.file, .agitation] | @tsv'

        yuetone emotion stereo.wav --transcribe --roles agent,customer
    """
    threadpool_limits(1, user_api="blas")
    settings = load_settings(config, flags(emotion={"model": model, "enabled": True}))
    chosen = settings.profiles.get(profile)
    if chosen is None:
        raise SettingsError(f"--profile: there are {', '.join(settings.profiles)}")
    named = two_roles(roles)
    if plot_to:
        check_target(plot_to)
    tools = build_tools(settings, chosen, read_profile_rules(chosen, profile), words=transcribe)
    results, failed = _all(files, tools, named, raw_of(raw), as_json=as_json)
    if plot_to and results:
        rows = [(f"{name}, {role}", report) for name, parts in results for role, report in parts]
        plot(rows, chosen.agitation, plot_to)
    sys.exit(1 if failed else 0)


def build_tools(settings: Settings, profile: ProfileSettings, rules: ProfileRules, *, words: bool) -> Tools:
    """Return what recordings are analysed with; ``words`` loads the recogniser too.

    Raises:
        SettingsError: a model is missing, or the one for emotion reads the recogniser's states, which only a
            live call brings along.
    """
    engine = build_emotion(settings)
    if engine.wants_states:
        raise SettingsError(
            f"emotion model {engine.name} reads the recogniser's states: it judges live calls only"
        )
    return Tools(
        engine=engine,
        vad=build_vad(settings),
        cuts=profile.vad,
        lexicon=rules.lexicon,
        agitation=profile.agitation,
        rules=rules.rules,
        recognise=_recogniser(settings, profile.language) if words else None,
    )


def two_roles(text: str) -> tuple[Role, ...]:
    """Return the roles of the two channels of a stereo file, from ``customer,agent`` and the like.

    Raises:
        SettingsError: a role is unknown, or there are not two.
    """
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in ROLES]:
        raise SettingsError(
            f"--roles: no role {unknown[0]!r}; use customer, agent or unknown, split by commas"
        )
    if len(names) != 2:
        raise SettingsError("--roles names the two channels of a stereo file, split by a comma")
    return tuple(ROLES[name] for name in names)


def _recogniser(settings: Settings, language: str) -> Recognise:
    """Return what turns utterances into text with the recogniser of the settings."""
    engine = asr_factory(settings, find_model(settings))()

    def recognise(_channel: int, _start: int, pcm: Pcm) -> str:
        return engine.transcribe([AsrRequest(pcm=pcm, final=True, language=language)])[0].text

    return recognise


def _all(
    files: list[Path], tools: Tools, roles: tuple[Role, ...], raw: RawFormat | None, *, as_json: bool
) -> tuple[list[tuple[str, list[tuple[str, ChannelReport]]]], bool]:
    """Analyse every file; a bad one is told and left out."""
    results: list[tuple[str, list[tuple[str, ChannelReport]]]] = []
    failed = False
    errors = Console(stderr=True)
    table = _table()
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("recordings", total=len(files))
        for path in files:
            try:
                recording = read_audio(path, raw=raw)
                own = (Role.UNKNOWN,) if len(recording.channels) == 1 else roles
                reports = _analyse(tools, recording, own, progress)
            except (SettingsError, EmotionModelError) as error:
                typer.secho(f"yuetone: {error}", err=True, fg=typer.colors.RED)
                failed = True
                continue
            finally:
                progress.advance(task)
            if as_json:
                sys.stdout.write(
                    json.dumps(as_line(path, recording, reports, own), ensure_ascii=False) + "\n"
                )
                sys.stdout.flush()
            else:
                _add_rows(table, path, recording, reports, own)
            parts = [(role.value, report) for role, report in zip(own, reports, strict=True)]
            results.append((path.name, parts))
    if not as_json and results:
        console = Console()
        console.width = max(console.width, 110)  # a pipe has no width; cut names help nobody
        console.print(table)
    return results, failed


def _analyse(
    tools: Tools, recording: DecodedRecording, roles: tuple[Role, ...], progress: Progress
) -> tuple[ChannelReport, ...]:
    length = max(len(channel) for channel in recording.channels)
    task = progress.add_task("speech", total=length)
    try:
        found = analyse(recording.channels, roles, tools, lambda samples: progress.advance(task, samples))
        return found.channels
    finally:
        progress.remove_task(task)


def customer_of(reports: Sequence[ChannelReport], roles: tuple[Role, ...]) -> ChannelReport:
    """Return the report of the customer, of the first channel that is no agent's if nobody knows."""
    ranked = sorted(
        range(len(reports)), key=lambda i: (roles[i] is not Role.CUSTOMER, roles[i] is Role.AGENT, i)
    )
    return reports[ranked[0]]


def as_line(
    path: Path, recording: DecodedRecording, reports: Sequence[ChannelReport], roles: tuple[Role, ...]
) -> dict[str, Any]:
    """Return what ``--json`` prints of a file; every figure of the file is the customer's."""
    own = customer_of(reports, roles)
    return {
        "file": str(path),
        "seconds": round(recording.seconds, 3),
        **_figures(own),
        "agitated": own.agitation is not None and own.agitation >= THRESHOLD,
        "channels": [
            {"channel": index, "role": role.value, **_figures(report), "curve": _curve(report)}
            for index, (role, report) in enumerate(zip(roles, reports, strict=True))
        ],
        "windows": [
            {"channel": index, **_window(window, supported=(report.words or 0.0) >= SUPPORT)}
            for index, report in enumerate(reports)
            for window in report.windows
        ],
    }


def _figures(report: ChannelReport) -> dict[str, Any]:
    probabilities = report.probabilities()
    supported = (report.words or 0.0) >= SUPPORT
    return {
        "agitation": _round(report.agitation),
        "arousal": _round(report.mean(lambda reading: reading.arousal)),
        "valence": _round(report.mean(lambda reading: reading.valence)),
        "quality": _round(report.mean(lambda reading: reading.quality)) or 0.0,
        "words": _round(report.words),
        "probabilities": probabilities
        and {name: _round(value) for name, value in restrained(probabilities, supported=supported).items()},
    }


def _window(window: JudgedWindow, *, supported: bool) -> dict[str, Any]:
    reading = window.reading
    judged = reading.quality > 0
    found = restrained(dict(reading.probabilities), supported=supported)
    return {
        "start_s": round(window.start / SAMPLE_RATE, 3),
        "end_s": round(window.end / SAMPLE_RATE, 3),
        "quality": _round(reading.quality),
        "reason": reading.reason,
        "score": _round(reading.score) if judged else None,
        "arousal": _round(reading.arousal) if judged else None,
        "valence": _round(reading.valence) if judged else None,
        "probabilities": {name: _round(value) for name, value in found.items()} if judged else None,
        "baseline": reading.baseline,
    }


def _curve(report: ChannelReport) -> list[dict[str, Any]]:
    return [
        {
            "at_s": round(point.at / SAMPLE_RATE, 2),
            "value": _round(point.value),
            "voice": _round(point.voice),
            "words": _round(point.words),
            "behaviour": _round(point.behaviour),
            "level": point.level.value,
        }
        for point in report.curve
    ]


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _table() -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("file", "channel", "agitation", "arousal", "valence", "likeliest", "quality", "speech"):
        table.add_column(name, justify="left" if name in ("file", "channel", "likeliest") else "right")
    return table


def _add_rows(
    table: Table,
    path: Path,
    recording: DecodedRecording,
    reports: Sequence[ChannelReport],
    roles: tuple[Role, ...],
) -> None:
    for role, report in zip(roles, reports, strict=True):
        line = _figures(report)
        found = line["probabilities"] or {}
        judged = [window for window in report.windows if window.reading.quality > 0]
        speech = sum(window.end - window.start for window in judged) / SAMPLE_RATE
        table.add_row(
            Text(path.name),
            role.value,
            *(
                "–" if line[key] is None else f"{line[key]:.2f}"
                for key in ("agitation", "arousal", "valence")
            ),
            max(found, key=found.__getitem__) if found else "no opinion",
            f"{line['quality']:.2f}",
            f"{min(speech, recording.seconds):.1f} s",
        )
