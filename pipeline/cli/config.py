"""``yuetone config``."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel

from pipeline.cli.serve import ConfigOption
from pipeline.config import Settings, load_settings

app = typer.Typer(help="Show the settings in force, or what every one means.", no_args_is_help=True)


@app.command()
def show(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of TOML.")] = False,
) -> None:
    """Print all settings after file, environment and defaults.

    Examples:
        yuetone config show > yuetone.toml

        YUETONE_SERVER__PORT=6000 yuetone config show --json
    """
    values = load_settings(config).model_dump(mode="json")
    typer.echo(json.dumps(values, ensure_ascii=False, indent=2) if as_json else _toml(values))


@app.command()
def explain() -> None:
    """Print every key with its default and its meaning."""
    for key, default, meaning in _keys(Settings):
        typer.echo(f"{key} = {json.dumps(default, ensure_ascii=False, default=str)}\n    {meaning}")


def _keys(model: type[BaseModel], prefix: str = "") -> list[tuple[str, Any, str]]:
    rows: list[tuple[str, Any, str]] = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        inner = next((part for part in get_args(annotation) if _is_model(part)), None)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            rows += _keys(annotation, f"{prefix}{name}.")
        elif inner is not None:  # a list of them, or one for each name
            rows += _keys(inner, f"{prefix}{name}{'.NAME.' if get_origin(annotation) is dict else '[].'}")
        elif isinstance(annotation, type) and is_dataclass(annotation):
            rows += _fields(annotation, f"{prefix}{name}.")
        elif field.description:
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            rows.append((prefix + name, default, field.description))
    return rows


def _is_model(part: object) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _fields(settings: type[Any], prefix: str) -> list[tuple[str, Any, str]]:
    """Return the keys of settings that belong to an engine; their docstring says what they mean."""
    rows = []
    for entry in fields(settings):
        meaning = re.search(rf"^\s+{entry.name}: (.+)$", settings.__doc__ or "", re.MULTILINE)
        rows.append((prefix + entry.name, entry.default, meaning.group(1) if meaning else settings.__name__))
    return rows


def _toml(values: dict[str, Any], path: str = "", *, headed: bool = False) -> str:
    """Return nested values as TOML; keys that are not set are left out.

    Args:
        values: by key.
        path: of the table that they are in.
        headed: whether its heading is written already.
    """
    plain = [f"{k} = {_scalar(v)}" for k, v in values.items() if v is not None and not _is_table(v)]
    head = [f"\n[{path}]"] if path and plain and not headed else []
    tables = []
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            tables.append(_toml(value, name))
        elif _is_table(value):
            tables += [f"\n[[{name}]]\n{_toml(entry, name, headed=True)}" for entry in value]
    return "\n".join([*head, *plain, *tables])


def _is_table(value: Any) -> bool:
    """Tell whether TOML writes ``value`` under a heading: a mapping, or a list of them."""
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _scalar(value: Any) -> str:
    # TOML takes JSON's strings, numbers, booleans and arrays as they are.
    return json.dumps(value, ensure_ascii=False)
