"""XLSX as grids, within bounds: a workbook of a megabyte may unpack to gigabytes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suggest.reading.grids import Grid, Span

MOST_UNPACKED = 64 * 1024 * 1024
"""Bytes of a workbook's parts, unpacked: some 30,000 long articles."""
MOST_COLUMNS = 200
MOST_ROWS = 200_000
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class WorkbookError(Exception):
    """A workbook that cannot be read; the message is one line, without its name."""


def read_workbook(path: Path, sheet: str | None) -> tuple[list[Grid], list[str]]:
    """Return the visible sheets as grids, and notes about others.

    Args:
        path: of the file.
        sheet: only this one, also if it is hidden; None for all.

    Raises:
        WorkbookError: it is none, too large, or has no such sheet.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 (slow to load)

    _check_size(path)
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise WorkbookError("is not an XLSX workbook; open it in Excel and save it again") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise WorkbookError(f"has no sheet {sheet}; there are: {', '.join(book.sheetnames)}")
        chosen = [one for one in book.worksheets if sheet in (None, one.title)]
        notes = [
            f"sheet {one.title} is hidden, and left out"
            for one in chosen
            if sheet is None and one.sheet_state != "visible"
        ]
        visible = [one for one in chosen if sheet is not None or one.sheet_state == "visible"]
        return [_grid(one, path) for one in visible], notes
    finally:
        book.close()


def formula_cells(path: Path, sheet: str) -> set[tuple[int, int]]:
    """Return row and column (from 1) of the formulas in a sheet, for cells that have no saved value."""
    from openpyxl import load_workbook  # noqa: PLC0415

    book = load_workbook(path, read_only=True, data_only=False)
    try:
        rows = book[sheet].iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS)
        return {(cell.row, cell.column) for row in rows for cell in row if cell.data_type == "f"}
    finally:
        book.close()


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as error:
        raise WorkbookError("is not an XLSX workbook; open it in Excel and save it again") from error
    if unpacked > MOST_UNPACKED:
        raise WorkbookError(
            f"unpacks to {unpacked >> 20} MB, more than {MOST_UNPACKED >> 20}; split it, or save it as CSV"
        )


def _grid(sheet: Any, path: Path) -> Grid:
    sheet.reset_dimensions()  # what a sheet says of its size may be wrong
    rows: list[tuple[int, list[Any]]] = []
    for number, cells in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1), 1):
        if number > MOST_ROWS:
            raise WorkbookError(f"sheet {sheet.title} has more than {MOST_ROWS} rows; split it")
        values = [_value(cell) for cell in cells]
        if len(values) > MOST_COLUMNS and values[MOST_COLUMNS] is not None:
            raise WorkbookError(f"sheet {sheet.title} has more than {MOST_COLUMNS} columns")
        rows.append((number, values[:MOST_COLUMNS]))
    spans = tuple(_spans(path, sheet._worksheet_path))  # noqa: SLF001 (read-only sheets do not tell merged cells)
    grid = Grid(name=sheet.title, rows=rows, spans=spans)
    grid.filled()
    return grid


def _value(cell: Any) -> Any:
    """Return what people see in a cell, as far as its value and format tell."""
    value = cell.value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float) and "%" in str(cell.number_format):
        return f"{value * 100:g}%"
    if isinstance(value, str):
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
    return value


def _spans(path: Path, part: str) -> Iterator[Span]:
    """Yield the merged cells of a sheet; they stand behind its rows."""
    with zipfile.ZipFile(path) as archive:
        for found in _MERGED.finditer(archive.read(part.lstrip("/"))):
            left, top, right, bottom = (_index(found[1]), int(found[2]), _index(found[3]), int(found[4]))
            if right <= MOST_COLUMNS and bottom <= MOST_ROWS:
                yield Span(top - 1, left - 1, bottom - 1, right - 1)


def _index(letters: bytes) -> int:
    """Return the number of a column, from 1, by its letters."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
