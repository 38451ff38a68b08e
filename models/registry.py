"""Models by name: what exists, where it comes from, what is installed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

BUNDLED = "bundled"
"""Name of the recogniser that comes with the package and is served unless another one is chosen."""
TINY = "tiny"
"""Name of the small one that comes along: for tests, weak machines, and voices of the synthesiser."""
_ENTRIES = Path(__file__).with_name("registry.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A repository of the public hub.

    Attributes:
        repository: ``owner/name``.
        revision: branch or commit.
    """

    repository: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """Wheels of a Python package index.

    Attributes:
        packages: with their versions pinned, ``name==1.0.0``.
        files: for each file of the model, the members of the wheels that it is put together from, in order.
        sha256: of files that other sources may have otherwise.
    """

    packages: tuple[str, ...]
    files: Mapping[str, tuple[str, ...]]
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A recogniser known by name; see ``registry.toml`` for what the fields mean."""

    name: str
    summary: str
    format: str
    licence: str
    languages: tuple[str, ...]
    language: str
    min_context_s: float
    rank: int
    min_context_measured: bool = False
    hub: HubSource | None = None
    packages: PackageSource | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def comes_with_us(self) -> bool:
        """Whether the weights are part of this package."""
        return self.format == "packaged"


@lru_cache(maxsize=1)
def entries() -> dict[str, RegistryEntry]:
    """Return all known recognisers by name."""
    raw = tomllib.loads(_ENTRIES.read_text("utf-8"))
    return {name: _entry(name, fields) for name, fields in raw.items()}


def _entry(name: str, fields: dict[str, Any]) -> RegistryEntry:
    hub, packages = fields.pop("hub", None), fields.pop("packages", None)
    return RegistryEntry(
        name=name,
        hub=HubSource(**hub) if hub else None,
        packages=_packages(packages) if packages else None,
        **{**fields, "languages": tuple(fields["languages"])},
    )


def _packages(raw: dict[str, Any]) -> PackageSource:
    files = {name: tuple(members) for name, members in raw["files"].items()}
    return PackageSource(packages=tuple(raw["names"]), files=files, sha256=raw.get("sha256", {}))
