"""What people read, in 繁體中文 and English. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).with_name("i18n")
LANGUAGES = {"zh-Hant": "zh-Hant-HK", "en": "en"}
"""By name, and as HTML has it: characters are drawn as in Hong Kong."""
USUAL = "zh-Hant"


def _read(language: str) -> dict[str, str]:
    tables = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    return {f"{table}.{key}": text for table, rows in tables.items() for key, text in rows.items()}


TEXTS: Mapping[str, Mapping[str, str]] = {language: _read(language) for language in LANGUAGES}
"""By language and key, such as ``desk.idle``."""


def language_of(cookie: str | None, accepted: str) -> str:
    """Return a person's language.

    Args:
        cookie: what they chose.
        accepted: the header Accept-Language.
    """
    if cookie in LANGUAGES:
        return str(cookie)
    first = accepted.split(",")[0].strip().lower()
    return "en" if first.startswith("en") else USUAL
