"""Importing a file into the knowledge base of a running server. Blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from suggest.knowledge import KnowledgeBase
from suggest.reading.base import Options, Problem, Reading
from suggest.reading.files import KNOWN, read_files
from suggest.store.knowledge import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What a file brought.

    Attributes:
        change: of the knowledge base; what it would be after a dry run, nothing with a problem.
        problems: that keep the file from being imported.
        notes: that do not.
        imported: whether anything may have changed.
    """

    change: Change
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    imported: bool


def read_import(file: Path, options: Options, *, others: bool) -> Reading:
    """Return what a file holds.

    Args:
        file: its ending says what it is.
        options: how it is read; its company is whose articles these are.
        others: whether the file may name other companies.
    """
    if file.suffix.lower() not in KNOWN:
        message = f"cannot be imported; files must end in {', '.join(KNOWN)}"
        return Reading(problems=[Problem(file=file.name, message=message)])
    reading = read_files([(file, file.parent)], options)
    foreign = [article for article in reading.articles if article.tenant != options.tenant and not others]
    reading.problems += [
        Problem(file=article.source, place=article.place, column="tenant", message="is not your company")
        for article in foreign
    ]
    return reading


def write_import(base: KnowledgeBase, reading: Reading, *, prune: bool, dry_run: bool) -> ImportReport:
    """Take up what a file holds: all of it, or with a problem nothing.

    Args:
        base: the knowledge base.
        reading: of the file.
        prune: removes articles that came from the file and are in it no more.
        dry_run: changes nothing.

    Raises:
        KnowledgeError: the store cannot be written; nothing was changed.
    """
    problems, notes = tuple(reading.problems), tuple(reading.notes)
    if problems:
        return ImportReport(change=Change(), problems=problems, notes=notes, imported=False)
    gone = base.store.no_longer_in(reading.articles) if prune else []
    write = base.store.compare if dry_run else base.store.write
    change = write(reading.articles, gone)
    return ImportReport(change=change, problems=(), notes=notes, imported=not dry_run)
