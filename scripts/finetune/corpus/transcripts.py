"""Transcripts of any kind as lines: CSV, JSONL, SRT, WebVTT, Praat TextGrid, ELAN and plain text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.finetune.common.errors import FinetuneError
from scripts.finetune.corpus.encoding import read_text

ROLES = {
    "agent": "agent", "cs": "agent", "operator": "agent", "客服": "agent", "職員": "agent",
    "客戶服務": "agent",
    "customer": "customer", "caller": "customer", "client": "customer", "客戶": "customer",
    "客人": "customer", "顧客": "customer", "來電者": "customer",
}  # fmt: skip
_TURN = re.compile(r"^\s*\[?([^\]：:\n]{1,20})\]?\s*[：:]\s*(.+)$")
_RECORDING = ("recording", "audio", "file", "filename", "wav", "call")
_SWALLOWED = re.compile(r"\n[^\n]*\.(wav|mp3|flac|ogg|opus|aiff?|au)[,;\t]", re.IGNORECASE)
_TABLES = (".csv", ".tsv", ".jsonl")
_LONGEST_S = 1e6
_TEXT = ("text", "transcript", "sentence", "utterance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a transcript.

    Attributes:
        recording: file name or stem of the recording.
        text: as written.
        start: s since the start of the call; None if nobody timed it.
        end: s.
        channel: from 0, or None.
        role: ``agent``, ``customer`` or None.
        speaker: name or number, or None.
        source: file and line, for reports.
        stem: another name of the recording, for a transcript that lies beside or apart from it.
    """

    recording: str
    text: str
    start: float | None = None
    end: float | None = None
    channel: int | None = None
    role: str | None = None
    speaker: str | None = None
    source: str
    stem: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or a whole file, that cannot be used."""

    source: str
    reason: str


def role_of(name: str | None) -> str | None:
    """Return the role that a word in a transcript means, None for a word that means none."""
    return ROLES.get((name or "").strip().lower())


def read_transcripts(folder: Path, encoding: str | None) -> tuple[list[Line], list[BadLine]]:
    """Read one transcript file, or every one below a folder.

    Raises:
        FinetuneError: a file has the wrong encoding.
    """
    root = folder.parent if folder.is_file() else folder
    files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    lines: list[Line] = []
    bad: list[BadLine] = []
    for path in files:
        reader = _READERS.get(path.suffix.lower())
        if reader is None or path.name.startswith("."):
            continue
        try:
            found = [_checked(line, path, root) for line in reader(path, encoding)]
        except FinetuneError:
            raise
        except Exception as error:  # noqa: BLE001 (third-party readers raise whatever they like on bad files)
            bad.append(BadLine(path.name, f"not a readable {path.suffix} file ({type(error).__name__})"))
            continue
        lines += [line for line in found if isinstance(line, Line)]
        bad += [line for line in found if isinstance(line, BadLine)]
    return lines, bad


def _checked(line: Line | BadLine, path: Path, root: Path) -> Line | BadLine:
    """Refuse text that is none, and say where a transcript lies that is named like its recording."""
    if isinstance(line, BadLine):
        return line
    words = "".join((line.text, line.recording, line.speaker or ""))
    if any("\ud800" <= char <= "\udfff" for char in words):
        return BadLine(line.source, "not valid Unicode")
    if "-->" in line.text:
        return BadLine(line.source, "a line of times is not readable; mend it")
    if path.suffix.lower() in _TABLES:
        return line
    return replace(line, recording=str(path.relative_to(root).with_suffix("")), stem=path.stem)


def _number(row: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        if row.get(name) not in (None, ""):
            value = float(row[name])
            if not abs(value) < _LONGEST_S:
                raise ValueError("not a time")
            return value
    return None


def _wrong_row(row: Mapping[str, Any], recording: Any, text: Any) -> str | None:
    """Return why a row cannot be used, or None."""
    if not isinstance(recording, str) or not isinstance(text, str) or not recording or not text.strip():
        return "no recording or no text in this row"
    if None in row or _SWALLOWED.search(text):
        return "more fields than columns, or a quote that is not closed: put the text in quotes"
    if row.get("role") and role_of(str(row["role"])) is None:
        return f"a role that is none of {', '.join(ROLES)}"
    return None


def _from_row(row: Mapping[str, Any], source: str) -> Line | BadLine:
    """Read one row of a table whose columns have any of the usual names."""
    lower = {key and str(key).strip().lower(): value for key, value in row.items()}
    recording = next((lower[name] for name in _RECORDING if lower.get(name)), "")
    text = next((lower[name] for name in _TEXT if lower.get(name)), "")
    if reason := _wrong_row(lower, recording, text):
        return BadLine(source, reason)
    try:
        channel = _number(lower, "channel")
        start, end = _number(lower, "start", "start_s"), _number(lower, "end", "end_s")
    except (TypeError, ValueError):
        return BadLine(source, "start, end or channel is not a number")
    if channel is not None and channel != int(channel):
        return BadLine(source, "start, end or channel is not a number")
    return Line(
        recording=recording,
        text=text,
        start=start,
        end=end,
        channel=None if channel is None else int(channel),
        role=role_of(str(lower.get("role") or "")),
        speaker=str(lower["speaker"]) if lower.get("speaker") else None,
        source=source,
    )


def _read_csv(path: Path, encoding: str | None) -> Iterable[Line | BadLine]:
    text = read_text(path, encoding)
    head = text.partition("\n")[0]
    delimiter = max(",\t;", key=head.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
    names = {name.strip().lower() for name in rows.fieldnames or ()}
    if not names & set(_RECORDING) or not names & set(_TEXT):
        yield BadLine(path.name, "the first line does not name the columns, 'recording' and 'text' at least")
        return
    try:
        for row in rows:
            yield _from_row(row, f"{path.name}:{rows.line_num}")
    except csv.Error as error:
        raise FinetuneError(
            f"{path}: a quote is opened and never closed, before line {rows.line_num}"
        ) from error


def _read_jsonl(path: Path, encoding: str | None) -> Iterable[Line | BadLine]:
    for number, line in enumerate(read_text(path, encoding).split("\n"), 1):
        if not line.strip():
            continue
        source = f"{path.name}:{number}"
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        yield _from_row(row, source) if isinstance(row, dict) else BadLine(source, "not a JSON object")


def _with_turn(line: Line) -> Line:
    """Take a leading ``客服：`` or ``Agent:`` off the text."""
    match = _TURN.match(line.text)
    if not match or role_of(match.group(1)) is None:
        return line
    return replace(line, text=match.group(2), role=role_of(match.group(1)))


def _read_txt(path: Path, encoding: str | None) -> Iterable[Line | BadLine]:
    for number, text in enumerate(read_text(path, encoding).splitlines(), 1):
        if text.strip():
            yield _with_turn(Line(recording=path.stem, text=text.strip(), source=f"{path.name}:{number}"))


def _read_subtitles(path: Path, encoding: str | None) -> Iterable[Line | BadLine]:
    import pysubs2  # noqa: PLC0415 (each format loads its own reader)

    subtitles = pysubs2.SSAFile.from_string(read_text(path, encoding))
    for number, event in enumerate(subtitles, 1):
        line = Line(
            recording=path.stem,
            text=event.plaintext.replace("\n", " "),
            start=event.start / 1000,
            end=event.end / 1000,
            speaker=event.name or None,
            source=f"{path.name}:{number}",
        )
        yield _with_turn(line)


def _from_tier(path: Path, tier: str, start: float, end: float, text: str, number: int) -> Line:
    role = role_of(re.sub(r"_\d+$", "", tier))
    return Line(
        recording=path.stem,
        text=text,
        start=start,
        end=end,
        role=role,
        speaker=None if role else tier,
        source=f"{path.name}:{tier}:{number}",
    )


def _read_textgrid(path: Path, _encoding: str | None) -> Iterable[Line | BadLine]:
    from praatio import textgrid  # noqa: PLC0415

    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, duplicateNamesMode="rename")
    for tier in grid.tiers:
        for number, entry in enumerate(tier.entries, 1):
            if not hasattr(entry, "end"):
                yield BadLine(f"{path.name}:{tier.name}:{number}", "a point, not an interval")
            else:
                yield _from_tier(path, tier.name, float(entry.start), float(entry.end), entry.label, number)


def _read_elan(path: Path, _encoding: str | None) -> Iterable[Line | BadLine]:
    from pympi.Elan import Eaf  # noqa: PLC0415

    document = Eaf(str(path))
    for tier in document.get_tier_names():
        spans = document.get_annotation_data_for_tier(tier)
        for number, (start, end, text, *_) in enumerate(spans, 1):
            yield _from_tier(path, tier, start / 1000, end / 1000, text, number)


_READERS: dict[str, Callable[[Path, str | None], Iterable[Line | BadLine]]] = {
    ".csv": _read_csv, ".tsv": _read_csv, ".jsonl": _read_jsonl, ".txt": _read_txt, ".srt": _read_subtitles,
    ".vtt": _read_subtitles, ".textgrid": _read_textgrid, ".eaf": _read_elan,
}  # fmt: skip
