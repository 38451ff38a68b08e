"""What a model directory must hold, and the one reader of what it declares about itself."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from models.errors import ModelError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryKind:
    """One kind of model directory.

    Attributes:
        name: of the kind, for people: ``emotion model``.
        declaration: TOML file in it.
        required: files that must be there.
        fix: what to do where one is missing; ends the error message.
        optional: whether the directory may come without a declaration, which then counts as empty.
        error: the exception that is raised.
    """

    name: str
    declaration: str
    required: tuple[str, ...]
    fix: str
    optional: bool = False
    error: Callable[[str], Exception] = ModelError


def read_directory(path: Path, kind: DirectoryKind, parse: Callable[[Path, Mapping[str, Any]], T]) -> T:
    """Check a model directory and return what ``parse`` makes of its declaration.

    Args:
        path: the folder; ``~`` is the user's.
        kind: of the model.
        parse: gets the folder and the declaration; may raise KeyError, TypeError or ValueError for what is
            missing or wrong in it.

    Raises:
        ModelError: or ``kind.error``: the folder, a file, or something in the declaration is missing or
            wrong; the message names it and the fix.
    """
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise kind.error(f"{path}: no such user") from error
    if not path.is_dir():
        raise kind.error(f"no model directory at {path}; {kind.fix}")
    needed = kind.required if kind.optional else (kind.declaration, *kind.required)
    if missing := [file for file in needed if not (path / file).is_file()]:
        raise kind.error(f"{path} is no {kind.name}: {', '.join(missing)} missing; {kind.fix}")
    file = path / kind.declaration
    try:
        declared = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
        return parse(path, declared)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"{error.args[0]!r} missing" if isinstance(error, KeyError) else error
        raise kind.error(f"{file}: {reason}") from error
