"""Lists of words, read once from the files beside this one: terms between ``|``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@cache
def _read(file: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{file}.toml").read_text("utf-8"))


def table(file: str, section: str) -> dict[str, list[str]]:
    """Return the lists of a section, by name."""
    return {name: _terms(text) for name, text in _read(file)[section].items()}


def words(file: str, section: str, name: str) -> list[str]:
    """Return one list."""
    return _terms(_read(file)[section][name])


def _terms(text: str) -> list[str]:
    return [" ".join(term.split()) for term in text.split("|") if term.strip()]


def any_of(terms: Iterable[str], *, space: str = r"\s") -> str:
    """Return a pattern of any of some terms, the longest first; ``space`` stands for their spaces."""
    longest_first = sorted(terms, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(term).replace(r"\ ", space) for term in longest_first) + ")"
