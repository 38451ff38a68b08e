"""Files and folders for import."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from suggest.base import KnowledgeError
from suggest.reading.base import Options, Problem, Reading
from suggest.reading.bounded import BoundedReader
from suggest.reading.manuals import MANUALS, blocks_of
from suggest.reading.sections import sections
from suggest.reading.tables import TABLES, read_table

KNOWN = (*TABLES, *MANUALS)
LARGEST = 200 * 1024 * 1024
FOREIGN = (".xlsx", ".html", ".htm", ".docx", ".pdf")
"""Formats whose readers may be led to take memory and time without end."""


def find_files(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return the files below ``paths`` with the folder that each is named from.

    Raises:
        KnowledgeError: a path is missing, or there is nothing in it that can be read.
    """
    found: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if _is_ours(file, path.resolve()))
            if not inside:
                raise KnowledgeError(f"{path}: no file in it ends in {', '.join(KNOWN)}")
            found += [(file, path.resolve().parent) for file in inside]
        elif path.is_file():
            if path.suffix.lower() not in KNOWN:
                raise KnowledgeError(f"{path}: cannot be imported; files must end in {', '.join(KNOWN)}")
            found.append((path, path.parent))
        else:
            raise KnowledgeError(f"{path}: no such file or folder")
    return found


def _is_ours(file: Path, root: Path) -> bool:
    """Tell whether a file below a folder is to be read: not what links lead to outside of it."""
    return (
        file.suffix.lower() in KNOWN
        and not file.name.startswith((".", "~$"))
        and file.is_file()
        and file.resolve().is_relative_to(root)
    )


def read_files(
    files: Iterable[tuple[Path, Path]], options: Options, told: Callable[[], None] = lambda: None
) -> Reading:
    """Return what files hold; the same id twice is a problem.

    Args:
        files: with the folder that each is named from.
        options: how to read them.
        told: called behind each file.
    """
    reading = Reading()
    with BoundedReader(read_file) as apart:
        for file, root in files:
            read = apart.read if file.suffix.lower() in FOREIGN else read_file
            reading.add(read(file, replace(options, root=root)))
            told()
    seen: dict[tuple[str, str], str] = {}
    for article in reading.articles:
        if article.key in seen:
            message = f"has the id {article.id!r}, which {seen[article.key]} has, too"
            reading.problems.append(Problem(file=article.source, place=article.place, message=message))
        seen.setdefault(article.key, article.source)
    return reading


def read_file(file: Path, options: Options) -> Reading:
    """Return what one file holds, or what is wrong with it.

    Raises:
        MemoryError: it takes more than there is.
    """
    name = options.name_of(file)
    try:
        return _parsed(file, name, options)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (parsers of foreign formats raise what they like)
        message = f"is damaged or not what its name says ({type(error).__name__}); open it and save it again"
        return Reading(problems=[Problem(file=name, message=message)])


def _parsed(file: Path, name: str, options: Options) -> Reading:
    if file.stat().st_size > LARGEST:
        return Reading(problems=[Problem(file=name, message="is larger than 200 MB; split it")])
    if file.suffix.lower() in TABLES:
        return read_table(file, options)
    try:
        articles = sections(blocks_of(file), source=name, tenant=options.tenant)
    except KnowledgeError as error:
        return Reading(problems=[Problem(file=name, message=str(error))])
    if not articles:
        return Reading(problems=[Problem(file=name, message="has no text")])
    too_long = [article for article in articles if len(article.id) > 200]
    problems = [Problem(file=name, message="its name is too long; shorten it")] if too_long else []
    return Reading(articles=articles, problems=problems)
