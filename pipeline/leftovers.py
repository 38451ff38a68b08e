"""Temporary files and folders, named after their process: the next one deletes what dead ones left."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import structlog

_NAME = "yuetone-"
_PROCESSES = Path("/proc")
_log = structlog.get_logger(__name__)


def prefix(kind: str) -> str:
    """Return how names of this process's files of a kind begin."""
    return f"{_NAME}{kind}-{os.getpid()}-"


def sweep(kind: str, folder: Path | None = None) -> None:
    """Delete what processes that are gone have left behind.

    Args:
        kind: of files and folders.
        folder: where; the system's folder for temporary files by default.
    """
    if not _PROCESSES.exists():
        return  # nobody could tell which processes live
    for path in Path(folder or tempfile.gettempdir()).glob(f"{_NAME}{kind}-*"):
        owner = path.name.removeprefix(f"{_NAME}{kind}-").split("-")[0]
        if owner.isdigit() and not (_PROCESSES / owner).exists():
            _delete(path, kind)


def _delete(path: Path, kind: str) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass  # another process that starts deletes it too
    except OSError as error:  # another user's, perhaps
        _log.warning("something old could not be deleted", kind=kind, error=type(error).__name__)
