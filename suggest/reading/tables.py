"""Tables: CSV, XLSX and JSON lines, one article a row."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suggest.base import Article, to_plain
from suggest.reading.base import Options, Problem, Reading
from suggest.reading.columns import COLUMNS, CellError, article_of, column_of

TABLES = (".csv", ".tsv", ".xlsx", ".jsonl")
MOST_PROBLEMS = 200
"""Findings shown of one file; the rest is counted."""
Row = tuple[str, dict[str, Any]]
"""Place for people, and cells by the file's headers."""


class _Unreadable(Exception):
    """The file as a whole."""


def read_table(path: Path, options: Options | None = None) -> Reading:
    """Return the articles of a table.

    Args:
        path: CSV (UTF-8, UTF-16 or Big5), XLSX or JSON lines.
        options: how to read it.
    """
    options = options or Options()
    name = options.name_of(path)
    try:
        rows = list(_rows(path, options))
    except _Unreadable as error:
        return Reading(problems=[Problem(file=name, message=str(error))])
    headers = list(dict.fromkeys(header for _place, cells in rows for header in cells))
    columns = {header: column for header in headers if (column := column_of(header, options.columns))}
    reading = Reading(problems=_header_problems(name, rows, columns, options))
    if reading.problems:
        return reading
    ignored = [header for header in headers if header not in columns]
    if ignored:
        message = f"columns that are not known are left out: {', '.join(ignored)} (--map ours=theirs)"
        reading.notes.append(Problem(file=name, message=message))
    _take(reading, rows, columns, name, options.tenant)
    return reading


def _header_problems(name: str, rows: list[Row], columns: dict[str, str], options: Options) -> list[Problem]:
    if not rows:
        return [Problem(file=name, message="has no rows below its header")]
    wrong = [target for target in options.columns.values() if target not in COLUMNS]
    if wrong:
        message = f"--map: there is no column {wrong[0]}; ours are {', '.join(COLUMNS)}"
        return [Problem(file=name, message=message)]
    targets = list(columns.values())
    unused = next((theirs for theirs, ours in options.columns.items() if ours not in targets), None)
    if unused:
        return [Problem(file=name, message=f"--map: there is no column {unused}")]
    double = next((target for target in targets if targets.count(target) > 1), None)
    if double:
        theirs = ", ".join(header for header, target in columns.items() if target == double)
        return [Problem(file=name, message=f"{theirs} all mean {double}; choose by --map {double}=…")]
    if "id" not in targets or not {"question_zh", "question_en"} & set(targets):
        message = "needs the columns id and question_zh or question_en; name yours by --map id=…"
        return [Problem(file=name, message=message)]
    return []


def _take(reading: Reading, rows: list[Row], columns: dict[str, str], name: str, tenant: str) -> None:
    """Add the articles of all rows, or what is wrong with them."""
    seen: dict[tuple[str, str], str] = {}
    theirs = {column: header for header, column in columns.items()}
    left_out = 0
    for place, cells in rows:
        ours = {columns[header]: value for header, value in cells.items() if header in columns}
        if all(value in (None, "") for value in ours.values()):
            continue
        try:
            article = article_of({"source": name, "place": place, **_given(ours)}, tenant)
            _check_new(article, seen)
        except CellError as error:
            if len(reading.problems) < MOST_PROBLEMS:
                column = theirs.get(error.column, error.column)
                reading.problems.append(Problem(file=name, place=place, column=column, message=str(error)))
            else:
                left_out += 1
            continue
        seen[article.key] = place
        reading.articles.append(article)
    if left_out:
        reading.problems.append(Problem(file=name, message=f"and {left_out} more"))


def _check_new(article: Article, seen: dict[tuple[str, str], str]) -> None:
    if article.key in seen:
        raise CellError("id", f"is the same as in {seen[article.key]}")


def _given(cells: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in cells.items() if value not in (None, "")}


def _rows(path: Path, options: Options) -> Iterator[Row]:
    kind = path.suffix.lower()
    try:
        if kind == ".xlsx":
            yield from _workbook(path, options.sheet)
        elif kind == ".jsonl":
            yield from _json_lines(_decoded(path))
        else:
            yield from _csv(_decoded(path), tab=kind == ".tsv")
    except OSError as error:
        raise _Unreadable(f"cannot be read ({error.strerror or type(error).__name__})") from error


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    encodings = ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "big5hkscs")
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _Unreadable("is neither UTF-8, UTF-16 nor Big5; save it as 'CSV UTF-8'")


def _csv(text: str, *, tab: bool) -> Iterator[Row]:
    csv.field_size_limit(10_000_000)
    head = text.split("\n", 1)[0]
    delimiter = "\t" if tab else max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        headers = [header.strip() for header in next(reader, [])]
        _check_headers(headers)
        for cells in reader:
            if len(cells) > len(headers) and any(cell.strip() for cell in cells[len(headers) :]):
                message = (
                    f"row ending in line {reader.line_num} has {len(cells)} cells, the header {len(headers)}"
                )
                raise _Unreadable(message + "; put texts with commas in quotes")
            yield f"row {reader.line_num}", dict(zip(headers, cells, strict=False))
    except csv.Error as error:
        raise _Unreadable(f"is not CSV near line {reader.line_num}: {error}") from error


def _check_headers(headers: list[str]) -> None:
    double = next((header for header in headers if header and headers.count(header) > 1), None)
    if double:
        raise _Unreadable(f"has two columns with the header {double}")


def _json_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except ValueError as error:
            raise _Unreadable(f"line {number} is not JSON: {error}") from error
        if not isinstance(cells, dict):
            raise _Unreadable(f"line {number} is not an object in braces")
        yield f"line {number}", cells


def _workbook(path: Path, sheet: str | None) -> Iterator[Row]:
    from openpyxl import load_workbook  # noqa: PLC0415 (slow to load)

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise _Unreadable("is not an XLSX workbook; open it in Excel and save it again") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise _Unreadable(f"has no sheet {sheet}; there are: {', '.join(book.sheetnames)}")
        rows = (book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True)
        headers = [str(cell or "").strip() for cell in next(rows, ())]
        _check_headers(headers)
        for number, cells in enumerate(rows, 2):
            named = zip(headers, cells, strict=False)
            yield f"row {number}", {header: cell for header, cell in named if header}
    finally:
        book.close()


def as_row(article: Article) -> dict[str, Any]:
    """Return an article as a row for export."""
    plain = to_plain(article)
    return {name: plain[name] for name in COLUMNS}
