"""Models by name: what exists, where it comes from, what is installed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

BUNDLED = "bundled"
"""Name of the recogniser that comes with the package."""
_ENTRIES = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A recogniser known by name; see ``registry.toml`` for what the fields mean."""

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


@lru_cache(maxsize=1)
def entries() -> dict[str, RegistryEntry]:
    """Return all known recognisers by name."""
    raw = tomllib.loads(_ENTRIES.read_text("utf-8"))
    return {
        name: RegistryEntry(name=name, **{**fields, "languages": tuple(fields["languages"])})
        for name, fields in raw.items()
    }
