"""Tables of words: spoken to written, words of one meaning, phrases that mean nothing, how common words are.

The bundled tables are ``suggest/lexicon/*.toml``; a company adds files of the same form:

    [fold]                      # spoken = written
    "唔見咗" = "遺失"
    [shell]                     # what people say around a question
    phrases = ["我想問下"]
    [[concept]]                 # one meaning, many words
    name = "lose"
    zh = ["遺失", "唔見咗"]
    en = ["lost", "missing"]
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cantonese.keys import key_form, pieces
from suggest.base import KnowledgeError
from suggest.text.english import stem

BUNDLED = tuple(
    Path(__file__).parents[1] / "lexicon" / f"{name}.toml"
    for name in ("folds", "concepts", "everyday", "shells")
)
_BACKGROUND = Path(__file__).parents[1] / "lexicon" / "background.json"
INTENT = "ask-"
"""Concepts whose name begins so say what kind of question it is (when, how), not what it is about."""
LONGEST_FORM = 10
WEIGHTS_KEPT = 500_000
_COMMONEST, _RAREST = 2.4, 4.9
"""log10 of total/(count+20) of 我哋, and of a pair that was never seen, in the background table."""


class _Concept(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    zh: tuple[str, ...] = ()
    en: tuple[str, ...] = ()


class _Shells(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    phrases: tuple[str, ...] = ()


class _Tables(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    fold: dict[str, str] = {}
    shell: _Shells = _Shells()
    concept: tuple[_Concept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLexicon:
    """The tables in key form.

    Attributes:
        folds: written form by spoken one.
        shells: phrases without meaning of their own.
        concepts: names of meanings by Chinese form.
        english: the same by English stems, joined by spaces.
        pairs: how often two characters meet in everyday Cantonese.
        chars: how often a character occurs there.
        total: pairs in all.
        forms: everything that is to be found in a text.
        longest: size of the longest form by its first character.
    """

    folds: dict[str, str] = field(default_factory=dict)
    shells: frozenset[str] = frozenset()
    concepts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    english: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: dict[str, int] = field(default_factory=dict)
    chars: dict[str, int] = field(default_factory=dict)
    total: int = 1
    forms: frozenset[str] = frozenset()
    longest: dict[str, int] = field(default_factory=dict)
    _weights: dict[str, float] = field(default_factory=dict)

    def weight(self, key: str) -> float:
        """Return how much a run of characters tells about what somebody wants, 0 to 1."""
        known = self._weights.get(key)
        if known is None:
            if len(self._weights) > WEIGHTS_KEPT:
                self._weights.clear()
            known = self._weights[key] = round(self._weigh(key), 3)
        return known

    def _weigh(self, key: str) -> float:
        if key in self.shells:
            return 0.03
        if len(key) == 1:
            rarity = math.log10(self.total / (self.chars.get(key, 0) + 20))
            return min(1.0, max(0.02, (rarity - 1.8) / 2.4))
        count = min(self.pairs.get(key[at : at + 2], 0) for at in range(len(key) - 1))
        rarity = math.log10(self.total / (count + 20))
        return min(1.0, max(0.03, (rarity - _COMMONEST) / (_RAREST - _COMMONEST)))


def read_lexicon(extra: Sequence[Path] = ()) -> SearchLexicon:
    """Return the bundled tables and those of ``extra`` files, which win.

    Raises:
        KnowledgeError: a file is missing or wrong; the message names it and the place.
    """
    return _built(tuple((path, _text(path)) for path in (*BUNDLED, *extra)))


@lru_cache(maxsize=4)  # by what stands in the files: a reload must see a changed one
def _built(files: tuple[tuple[Path, str], ...]) -> SearchLexicon:
    background = json.loads(_BACKGROUND.read_text("utf-8"))
    tables = [_table(path, text) for path, text in files]
    concepts: dict[str, set[str]] = {}
    english: dict[str, set[str]] = {}
    for concept in (concept for table in tables for concept in table.concept):
        for form in concept.zh:
            concepts.setdefault(_joined(form), set()).add(concept.name)
        for form in concept.en:
            english.setdefault(" ".join(_stems(form)), set()).add(concept.name)
    folds = {_joined(old): _joined(new) for table in tables for old, new in table.fold.items()}
    shells = frozenset(_joined(phrase) for table in tables for phrase in table.shell.phrases)
    forms = frozenset(form for form in (*folds, *shells, *concepts) if 0 < len(form) <= LONGEST_FORM)
    longest: dict[str, int] = {}
    for form in forms:
        longest[form[0]] = max(len(form), longest.get(form[0], 0))
    return SearchLexicon(
        folds=folds,
        shells=shells,
        forms=forms,
        longest=longest,
        concepts=_frozen(concepts),
        english=_frozen(english),
        pairs=background["pairs"],
        chars=background["chars"],
        total=background["total"],
    )


def _frozen(found: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {form: tuple(sorted(names)) for form, names in found.items() if form}


def _joined(text: str) -> str:
    """Return a form without spaces and marks."""
    return "".join(pieces(key_form(text)))


def _stems(text: str) -> Iterable[str]:
    return (stem(piece) for piece in pieces(key_form(text)))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KnowledgeError(f"{path}: cannot be read ({type(error).__name__})") from error


def _table(path: Path, text: str) -> _Tables:
    try:
        content: dict[str, Any] = tomllib.loads(text)
        return _Tables.model_validate(content)
    except tomllib.TOMLDecodeError as error:
        raise KnowledgeError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise KnowledgeError(f"{path}: {place}: {problem['msg']}") from error
