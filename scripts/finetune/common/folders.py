"""Results appear whole or not at all: a step works in ``OUT.partial`` and renames it when it is done."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from models.files import replace_file
from scripts.finetune.common.errors import FinetuneError

SETTINGS = "settings.json"
LOCK = ".lock"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    replace_file(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write JSON lines, whole or not at all."""
    replace_file(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        FinetuneError: there is no such file, or it is not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise FinetuneError(f"no file {path}") from error
    except ValueError as error:
        raise FinetuneError(f"{path} is not valid JSON") from error


def read_rows(path: Path) -> list[Any]:
    """Read JSON lines.

    Raises:
        FinetuneError: there is no such file, or a line is not JSON.
    """
    try:
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    except FileNotFoundError as error:
        raise FinetuneError(f"no file {path}; run prepare again") from error
    except ValueError as error:
        raise FinetuneError(f"{path} is damaged; run prepare again") from error


@contextlib.contextmanager
def no_traceback_when_full(kept: Path) -> Iterator[None]:
    """Turn a full disk into one line that says what is kept.

    Raises:
        FinetuneError: a write failed for want of space.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise FinetuneError(
            f"no space left for {kept}: free some and run the same command again; what is done is kept"
        ) from error


def is_main_process() -> bool:
    """Tell whether this process, of those that train together, writes results; without asking torch."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def building(out: Path, settings: dict[str, Any], *, writes: bool = True) -> Iterator[Path]:
    """Give a folder to work in, and make it ``out`` when the block is left without an error.

    What was half done with the same settings is given again, so that a step can go on.

    Args:
        out: the result; must not exist.
        settings: everything that the result depends on, as JSON.
        writes: False gives a folder that is thrown away: another process of the run writes ``out``.

    Raises:
        FinetuneError: ``out`` exists, other settings began it, or the disk is full.
    """
    if not writes:
        with tempfile.TemporaryDirectory() as thrown_away:
            yield Path(thrown_away)
        return
    refuse_existing(out)
    partial = out.with_name(out.name + ".partial")
    with no_traceback_when_full(partial):
        partial.mkdir(parents=True, exist_ok=True, mode=0o700)  # call texts are personal data
        with alone(partial):
            same_settings(partial, settings)
            yield partial
            (partial / LOCK).unlink()
            partial.rename(out)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of ``folder``; a killed process keeps nobody out.

    Raises:
        FinetuneError: another run is working there.
    """
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FinetuneError(f"another run is working on {folder}; wait for it") from error
        yield


def refuse_existing(out: Path) -> None:
    """Refuse to overwrite a result.

    Raises:
        FinetuneError: ``out`` exists.
    """
    if out.exists():
        raise FinetuneError(f"{out} exists and is not overwritten; choose another --out or remove it")


def same_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a step on its first start, and compare them on every later one.

    Raises:
        FinetuneError: the folder was begun with others; the message names them.
    """
    wanted = json.loads(json.dumps(settings, default=str))
    path = folder / SETTINGS
    if not path.exists():
        write_json(path, wanted)
        return
    found = read_json(path)
    changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if changed:
        raise FinetuneError(
            f"{folder} was begun with other settings ({', '.join(changed)}); remove it to begin again"
        )
