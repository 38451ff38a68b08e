"""``yuetone kb``: looking into the knowledge base. What changes it is in :mod:`pipeline.cli.kb_write`."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from models.files import replacing
from pipeline.cli.serve import ConfigOption, flags
from pipeline.config import load_settings
from pipeline.engines import open_knowledge
from pipeline.errors import SettingsError
from pipeline.sections.suggest import SuggestSettings
from suggest.base import CHINESE, Article, SuggestError
from suggest.knowledge import KnowledgeBase

app = typer.Typer(
    help="The knowledge base: import, search, check, and what is missing in it.", no_args_is_help=True
)
TenantOption = Annotated[str, typer.Option(help="Company; its own articles besides those of everybody.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What stands before the command."""

    settings: SuggestSettings


@app.callback()
def chosen(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(help="SQLite file, or URL such as postgresql://host/name [default: suggest.store]."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Choose the store, for every command.

    Examples:
        yuetone kb import faq.csv

        yuetone kb --store postgresql://kb.example/knowledge check
    """
    settings = load_settings(config, flags(suggest={"store": store}))
    context.obj = Chosen(settings=settings.suggest)


@contextmanager
def opened(context: typer.Context, *, index: bool = True) -> Iterator[KnowledgeBase]:
    """Yield the knowledge base, its index up to date; problems become one line."""
    settings = cast("Chosen", context.obj).settings
    errors = Console(stderr=True)
    try:
        base = open_knowledge(settings)
        try:
            if index:
                with index_progress(errors) as told:
                    base.sync(told)
                base.learn_from_feedback()
            yield base
        finally:
            base.close()
    except SuggestError as error:
        raise SettingsError(str(error)) from error
    except (SQLAlchemyError, OSError) as error:
        raise SettingsError(f"the knowledge base cannot be used now ({type(error).__name__})") from error


@contextmanager
def index_progress(errors: Console) -> Iterator[Any]:
    """Yield what shows how many articles have been indexed, on a terminal."""
    columns = (SpinnerColumn(), TextColumn("indexing, {task.completed:.0f} articles"))
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("index", total=None)
        yield lambda count: progress.update(task, completed=count)


# ------------------------------------------------------------------ looking


@app.command("list")
def list_articles(
    context: typer.Context,
    category: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Only this company's own articles; '' for everybody's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List articles.

    Examples:
        yuetone kb list --category 帳單

        yuetone kb list --json | jq -r .id
    """
    with opened(context, index=False) as base:
        found = base.store.all(None if tenant is None else (tenant,), category)
        if as_json:
            for article in found:
                sys.stdout.write(json.dumps(_row(article), ensure_ascii=False) + "\n")
            return
        table = Table("id", "category", "question", "version", "tenant", box=None)
        count = 0
        for article in found:
            count += 1
            question = article.question(CHINESE)
            table.add_row(article.id, article.category, question, str(article.version), article.tenant)
        console = Console()
        if count:
            console.print(table)
        console.print(f"{count} articles in {base.store.name}", markup=False)


@app.command()
def show(context: typer.Context, article_id: Annotated[str, typer.Argument(help="Of the article.")],
         tenant: TenantOption = "", as_json: JsonOption = False) -> None:  # fmt: skip
    """Show an article.

    Examples:
        yuetone kb show t13
    """
    with opened(context, index=False) as base:
        article = _found(base, tenant, article_id)
    if as_json:
        sys.stdout.write(json.dumps(_row(article), ensure_ascii=False) + "\n")
        return
    console = Console()
    for name, value in _row(article).items():
        if value:
            console.print(f"{name:<12} {value}", markup=False, soft_wrap=True)


def _found(base: KnowledgeBase, tenant: str, article_id: str) -> Article:
    for owner in dict.fromkeys((tenant, "")):
        article = base.store.get(owner, article_id)
        if article is not None:
            return article
    raise SettingsError(f"no article has the id {article_id!r}; see 'yuetone kb list'")


def _row(article: Article) -> dict[str, Any]:
    from suggest.reading.tables import as_row  # noqa: PLC0415 (keeps --help fast)

    return {**as_row(article), "version": article.version}


@app.command()
def history(context: typer.Context, article_id: Annotated[str, typer.Argument(help="Of the article.")],
            tenant: TenantOption = "", as_json: JsonOption = False) -> None:  # fmt: skip
    """Show every version of an article, also of a removed one.

    Examples:
        yuetone kb history t13
    """
    with opened(context, index=False) as base:
        versions = base.store.history(tenant, article_id)
    if not versions:
        raise SettingsError(f"no article ever had the id {article_id!r}")
    before: dict[str, Any] = {}
    console = Console()
    for version in versions:
        row = _row(replace(version.article, version=version.version))
        if as_json:
            line = {
                "version": version.version,
                "action": version.action,
                "at": version.changed_at.isoformat(),
                **row,
            }
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            continue
        changed = [name for name, value in row.items() if value != before.get(name) and name != "version"]
        told = f": {', '.join(changed)}" if before and version.action == "changed" else ""
        console.print(
            f"{version.version:>3}  {version.changed_at:%Y-%m-%d %H:%M}  {version.action}{told}", markup=False
        )
        before = row


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or JSONL to write, by its ending.")],
    tenant: Annotated[
        str | None, typer.Option(help="Only this company's own articles; '' for everybody's.")
    ] = None,
) -> None:
    """Write all articles to a file that 'kb import' takes again.

    Examples:
        yuetone kb export all.csv
    """
    from suggest.reading.columns import COLUMNS  # noqa: PLC0415 (keeps --help fast)
    from suggest.reading.tables import as_cell, as_row  # noqa: PLC0415

    if file.suffix.lower() not in (".csv", ".jsonl"):
        raise SettingsError("kb export: the file must end in .csv or .jsonl")
    count = 0
    with opened(context, index=False) as base:
        try:
            with replacing(file) as data:
                out = io.TextIOWrapper(data, "utf-8", newline="")
                writer = csv.writer(out)
                if file.suffix.lower() == ".csv":
                    out.write("\ufeff")
                    writer.writerow(COLUMNS)
                for article in base.store.all(None if tenant is None else (tenant,)):
                    row = as_row(article)
                    count += 1
                    if file.suffix.lower() == ".jsonl":
                        out.write(json.dumps(row, ensure_ascii=False) + "\n")
                    else:
                        writer.writerow([as_cell(value) for value in row.values()])
                out.detach()  # written through; the file itself is closed by the block
        except OSError as error:
            raise SettingsError(f"{file} cannot be written ({error.strerror})") from error
    typer.echo(f"{count} articles in {file}")
