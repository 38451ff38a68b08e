"""The model that passed its gate: a pointer file that the server reads and 'promote' writes.

``MODELS/promoted/KIND.json`` names a directory beside it; the same layout serves every kind of model of the
product. Writing is atomic: a server that reads at any moment sees the old pointer or the new one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr.base import ModelError

RECOGNISER = "recogniser"


@dataclass(slots=True)
class Promotions:
    """What was promoted, and what can be rolled back to.

    Attributes:
        stack: folder names, the served one last; empty means that none is.
        history: one entry for each promotion and rollback, oldest first.
    """

    stack: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def promoted_folder(models: Path, kind: str = RECOGNISER) -> Path:
    """Return the folder of promoted models of one kind."""
    return models.expanduser() / "promoted" / kind


def _pointer(models: Path, kind: str) -> Path:
    return promoted_folder(models, kind).with_suffix(".json")


def read_promotions(models: Path, kind: str = RECOGNISER) -> Promotions:
    """Read the pointer file; without one, nothing was promoted.

    Raises:
        ModelError: it is damaged.
    """
    path = _pointer(models, kind)
    if not path.is_file():
        return Promotions()
    try:
        found = json.loads(path.read_text("utf-8"))
        return Promotions(stack=_names(found["stack"]), history=list(found["history"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} is damaged; restore it from a backup, or remove it and promote again"
        ) from error


def _names(stack: Any) -> list[str]:
    if not isinstance(stack, list) or not all(isinstance(n, str) and n == Path(n).name for n in stack):
        raise ValueError("not a list of folder names")
    return stack


def write_promotions(models: Path, promotions: Promotions, kind: str = RECOGNISER) -> None:
    """Replace the pointer file, whole or not at all."""
    path = _pointer(models, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(promotions), ensure_ascii=False, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def promoted_directory(models: Path, kind: str = RECOGNISER) -> Path | None:
    """Return the directory of the promoted model, None if there is none.

    Raises:
        ModelError: the pointer is damaged, or names a directory that is gone.
    """
    promotions = read_promotions(models, kind)
    if not promotions.stack:
        return None
    path = promoted_folder(models, kind) / promotions.stack[-1]
    if not path.is_dir():
        raise ModelError(f"the promoted model {path} is gone; restore it, or run 'rollback'")
    return path
