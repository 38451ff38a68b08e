"""``yuetone redact``: personal data out of recordings and texts."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

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
    ``"spans": [{"start", "end", "category"}]``, in code points. Other keys stay as they are: leave
    out those that repeat what was said. A recording is heard by a server of its own; what is hidden of its
    text is silent in ``--audio``, and so are the keys of telephones.

    Examples:
        yuetone redact archive.jsonl > masked.jsonl

        yuetone redact archive.jsonl --json > found.jsonl

        yuetone redact archive.jsonl --style last_four --keep name

        yuetone redact call.wav --audio clean.wav

        yuetone redact recordings/*.wav --json --audio clean/ > texts.jsonl
    """
    kept = frozenset(keep or ())
    if secret := kept & (SECRETS | {Category.CARD}):
        raise SettingsError(f"--keep: {', '.join(sorted(secret))} is never shown")
    texts = [path for path in files if str(path) == "-" or path.suffix.lower() in TEXTS]
    recordings = [path for path in files if path not in texts]
    if audio is not None and (texts or not recordings):
        raise SettingsError("--audio is for recordings; texts have none")
    if (config or raw) and not recordings:
        raise SettingsError("--config and --raw are for recordings; texts take --style and --keep")
    _refuse_own_output(texts)
    for path in texts:
        for dialogue in _dialogues(path):
            _redact(dialogue, kept, style, spans_only=as_json)
            _print(json.dumps(dialogue, ensure_ascii=False))
    if recordings:
        hide = [category.value for category in Category if category not in kept]
        chosen = {"default": {"redaction": {"enabled": True, "hide": hide, "style": style.value}}}
        settings = load_settings(config, {"profiles": chosen})
        _recordings(recordings, settings, raw_of(raw), _targets(recordings, audio), as_json=as_json)


def _refuse_own_output(texts: list[Path]) -> None:
    """Refuse a file that the result would be appended to: it would be read without an end.

    Raises:
        SettingsError: one of the files is standard output.
    """
    try:
        out = os.fstat(1)
    except OSError as error:
        raise SettingsError("there is no standard output") from error
    for path in texts:
        if path.is_file() and os.path.samestat(path.stat(), out):
            raise SettingsError(f"{path} is the output as well; write to another file")


def _print(line: str) -> None:
    """Print a line in UTF-8, whatever the locale.

    Raises:
        BrokenPipeError: nobody reads on.
        SettingsError: the disk is full, or the like.
    """
    try:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SettingsError(f"the result cannot be written: {error.strerror or error}") from error


def _targets(recordings: list[Path], audio: Path | None) -> dict[Path, Path]:
    """Return where the sound of each recording goes.

    Raises:
        SettingsError: it would take the place of a recording, or of another one's.
    """
    if audio is None:
        return {}
    folder = len(recordings) > 1 or audio.is_dir() or str(audio).endswith("/")
    if folder:
        try:
            audio.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"--audio: {audio} is no folder: {error.strerror or error}") from error
    elif not audio.parent.is_dir():
        raise SettingsError(f"--audio: there is no folder {audio.parent}")
    elif audio.suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise SettingsError(f"--audio: {audio.name} must end in .wav, .flac or .ogg")
    targets = {path: audio / f"{path.stem}.wav" if folder else audio for path in recordings}
    if len(set(targets.values())) < len(targets):
        raise SettingsError("--audio: two recordings have the same name; redact them one after the other")
    there = [path for path in recordings if path.exists()]
    if any(target.exists() and target.samefile(path) for path in there for target in targets.values()):
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
            _print(json.dumps(told, ensure_ascii=False) if as_json else _readable(told))

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
        if sys.stdin is None:
            raise SettingsError("there is no standard input")
        yield from _lines("standard input", sys.stdin.buffer)
        return
    try:
        with path.open("rb") as lines:
            described = f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)"
            shown = Console(stderr=True)
            rows = track(
                lines, description=described, console=shown, transient=True, disable=not shown.is_terminal
            )
            yield from _lines(str(path), rows)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error


def _lines(name: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            dialogue = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise SettingsError(f"{name}, line {number}: no UTF-8 text") from error
        except RecursionError as error:
            raise SettingsError(f"{name}, line {number}: too deeply nested") from error
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
