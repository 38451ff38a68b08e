"""``yuetone redact``: personal data out of recordings and texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import track

from cantonese.personal import Category, PersonalSpan, Style, dialogue_spans, masked
from pipeline.errors import SettingsError

TEXTS = (".jsonl", ".ndjson")
"""What is read as dialogues; everything else is a recording."""
_KEPT = ", ".join(category.value for category in Category)


def redact_command(
    files: Annotated[
        list[Path], typer.Argument(help="Dialogues (.jsonl, one a line), or - for standard input.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found, as JSON: the text stays as it was given.")
    ] = False,
    style: Annotated[
        Style,
        typer.Option(help="What stands in the place of a value: its category, stars, the last four digits."),
    ] = Style.CATEGORY,
    keep: Annotated[
        list[Category] | None, typer.Option(help=f"Leave a category as it is; may be repeated: {_KEPT}.")
    ] = None,
) -> None:
    """Find personal data of Hong Kong and hide it.

    A dialogue is a line of JSON: ``{"id": …, "turns": [{"role": "agent", "text": …}, …]}``. Without
    ``--json`` it comes out the same with its texts masked; with it, the texts stay and each turn gets
    ``"spans": [{"start", "end", "category"}]``, in code points.

    Examples:
      yuetone redact archive.jsonl > masked.jsonl

      yuetone redact archive.jsonl --json > found.jsonl

      yuetone redact archive.jsonl --style last_four --keep name
    """
    kept = frozenset(keep or ())
    for path in files:
        for dialogue in _dialogues(path):
            _redact(dialogue, kept, style, spans_only=as_json)
            typer.echo(json.dumps(dialogue, ensure_ascii=False))


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
