"""A lexicon in TOML, compiled: the bundled one, and what a tenant adds to it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cantonese.characters import fold_width_and_case

BUNDLED = Path(__file__).with_name("lexicon.toml")
POLARITIES = ("negative", "positive", "neutral")
_NESTED = re.compile(r"\([^()]*[+*][^()]*\)([+*]|\{\d*,)")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\(\?P=")
_FIELDS = {"name", "weight", "polarity", "negated", "terms", "patterns", "unless", "private"}


class LexiconError(Exception):
    """A lexicon cannot be used; the message names file, category and reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Words that mean the same for us.

    Attributes:
        key: name in the file.
        name: for people.
        weight: of one word, in [0, 1].
        polarity: negative, positive or neutral.
        negated: share of the weight behind a negation.
        private: the words are never shown.
        expression: finds them; None where the category has no words.
        unless: what overlaps one of these does not count.
        terms: the plain ones, folded: what may be shown as it is.
        sources: the expressions that ``expression`` is made of.
        exceptions: the same for ``unless``.
    """

    key: str
    name: str
    weight: float
    polarity: str
    negated: float
    private: bool
    expression: re.Pattern[str] | None
    unless: re.Pattern[str] | None
    terms: frozenset[str]
    sources: tuple[str, ...]
    exceptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmotionLexicon:
    """Categories by key."""

    categories: Mapping[str, Category]


def load_lexicon(extra: Sequence[Path] = ()) -> EmotionLexicon:
    """Return the bundled lexicon with the files in ``extra`` added to it, each over the one before.

    A category of a known name gets further words, and new values for what else it names; one of a new name is
    added.

    Raises:
        LexiconError: a file is missing or wrong.
    """
    found = dict(_bundled().categories)
    for path in extra:
        for key, fields in _read(path).items():
            found[key] = _category(path, key, fields, found.get(key))
    return EmotionLexicon(found)


@lru_cache(maxsize=1)
def _bundled() -> EmotionLexicon:
    return EmotionLexicon(
        {key: _category(BUNDLED, key, fields, None) for key, fields in _read(BUNDLED).items()}
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.expanduser().read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise LexiconError(f"no file {path}") from error
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: ~ of nobody, or too deep
        raise LexiconError(f"{path}: cannot be read as UTF-8 text") from error
    except ValueError as error:
        raise LexiconError(f"{path}: {error}") from error


def _category(path: Path, key: str, fields: Any, known: Category | None) -> Category:
    if not isinstance(fields, dict):
        raise LexiconError(f"{path}: {key} must be a table, as in [{key}]")
    if unknown := set(fields) - _FIELDS:
        raise LexiconError(f"{path}: [{key}] has no field {sorted(unknown)[0]!r}; there are {_fields()}")
    try:
        return _checked(key, fields, known)
    except (TypeError, ValueError, re.error, OverflowError, RecursionError, MemoryError) as error:
        raise LexiconError(f"{path}: [{key}]: {error}") from error


def _fields() -> str:
    return ", ".join(sorted(_FIELDS))


def _checked(key: str, fields: dict[str, Any], known: Category | None) -> Category:
    start = known or Category(
        key=key, name=key, weight=0.5, polarity="negative", negated=0.0, private=False,
        expression=None, unless=None, terms=frozenset(), sources=(), exceptions=(),
    )  # fmt: skip
    sources = (*start.sources, *map(term_expression, _texts(fields, "terms")), *_patterns(fields, "patterns"))
    exceptions = (*start.exceptions, *_patterns(fields, "unless"))
    polarity = fields.get("polarity", start.polarity)
    if polarity not in POLARITIES:
        raise ValueError(f"polarity must be one of {', '.join(POLARITIES)}")
    return replace(
        start,
        name=str(fields.get("name", start.name)),
        weight=_share(fields, "weight", start.weight),
        negated=_share(fields, "negated", start.negated),
        polarity=polarity,
        private=bool(fields.get("private", start.private)),
        expression=_alternatives(sources),
        terms=start.terms | {fold_width_and_case(text.strip()) for text in _texts(fields, "terms")},
        unless=_alternatives(exceptions),
        sources=sources,
        exceptions=exceptions,
    )


def _texts(fields: dict[str, Any], name: str) -> list[str]:
    texts = fields.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{name} must be a list of texts")
    return texts


def _patterns(fields: dict[str, Any], name: str) -> list[str]:
    patterns = _texts(fields, name)
    for pattern in patterns:
        re.compile(pattern)  # alone, so that an error is about it
        if _NESTED.search(pattern):
            raise ValueError(
                f"{name}: {pattern!r} repeats a repetition, which may take for ever on some texts"
            )
        if _BACK_REFERENCE.search(pattern):
            raise ValueError(f"{name}: {pattern!r} refers back to a group, which does not work here")
    return patterns


def _share(fields: dict[str, Any], name: str, default: float) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1")
    return float(value)


def term_expression(text: str) -> str:
    """Return the expression of a plain term; Latin edges must be edges of words."""
    folded = fold_width_and_case(text.strip())
    left = r"(?<![a-z0-9])" if re.match("[a-z0-9]", folded) else ""
    right = r"(?![a-z0-9])" if re.search("[a-z0-9]$", folded) else ""
    return f"{left}{re.escape(folded)}{right}"


def _alternatives(sources: Sequence[str]) -> re.Pattern[str] | None:
    longest_first = sorted(sources, key=len, reverse=True)
    if not sources:
        return None
    return re.compile("|".join(f"(?:{source})" for source in longest_first), re.IGNORECASE)
