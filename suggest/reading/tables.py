"""Tables: CSV, XLSX and JSON lines, one article a row."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from suggest.base import Article, to_plain
from suggest.reading.base import Options, Problem, Reading
from suggest.reading.columns import COLUMNS, CellError, article_of, column_of
from suggest.reading.encodings import UnknownEncodingError, decoded
from suggest.reading.grids import Grid, Table, find_header, first_row, is_blank
from suggest.reading.workbooks import WorkbookError, formula_cells, read_workbook

TABLES = (".csv", ".tsv", ".xlsx", ".jsonl")
MOST_PROBLEMS = 200
"""Findings shown of one file; the rest is counted."""
FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""
Row = tuple[str, dict[str, Any]]
"""Place for people, and cells by the file's headers."""


class _Unreadable(Exception):
    """The file as a whole."""


def read_table(path: Path, options: Options | None = None) -> Reading:
    """Return the articles of a table.

    Args:
        path: CSV (UTF-8, UTF-16, Big5 or GBK), XLSX (all sheets) or JSON lines.
        options: how to read it.
    """
    options = options or Options()
    name = options.name_of(path)
    told: list[str] = []
    try:
        rows = list(_rows(path, options, told))
    except _Unreadable as error:
        return Reading(problems=[Problem(file=name, message=str(error))])
    headers = list(dict.fromkeys(header for _place, cells in rows for header in cells))
    columns = {header: column for header in headers if (column := column_of(header, options.columns))}
    reading = Reading(problems=_header_problems(name, rows, columns, options))
    if reading.problems:
        return reading
    reading.notes += [Problem(file=name, message=message) for message in told]
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


def _grids(path: Path, options: Options) -> tuple[list[Grid], list[str]]:
    """Return the sheets of a file, and notes about how it was read."""
    if path.suffix.lower() == ".xlsx":
        try:
            return read_workbook(path, options.sheet)
        except WorkbookError as error:
            raise _Unreadable(str(error)) from error
    text, encoding = _decoded(path)
    notes = [f"was read as {encoding}"] if encoding in ("GBK", "Big5") else []
    return [_csv(text, tab=path.suffix.lower() == ".tsv")], notes


def _tables(path: Path, options: Options) -> tuple[list[Table], list[str]]:
    """Return the tables of a file, one a sheet, and notes about what was left out."""
    grids, notes = _grids(path, options)
    found = [(grid, find_header(grid, options.columns)) for grid in grids]
    tables = [Table(header=header, grid=grid) for grid, header in found if header is not None]
    if not tables:  # the first row of any is shown to be no header
        rows = [(grid, first_row(grid)) for grid in grids]
        return [Table(header=row, grid=grid) for grid, row in rows if row is not None][:1], notes
    for table in tables:
        if table.rows_above:
            sheet = f"sheet {table.grid.name}: " if table.grid.name else ""
            notes.append(f"{sheet}{table.rows_above} rows above the header were left out")
    without = [grid.name for grid, header in found if header is None]
    return tables, notes + [f"sheet {name} has no table of articles, and was left out" for name in without]


def _rows(path: Path, options: Options, notes: list[str]) -> Iterator[Row]:
    try:
        if path.suffix.lower() == ".jsonl":
            yield from _json_lines(_decoded(path)[0])
            return
        tables, told = _tables(path, options)
        notes += told
        for table in tables:
            _check_headers(table.header.names)
            _check_widths(table)
            _check_formulas(table, path)
            sheet = f"sheet {table.grid.name}, " if len(tables) > 1 else ""
            for number, cells in table.rows():
                yield f"{sheet}row {number}", cells
    except OSError as error:
        raise _Unreadable(f"cannot be read ({error.strerror or type(error).__name__})") from error


def _check_formulas(table: Table, path: Path) -> None:
    """Refuse formulas of a workbook that have no saved value; looked for only where a value is missing."""
    missing = [
        (number, column, name)
        for number, cells in table.rows()
        for column, name in enumerate(table.header.names, 1)
        if name and cells.get(name) is None
    ]
    formulas = formula_cells(path, table.grid.name) if missing and table.grid.name else set()
    for number, column, name in missing:
        if (number, column) in formulas:
            raise _Unreadable(
                f"row {number}, {name}: a formula without a saved value; open the file in Excel and save it"
            )


def _decoded(path: Path) -> tuple[str, str]:
    try:
        return decoded(path.read_bytes())
    except UnknownEncodingError:
        raise _Unreadable("is neither UTF-8, UTF-16, Big5 nor GBK; save it as 'CSV UTF-8'") from None


def _csv(text: str, *, tab: bool) -> Grid:
    csv.field_size_limit(10_000_000)
    stated = re.match(r"sep=(.)\r?\n", text)  # Excel's way to say what stands between cells
    body = text[stated.end() :] if stated else text
    head = next((line for line in body.split("\n") if line.strip(",;\t\r ")), "")
    delimiter = stated[1] if stated else "\t" if tab else max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[Any]]] = []
    try:
        rows += ((reader.line_num + bool(stated), list(cells)) for cells in reader)
    except csv.Error as error:
        raise _Unreadable(f"is not CSV near line {reader.line_num}: {error}") from error
    return Grid(rows=rows)


def _check_widths(table: Table) -> None:
    """Refuse rows of a text file that have more cells than the header: a comma that is not in quotes."""
    width = len(table.header.names)
    for number, cells in table.grid.rows[table.header.behind :] if not table.grid.name else ():
        if any(not is_blank(cell) for cell in cells[width:]):
            raise _Unreadable(
                f"row ending in line {number} has {len(cells)} cells, the header {width}; "
                "put texts with commas in quotes"
            )


def _check_headers(headers: Sequence[str]) -> None:
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


def as_row(article: Article) -> dict[str, Any]:
    """Return an article as a row for export."""
    plain = to_plain(article)
    return {name: plain[name] for name in COLUMNS}


def as_cell(value: object) -> str:
    """Return a cell of CSV that no spreadsheet takes for a formula; :func:`read_table` reads it back."""
    text = "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
    return "'" + text if text[:1] in FORMULA_MARKS else text
