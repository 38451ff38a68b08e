"""What reading a file gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from suggest.base import Article


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in a file.

    Attributes:
        file: its name.
        place: row, line or page; '' for the whole file.
        column: of the cell; '' for the whole row.
        message: what is wrong and how to mend it.
    """

    file: str
    place: str = ""
    column: str = ""
    message: str

    def __str__(self) -> str:
        where = ", ".join(filter(None, (self.place, self.column)))
        told = f"{self.file}: {where}: {self.message}" if where else f"{self.file}: {self.message}"
        return "".join(
            char if char.isprintable() else "\ufffd" for char in told
        )  # a terminal obeys some characters


@dataclass(slots=True, kw_only=True)
class Reading:
    """What files hold.

    Attributes:
        articles: in order.
        problems: that keep the files from being taken.
        notes: that do not.
    """

    articles: list[Article] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def add(self, other: Reading) -> None:
        """Take what another file holds."""
        self.articles += other.articles
        self.problems += other.problems
        self.notes += other.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How files are read.

    Attributes:
        tenant: whose articles these are; a column of that name wins.
        columns: our column by the file's header.
        sheet: of a workbook; None for the first.
        root: paths are told from here.
    """

    tenant: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    sheet: str | None = None
    root: Path | None = None

    def name_of(self, path: Path) -> str:
        """Return how a file is called in articles and messages."""
        whole = path.resolve()
        if self.root is not None and whole.is_relative_to(self.root.resolve()):
            return whole.relative_to(self.root.resolve()).as_posix()
        return path.name
