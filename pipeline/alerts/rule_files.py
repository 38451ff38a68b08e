"""The file of alert rules that a profile names, read and written by people on a screen. Blocks."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from pipeline.alerts.rules import DEFAULT, read_text
from pipeline.errors import InvalidRequest

LONGEST = 100_000
"""Characters of a file of rules."""
BEFORE = ".before"
"""Ending of the copy of what was in the file before."""


def text_of(file: Path | None) -> str:
    """Return the rules of a profile; the built-in ones for None.

    Raises:
        SettingsError: the file cannot be read.
    """
    return read_text(file or DEFAULT)


def version_of(text: str) -> str:
    """Return what tells a text from any other."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(file: Path, text: str, version: str) -> None:
    """Put rules into a file, whole or not at all; what was there stays beside it.

    Args:
        file: that the profile names.
        text: checked.
        version: of the text that was changed.

    Raises:
        InvalidRequest: the file is another one by now, or cannot be written.
        SettingsError: it cannot be read.
    """
    file = file.expanduser()
    before = read_text(file)
    if version_of(before) != version:
        raise InvalidRequest("somebody else has changed these rules meanwhile; look again")
    try:
        put(file.with_name(file.name + BEFORE), before)
        put(file, text)
    except OSError as error:
        raise InvalidRequest(f"{file.name} cannot be written ({error.strerror})") from error


def put(file: Path, text: str) -> None:
    """Write a file at once, with the rights of the one that it replaces; raises OSError."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(name, file.stat().st_mode & 0o777 if file.exists() else 0o640)  # noqa: PTH101
        os.replace(name, file)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def restore(file: Path) -> None:
    """Put back what was in the file before; raises OSError, SettingsError."""
    file = file.expanduser()
    put(file, read_text(file.with_name(file.name + BEFORE)))
