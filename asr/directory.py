"""A model directory on disk: what must be in it, and what it declares about itself."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.base import ModelError

REQUIRED = ("model.bin", "config.json", "tokenizer.json")
DECLARATION = "yuetone.toml"
STOCK_CONTEXT_S = 30.0
"""Whisper as published is trained on 30 s windows only (Radford et al. 2022, section 2.2)."""
STOCK_HOTWORD_TOKENS = 64
"""Longer prompts seed repetition loops (faster-whisper pull requests 731 and 1331)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDirectory:
    """A CTranslate2 Whisper directory.

    Attributes:
        path: the folder.
        name: for people, logs and Started.
        min_context_s: shortest input in seconds that the model reads well; audio is padded up to it.
        language: Whisper code to use when a call names none; None picks yue, else zh.
        languages: codes that the model is meant for; empty means not declared.
        n_mels: rows of the front end, 80 or 128.
        hotword_tokens: longest hotword prompt that the model bears.
        partials: what reads its partials best, ``ctc`` or ``decoder``; None means not declared.
    """

    path: Path
    name: str
    min_context_s: float = STOCK_CONTEXT_S
    language: str | None = None
    languages: tuple[str, ...] = ()
    n_mels: int = 80
    hotword_tokens: int = STOCK_HOTWORD_TOKENS
    partials: str | None = None


def read_directory(path: Path, name: str | None = None) -> ModelDirectory:
    """Check ``path`` and read what it declares.

    A ``yuetone.toml`` beside the weights may set name, min_context_s, language, languages, hotword_tokens
    and partials; without one, the directory is taken for a stock Whisper.

    Raises:
        ModelError: the folder or a file in it is missing or unreadable.
    """
    if not path.is_dir():
        raise ModelError(
            f"no model directory at {path}; set asr.model to an existing CTranslate2 Whisper directory "
            "or to a name from 'yuetone models list'"
        )
    missing = [file for file in REQUIRED if not (path / file).is_file()]
    if missing:
        raise ModelError(
            f"{path} is no CTranslate2 Whisper directory: {', '.join(missing)} missing; "
            "make one with 'yuetone models convert'"
        )
    try:
        declared = _declaration(path)
        return ModelDirectory(
            path=path,
            name=name or str(declared.get("name", path.name)),
            min_context_s=float(declared.get("min_context_s", STOCK_CONTEXT_S)),
            language=declared.get("language"),
            languages=tuple(declared.get("languages", ())),
            n_mels=_mels(path),
            hotword_tokens=int(declared.get("hotword_tokens", STOCK_HOTWORD_TOKENS)),
            partials=declared.get("partials"),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: {DECLARATION} or preprocessor_config.json is not valid") from error


def _declaration(path: Path) -> dict[str, Any]:
    file = path / DECLARATION
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}


def _mels(path: Path) -> int:
    file = path / "preprocessor_config.json"
    return int(json.loads(file.read_text("utf-8")).get("feature_size", 80)) if file.is_file() else 80
