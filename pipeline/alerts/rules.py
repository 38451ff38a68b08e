"""Alert rules: TOML in, checked rules out. An error names the line and the reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.calls.events import Severity
from pipeline.errors import SettingsError

DEFAULT = Path(__file__).with_name("default.toml")
SeverityName = Literal["info", "warning", "critical"]
RoleName = Literal["customer", "agent", "any"]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    severity: SeverityName = "warning"
    cooldown_s: float = Field(60.0, ge=0)
    max_per_call: int = Field(5, ge=1)
    expire_s: float = Field(600.0, gt=0)
    unless: tuple[str, ...] = ()
    unless_s: float = Field(30.0, ge=0)

    @field_validator("unless")
    @classmethod
    def _texts(cls, unless: tuple[str, ...]) -> tuple[str, ...]:
        if not all(text.strip() for text in unless):
            raise ValueError("an empty phrase would fit everything")
        return unless

    @property
    def urgency(self) -> Severity:
        """The severity as a number."""
        return Severity[self.severity.upper()]


class AgitationRule(_Rule):
    """The curve stays above a value."""

    when: Literal["agitation"]
    role: Literal["customer", "any"] = "customer"
    above: float = Field(0.5, gt=0, le=1)
    for_s: float = Field(0.5, ge=0)
    needs_support: bool = True
    escalate_above: float = Field(0.8, gt=0, le=1)
    escalated_severity: SeverityName = "critical"
    calm_below: float = Field(0.3, ge=0, lt=1)
    calm_for_s: float = Field(15.0, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> AgitationRule:
        if not self.calm_below < self.above <= self.escalate_above:
            raise ValueError("need calm_below < above <= escalate_above")
        return self


class WordsRule(_Rule):
    """Somebody says certain things."""

    when: Literal["words"]
    role: RoleName = "any"
    categories: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    above: float = Field(0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _something(self) -> WordsRule:
        if not self.categories and not self.phrases:
            raise ValueError("a words rule needs categories of the lexicon, or phrases")
        if not all(phrase.strip() for phrase in self.phrases):
            raise ValueError("an empty phrase would fit everything")
        return self


class DeadAirRule(_Rule):
    """Nobody speaks."""

    when: Literal["dead_air"]
    silence_s: float = Field(40.0, gt=0)


class FailedSuggestionsRule(_Rule):
    """Suggestions found no answer several times in a row: hand over."""

    when: Literal["failed_suggestions"]
    count: int = Field(2, ge=1)


Rule = AgitationRule | WordsRule | DeadAirRule | FailedSuggestionsRule
_ADAPTER: TypeAdapter[Rule] = TypeAdapter(Annotated[Rule, Field(discriminator="when")])


def load_rules(path: Path | None = None, categories: frozenset[str] | None = None) -> tuple[Rule, ...]:
    """Return the rules of a file; the built-in ones for None.

    Args:
        path: TOML file with ``[[rule]]`` tables.
        categories: of the lexicon; a rule may name no other.

    Raises:
        SettingsError: the file is missing or a rule is wrong; the message has file, line and reason.
    """
    path = path or DEFAULT
    return parse_rules(read_text(path), path, categories)


def read_text(path: Path) -> str:
    """Return the text of a file of rules.

    Raises:
        SettingsError: it is missing, or no text.
    """
    try:
        return path.expanduser().read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise SettingsError(f"no file {path}") from error
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # RuntimeError: ~ of nobody
        raise SettingsError(f"{path}: cannot be read as UTF-8 text") from error


def parse_rules(text: str, path: Path | str, categories: frozenset[str] | None = None) -> tuple[Rule, ...]:
    """Return the rules of a text.

    Args:
        text: TOML with ``[[rule]]`` tables.
        path: where it is from, for messages.
        categories: of the lexicon; a rule may name no other.

    Raises:
        SettingsError: a rule is wrong; the message has file, line and reason.
    """
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise SettingsError(f"{path}: nested too deeply") from error
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error
    if unknown := sorted(set(found) - {"rule"}):
        line = _line_of(text, rf"^\s*(\[+\s*)?{re.escape(unknown[0])}\b")
        raise SettingsError(f"{path}, line {line}: {unknown[0]!r} is not known; rules are [[rule]] tables")
    tables = found.get("rule", [])
    if not isinstance(tables, list):
        line = _line_of(text, r"^\s*(\[\s*)?rule")
        raise SettingsError(f"{path}, line {line}: write [[rule]], not [rule]")
    rules = tuple(_rule(path, text, number, table) for number, table in enumerate(tables))
    _check_names(path, text, rules)
    _check_categories(path, text, rules, categories)
    return rules


_REASONS = {
    "extra_forbidden": "unknown field",
    "tuple_type": "must be a list of texts",
    "union_tag_not_found": "when is missing: agitation, words, dead_air or failed_suggestions",
}


def _rule(path: Path | str, text: str, number: int, table: Any) -> Rule:
    try:
        return _ADAPTER.validate_python(table)
    except ValidationError as error:
        problem = error.errors()[0]
        key = next((str(part) for part in reversed(problem["loc"]) if part in table), "")
        reason = _REASONS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        if problem["type"] == "missing":
            reason = f"{problem['loc'][-1]} is missing"
        where = f"line {_line_in(text, number, key)}"
        raise SettingsError(f"{path}, {where}: {key + ': ' if key else ''}{reason}") from error


def _check_names(path: Path | str, text: str, rules: tuple[Rule, ...]) -> None:
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        if rule.name in seen:
            line = _line_in(text, number, "name")
            raise SettingsError(f"{path}, line {line}: a second rule is called {rule.name!r}")
        seen.add(rule.name)


def _check_categories(
    path: Path | str, text: str, rules: tuple[Rule, ...], categories: frozenset[str] | None
) -> None:
    for number, rule in enumerate(rules):
        unknown = set(getattr(rule, "categories", ())) - (categories or frozenset())
        if categories is not None and unknown:
            line = _line_in(text, number, "categories")
            raise SettingsError(
                f"{path}, line {line}: the lexicon has no category {sorted(unknown)[0]!r}; "
                f"there are {', '.join(sorted(categories))}"
            )


def _line_of(text: str, pattern: str) -> int:
    match = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, match.end()) + 1 if match else 1


def _line_in(text: str, number: int, key: str) -> int:
    """Return the line of ``key`` in the rule of that number, of the rule's head if it has none."""
    heads = [match.start() for match in re.finditer(r"^\s*\[\[\s*rule\s*\]\]", text, re.MULTILINE)]
    if number >= len(heads):
        return 1
    start = heads[number]
    end = heads[number + 1] if number + 1 < len(heads) else len(text)
    match = re.search(rf"^\s*{re.escape(key)}\s*=", text[start:end], re.MULTILINE) if key else None
    offset = start + (match.end() if match else text[start:end].index("[["))
    return text.count("\n", 0, offset) + 1
