"""Which recogniser a setting means: bundled, promoted, known by name, or a directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asr.directory import ModelDirectory, read_recogniser
from models import ModelError
from models.promotion import PROMOTED, promoted_directory
from models.registry import BUNDLED, TINY, RegistryEntry, entries

PACKAGED = Path(__file__).parent
"""Folder of the models that come with this package."""
BUNDLED_PATH = PACKAGED / BUNDLED
TINY_PATH = PACKAGED / TINY
MODELS_DIR = "~/.local/share/yuetone/models"
"""Where fetched and promoted models lie, unless settings say otherwise."""


def directory_of(entry: RegistryEntry, models: Path) -> Path:
    """Return where a recogniser known by name lies, or would."""
    return PACKAGED / entry.name if entry.comes_with_us else models.expanduser() / entry.name


def is_installed(entry: RegistryEntry, models: Path) -> bool:
    """Tell whether the weights of a recogniser are there."""
    return (directory_of(entry, models) / "model.bin").is_file()


def find_recogniser(model: str, models: Path) -> ModelDirectory:
    """Return the directory that ``model`` means.

    Args:
        model: ``auto`` (the promoted model, else the installed one of the highest rank), ``promoted``,
            a registry name, or a path.
        models: folder of installed models.

    Raises:
        ModelError: there is no such model, or it is not installed; the message names the fix.
    """
    if model in ("auto", PROMOTED):
        promoted = promoted_directory(models)
        if promoted is not None:
            return read_recogniser(promoted)
        if model == PROMOTED:
            raise ModelError("no model was promoted; see docs/finetuning.md, or set asr.model to auto")
        installed = [entry for entry in entries().values() if is_installed(entry, models)]
        return _declared(max(installed, key=lambda entry: entry.rank, default=entries()[BUNDLED]), models)
    entry = entries().get(model)
    if entry is None:
        return read_recogniser(Path(model).expanduser())
    if not is_installed(entry, models):
        raise ModelError(f"model {model} is not installed; run 'yuetone models pull {model}'")
    return _declared(entry, models)


def _declared(entry: RegistryEntry, models: Path) -> ModelDirectory:
    directory = read_recogniser(directory_of(entry, models), entry.name, context_s=entry.min_context_s)
    return replace(directory, language=entry.language, languages=entry.languages)
