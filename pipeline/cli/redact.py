"""``yuetone redact``: personal data out of recordings and texts."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import Progress, track

from cantonese.personal import SECRETS, Category, PersonalSpan, Style, dialogue_spans, masked
from client.decoding import RawFormat
from pipeline.cli.logs import configure_logs
from pipeline.cli.raw import RawOption, raw_of
from pipeline.cli.serve import ConfigOption
from pipeline.config import LogSettings, Settings, load_settings
from pipeline.errors import SettingsError

TEXTS = (".jsonl", ".ndjson")
"""What is read as dialogues; everything else is a recording."""
_KEPT = ", ".join(category.value for category in Category)


def redact_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings, or dialogues (.jsonl, one a line; - is standard input)."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found, as JSON: texts stay as they were given.")
    ] = False,
    audio: Annotated[
        Path | None,
        typer.Option(help="Write the recording without what is personal; a folder for several."),
    ] = None,
    style: Annotated[Style, typer.Option(help="What stands in the place of a value.")] = Style.CATEGORY,
    keep: Annotated[
        list[Category] | None, typer.Option(help=f"Leave a category as it is; may be repeated: {_KEPT}.")
    ] = None,
    raw: RawOption = None,
    config: ConfigOption = None,
) -> None:
    """Find personal data of Hong Kong and hide it, in recordings and in texts.

    A dialogue is a line of JSON: ``{"id": …, "turns": [{"role": "agent", "text": …}, …]}``. Without
    ``--json`` it comes out the same with its texts masked; with it, the texts stay and each turn gets
    ``"spans": [{"start", "end", "category"}]``, in code points. A recording is heard by a server of its own;
    what is hidden of its text is silent in ``--audio``, and so are the keys of telephones.

    Examples:
        yuetone redact archive.jsonl > masked.jsonl

        yuetone redact archive.jsonl --json > found.jsonl

        yuetone redact archive.jsonl --style last_four --keep name

        yuetone redact call.wav --audio clean.wav

        yuetone redact recordings/*.wav --json --audio clean/ > texts.jsonl
    """
    kept = frozenset(keep or ())
    if secret := kept & SECRETS:
        raise SettingsError(f"--keep: {', '.join(sorted(secret))} is never shown")
    texts = [path for path in files if str(path) == "-" or path.suffix.lower() in TEXTS]
    recordings = [path for path in files if path not in texts]
    if audio is not None and (texts or not recordings):
        raise SettingsError("--audio is for recordings; texts have none")
    for path in texts:
        for dialogue in _dialogues(path):
            _redact(dialogue, kept, style, spans_only=as_json)
            typer.echo(json.dumps(dialogue, ensure_ascii=False))
    if recordings:
        hide = [category.value for category in Category if category not in kept]
        chosen = {"default": {"redaction": {"hide": hide, "style": style.value}}}
        settings = load_settings(config, {"profiles": chosen})
        _recordings(recordings, settings, raw_of(raw), _targets(recordings, audio), as_json=as_json)


def _targets(recordings: list[Path], audio: Path | None) -> dict[Path, Path]:
    """Return where the sound of each recording goes.

    Raises:
        SettingsError: it would take the place of a recording, or of another one's.
    """
    if audio is None:
        return {}
    folder = len(recordings) > 1 or audio.is_dir() or str(audio).endswith("/")
    if folder:
        audio.mkdir(parents=True, exist_ok=True)
    targets = {path: audio / f"{path.stem}.wav" if folder else audio for path in recordings}
    if len(set(targets.values())) < len(targets):
        raise SettingsError("--audio: two recordings have the same name; redact them one after the other")
    if any(target.resolve() == path.resolve() for path, target in targets.items()):
        raise SettingsError("--audio: choose another place; the recording itself is not overwritten")
    return targets


def _recordings(
    files: list[Path], settings: Settings, raw: RawFormat | None, targets: dict[Path, Path], *, as_json: bool
) -> None:
    from pipeline.cli.redact_audio import RedactedCall, redact_recordings, write_cut  # noqa: PLC0415 (slow)

    configure_logs(LogSettings(level="warning"))
    shown = Console(stderr=True)
    with Progress(console=shown, transient=True, disable=not shown.is_terminal) as progress:
        tasks = {path: progress.add_task(path.name, total=None) for path in files}

        def heard(path: Path, seconds: float) -> None:
            progress.update(tasks[path], completed=seconds)

        def done(path: Path, call: RedactedCall) -> None:
            told = call.plain(str(path))
            if path in targets:
                cut = write_cut(path, call, targets[path], raw)
                told |= {"audio": str(targets[path]), "silenced": round(cut.share, 4), "keys_s": cut.keys_s}
            progress.update(tasks[path], total=call.seconds, completed=call.seconds)
            typer.echo(json.dumps(told, ensure_ascii=False) if as_json else _readable(told))

        asyncio.run(redact_recordings(files, settings, raw, done, heard))


def _readable(told: dict[str, Any]) -> str:
    lines = [f"{told['file']}, {told['audio_s']:.0f} s"]
    lines += [f"[{turn['start_ms'] / 1000:7.1f}] {turn['role']:<11} {turn['text']}" for turn in told["turns"]]
    if "audio" in told:
        lines.append(f"{told['audio']}: {told['silenced']:.1%} silenced")
    return "\n".join(lines)


def _redact(dialogue: dict[str, Any], kept: frozenset[Category], style: Style, *, spans_only: bool) -> None:
    """Put the spans of each turn into a dialogue, or hide them in its text."""
    turns = dialogue["turns"]
    found = dialogue_spans([(turn["role"], turn["text"]) for turn in turns])
    for turn, spans in zip(turns, found, strict=True):
        wanted = [span for span in spans if span.category not in kept]
        if spans_only:
            turn["spans"] = [_plain(span) for span in wanted]
        else:
            turn["text"] = masked(turn["text"], wanted, style)


def _plain(span: PersonalSpan) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "category": span.category.value}


def _dialogues(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the dialogues of a file.

    Raises:
        SettingsError: it cannot be read, or a line is no dialogue.
    """
    if str(path) == "-":
        yield from _lines("standard input", sys.stdin)
        return
    try:
        with path.open(encoding="utf-8-sig") as lines:
            described = f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)"
            shown = Console(stderr=True)
            rows = track(
                lines, description=described, console=shown, transient=True, disable=not shown.is_terminal
            )
            yield from _lines(str(path), rows)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is no UTF-8 text") from error


def _lines(name: str, lines: TextIO | Any) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            dialogue = json.loads(line)
        except ValueError as error:
            raise SettingsError(f"{name}, line {number}: no JSON; a dialogue is one line") from error
        if not _is_dialogue(dialogue):
            raise SettingsError(
                f'{name}, line {number}: a dialogue has "turns", and each of them "role" and "text"'
            )
        yield dialogue


def _is_dialogue(value: Any) -> bool:
    turns = value.get("turns") if isinstance(value, dict) else None
    return isinstance(turns, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("text"), str) and isinstance(turn.get("role"), str)
        for turn in turns
    )
