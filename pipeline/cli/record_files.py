"""Files of recorded calls, as a server sends them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import SettingsError
from yuetone.v1 import record_service_pb2 as pb


class Format(StrEnum):
    """A form of export."""

    TXT = "txt"
    SRT = "srt"
    CSV = "csv"
    JSON = "json"
    VCON = "vcon"
    DOCX = "docx"

    @property
    def number(self) -> pb.ExportFormat.ValueType:
        """As the API names it."""
        return pb.ExportFormat.Value(f"EXPORT_FORMAT_{self.name}")


async def write_files(
    pieces: AsyncIterator[pb.ExportedPiece], folder: Path, only: str | None = None
) -> list[Path]:
    """Write the files that a server sends, readable for their owner alone; return where they are.

    Args:
        pieces: of them.
        folder: to write into.
        only: name of the file, in place of what the server calls it.

    Raises:
        SettingsError: a file cannot be written, or has no plain name.
    """
    written: list[Path] = []
    file: BinaryIO | None = None
    try:
        async for piece in pieces:
            if piece.name or file is None:
                written.append(folder / _plain(only or piece.name))
                if file is not None:
                    file.close()
                file = _opened(written[-1])
            file.write(piece.data)
    except OSError as error:
        raise SettingsError(f"{written[-1]} cannot be written: {error.strerror or error}") from error
    finally:
        if file is not None:
            file.close()
    return written


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _plain(name: str) -> str:
    """Return a name that leads to no other folder."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise SettingsError("the server names a file that is none")
    return name
