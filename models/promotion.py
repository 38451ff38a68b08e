"""The model that passed its gate: a pointer file that the server reads and 'promote' writes.

``MODELS/promoted/KIND.json`` names a directory beside it; the same layout serves every kind of model of the
product. Writing is atomic: a server that reads at any moment sees the old pointer or the new one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ModelError
from models.files import replace_file

RECOGNISER = "recogniser"
KINDS = (RECOGNISER, "emotion", "speaker", "segmentation")
"""What can be promoted."""
PROMOTED = "promoted"
"""Setting that takes the promoted model, and nothing else."""


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
            f"{path} is damaged; restore it from a backup, or name a model in asr.model until then"
        ) from error


def _names(stack: Any) -> list[str]:
    if not isinstance(stack, list) or not all(isinstance(n, str) and n == Path(n).name for n in stack):
        raise ValueError("not a list of folder names")
    return stack


def write_promotions(models: Path, promotions: Promotions, kind: str = RECOGNISER) -> None:
    """Replace the pointer file, whole or not at all."""
    path = _pointer(models, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(asdict(promotions), ensure_ascii=False, indent=1) + "\n")


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


def chosen_directory(setting: str, models: Path, kind: str, bundled: Path) -> Path:
    """Return the directory that a setting of one kind of model means.

    Args:
        setting: ``auto`` (the promoted model, else the bundled one), ``promoted``, ``bundled``, or a path.
        models: folder of installed models.
        kind: of model.
        bundled: directory of the bundled model.

    Raises:
        ModelError: nothing was promoted, or the pointer is damaged.
    """
    if setting in ("auto", PROMOTED):
        promoted = promoted_directory(models, kind)
        if promoted is not None:
            return promoted
        if setting == PROMOTED:
            raise ModelError(f"no {kind} model was promoted; set it to auto")
    return bundled if setting in ("auto", "bundled") else Path(setting).expanduser()
