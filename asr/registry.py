"""Recognisers by name: what exists, what is installed, which one ``auto`` means."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from asr.base import ModelError
from asr.directory import ModelDirectory, read_directory
from asr.promoted import promoted_directory

BUNDLED = "bundled"
PROMOTED = "promoted"
BUNDLED_PATH = Path(__file__).parent / "bundled"
_ENTRIES = Path(__file__).with_name("models.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A recogniser known by name; see ``models.toml`` for what the fields mean."""

    name: str
    summary: str
    source: str
    format: str
    licence: str
    languages: tuple[str, ...]
    language: str
    min_context_s: float
    rank: int
    revision: str | None = None

    def directory(self, models: Path) -> Path:
        """Return where the model lies, or would."""
        return BUNDLED_PATH if self.name == BUNDLED else models.expanduser() / self.name

    def installed(self, models: Path) -> bool:
        """Tell whether its weights are there."""
        return (self.directory(models) / "model.bin").is_file()


@lru_cache(maxsize=1)
def entries() -> dict[str, RegistryEntry]:
    """Return all known recognisers by name."""
    raw = tomllib.loads(_ENTRIES.read_text("utf-8"))
    return {
        name: RegistryEntry(name=name, **{**fields, "languages": tuple(fields["languages"])})
        for name, fields in raw.items()
    }


def resolve(model: str, models: Path) -> ModelDirectory:
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
            return read_directory(promoted)
        if model == PROMOTED:
            raise ModelError("no model was promoted; see docs/finetuning.md, or set asr.model to auto")
        installed = [entry for entry in entries().values() if entry.installed(models)]
        return _declared(max(installed, key=lambda entry: entry.rank, default=entries()[BUNDLED]), models)
    entry = entries().get(model)
    if entry is None:
        return read_directory(Path(model).expanduser())
    if not entry.installed(models):
        raise ModelError(f"model {model} is not installed; run 'yuetone models pull {model}'")
    return _declared(entry, models)


def _declared(entry: RegistryEntry, models: Path) -> ModelDirectory:
    directory = read_directory(entry.directory(models), entry.name)
    return replace(
        directory,
        min_context_s=entry.min_context_s,
        language=entry.language,
        languages=entry.languages,
    )
