"""A model directory on disk: what must be in it, and what it declares about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.declaration import DirectoryKind, read_directory
from models.files import replace_file

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


KIND = DirectoryKind(
    name="CTranslate2 Whisper directory",
    declaration=DECLARATION,
    required=("model.bin", "config.json", "tokenizer.json"),
    optional=True,
    fix="make one with 'yuetone models convert', or set asr.model to a name from 'yuetone models list'",
)


def read_recogniser(
    path: Path, name: str | None = None, *, context_s: float = STOCK_CONTEXT_S
) -> ModelDirectory:
    """Check ``path`` and read what it declares.

    A ``yuetone.toml`` beside the weights may set name, min_context_s, language, languages, hotword_tokens
    and partials; without one, the directory is taken for a stock Whisper.

    Args:
        path: the folder.
        name: for people; the declared one otherwise.
        context_s: shortest input of a model that does not declare its own.

    Raises:
        ModelError: the folder or a file in it is missing or unreadable.
    """

    def parse(folder: Path, declared: Mapping[str, Any]) -> ModelDirectory:
        return ModelDirectory(
            path=folder,
            name=name or str(declared.get("name", folder.name)),
            min_context_s=float(declared.get("min_context_s", context_s)),
            language=declared.get("language"),
            languages=tuple(declared.get("languages", ())),
            n_mels=_mels(folder),
            hotword_tokens=int(declared.get("hotword_tokens", STOCK_HOTWORD_TOKENS)),
            partials=declared.get("partials"),
        )

    return read_directory(path, KIND, parse)


def declare(path: Path, name: str, value: str | float) -> None:
    """Set one value of a model directory's declaration; the other ones stay.

    Raises:
        OSError: the folder cannot be written.
    """
    file = path / DECLARATION
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    kept = [line for line in lines if line.split("=")[0].strip() != name]
    replace_file(file, "\n".join([*kept, f"{name} = {json.dumps(value, ensure_ascii=False)}"]) + "\n")


def _mels(path: Path) -> int:
    file = path / "preprocessor_config.json"
    return int(json.loads(file.read_text("utf-8")).get("feature_size", 80)) if file.is_file() else 80
