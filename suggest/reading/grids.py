"""Grids of cells, and where in them a table begins: titles, covers and merged headings stand above. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suggest.reading.columns import column_of, header_text

MOST_MERGED = 5000
"""Cells merged into one, above which they are left as they are."""
LOOKED_AT = 20
"""Rows in which the header is looked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Merged cells: rows and columns from 0, the last ones included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(slots=True, kw_only=True)
class Grid:
    """A sheet, or a text file of columns.

    Attributes:
        name: of the sheet; '' where there is none.
        rows: number for people, and cells.
        spans: merged cells, by index in ``rows``.
    """

    name: str = ""
    rows: list[tuple[int, list[Any]]]
    spans: tuple[Span, ...] = ()

    def filled(self) -> None:
        """Write what merged cells show into all of them."""
        for span in self.spans:
            if (span.bottom - span.top + 1) * (span.right - span.left + 1) > MOST_MERGED:
                continue  # nobody merges so many on purpose
            value = self._cell(span.top, span.left)
            for row in range(span.top, min(span.bottom, len(self.rows) - 1) + 1):
                cells = self.rows[row][1]
                cells += [None] * (span.right + 1 - len(cells))
                for column in range(span.left, span.right + 1):
                    cells[column] = value

    def _cell(self, row: int, column: int) -> Any:
        cells = self.rows[row][1] if row < len(self.rows) else []
        return cells[column] if column < len(cells) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A table's header.

    Attributes:
        names: of the columns, as people see them; '' where there is none.
        first: index of its first row.
        behind: index of the first row of data.
    """

    names: tuple[str, ...]
    first: int
    behind: int


@dataclass(slots=True, kw_only=True)
class Table:
    """A table that was found in a grid.

    Attributes:
        header: of it.
        grid: where.
    """

    header: Header
    grid: Grid

    @property
    def rows_above(self) -> int:
        """Rows above the header in which something stands."""
        above = self.grid.rows[: self.header.first]
        return sum(any(not is_blank(cell) for cell in cells) for _number, cells in above)

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield number and cells, by header, of each row that has any."""
        names = self.header.names
        for number, cells in self.grid.rows[self.header.behind :]:
            named = {name: cell for name, cell in zip(names, cells, strict=False) if name}
            if any(not is_blank(cell) for cell in cells):
                yield number, named


def is_blank(cell: object) -> bool:
    """Tell whether nothing stands in a cell."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def find_header(grid: Grid, mapping: Mapping[str, str]) -> Header | None:
    """Return the header of the table in a grid: the first row, or pair of rows, that names id and question.

    Args:
        grid: with its merged cells filled.
        mapping: our column by the file's header.
    """
    for index in range(min(LOOKED_AT, len(grid.rows))):
        for header in _candidates(grid, index):
            if is_whole(header.names, mapping):
                return header
    return None


def is_whole(names: Sequence[str], mapping: Mapping[str, str]) -> bool:
    """Tell whether headers name what every article needs."""
    known = {column_of(name, mapping) for name in names if name}
    return "id" in known and bool(known & {"question_zh", "question_en"})


def first_row(grid: Grid) -> Header | None:
    """Return the first row that has anything, taken for a header."""
    for index, (_number, cells) in enumerate(grid.rows):
        if any(not is_blank(cell) for cell in cells):
            return Header(names=tuple(map(header_text, cells)), first=index, behind=index + 1)
    return None


def _candidates(grid: Grid, index: int) -> Iterator[Header]:
    upper = tuple(map(header_text, grid.rows[index][1]))
    yield Header(names=upper, first=index, behind=index + 1)
    if index + 1 < len(grid.rows):
        lower = tuple(map(header_text, grid.rows[index + 1][1]))
        yield Header(names=_joined(upper, lower), first=index, behind=index + 2)


def _joined(upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
    """Return headers of two rows as one: 中文 over 問題 is 中文問題."""
    width = max(len(upper), len(lower))
    pairs = zip([*upper, *[""] * (width - len(upper))], [*lower, *[""] * (width - len(lower))], strict=True)
    return tuple(above if above == below else above + below for above, below in pairs)
