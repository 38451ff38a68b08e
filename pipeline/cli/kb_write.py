"""``yuetone kb import``, ``remove``, ``check``, ``gaps`` and ``template``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from pipeline.cli.kb import JsonOption, TenantOption, app, index_progress, opened
from pipeline.errors import SettingsError
from suggest.base import KnowledgeError, today
from suggest.gaps.clusters import grouped, words_of
from suggest.gaps.report import page, table
from suggest.reading.base import Options, Reading
from suggest.reading.columns import COLUMNS, TEMPLATE
from suggest.reading.files import find_files, read_files
from suggest.store.knowledge import Change

_SPAN = re.compile(r"(\d+)([hdw])$")
_SHOWN = 20


# ------------------------------------------------------------------ import


@app.command("import")
def import_files(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(help="CSV, TSV, XLSX, JSONL, MD, HTML, DOCX, PDF, or folders of them.")
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="ours=theirs, such as question_zh=問題; may be repeated."),
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook; else the first.")] = None,
    tenant: TenantOption = "",
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove articles that came from these files and are in them no more."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change; change nothing.")
    ] = False,
) -> None:
    """Import tables and manuals. All or nothing: one wrong cell, and the knowledge base stays as it is.

    Tables have one article a row ('yuetone kb template' writes the columns); the same id again changes the
    article, and what is the same already is left alone. Manuals are cut at their headings.

    Examples:
        yuetone kb import faq.csv

        yuetone kb import faq.xlsx --sheet 2026 --map question_zh=問題 --map answer_zh=答案 --dry-run

        yuetone kb import manuals/ --prune
    """
    errors = Console(stderr=True)
    try:
        files = find_files(paths)
    except KnowledgeError as error:
        raise SettingsError(str(error)) from error
    options = Options(tenant=tenant, columns=_mapping(columns or []), sheet=sheet)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("reading", total=len(files))
        reading = read_files(files, options, lambda: progress.advance(task))
    for note in reading.notes:
        typer.echo(f"note: {note}", err=True)
    if reading.problems:
        _refuse(reading)
    with opened(context, index=False) as base:
        gone = base.store.no_longer_in(reading.articles) if prune else []
        change = (
            base.store.compare(reading.articles, gone)
            if dry_run
            else base.store.write(reading.articles, gone)
        )
        _report(change, base.store.name, dry_run=dry_run)
        if not dry_run:
            with index_progress(errors) as told:
                base.sync(told)


def _mapping(given: Sequence[str]) -> dict[str, str]:
    """Return our columns by theirs."""
    mapping = {}
    for pair in given:
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in COLUMNS or not theirs:
            raise SettingsError(f"--map: {pair!r} is not ours=theirs; ours are {', '.join(COLUMNS)}")
        mapping[theirs.strip()] = ours
    return mapping


def _refuse(reading: Reading) -> None:
    for problem in reading.problems:
        typer.secho(f"yuetone: {problem}", err=True, fg=typer.colors.RED)
    typer.echo(f"{len(reading.problems)} problems; nothing was imported", err=True)
    sys.exit(1)


def _report(change: Change, name: str, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    counts = f"{len(change.added)} {would}added, {len(change.changed)} {would}changed, "
    typer.echo(f"{counts}{len(change.removed)} {would}removed, {change.unchanged} unchanged in {name}")
    for what, keys in (("add", change.added), ("change", change.changed), ("remove", change.removed)):
        if dry_run and keys:
            shown = ", ".join(article_id for _tenant, article_id in keys[:_SHOWN])
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            typer.echo(f"  {what}: {shown}{more}")


@app.command()
def remove(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(help="Of articles.")],
    tenant: TenantOption = "",
) -> None:
    """Remove articles; their history stays.

    Examples:
        yuetone kb remove t13 t14
    """
    with opened(context, index=False) as base:
        unknown = [article_id for article_id in ids if base.store.get(tenant, article_id) is None]
        if unknown:
            raise SettingsError(f"no article has the id {unknown[0]!r}; nothing was removed")
        change = base.store.write([], [(tenant, article_id) for article_id in ids])
        base.sync()
        _report(change, base.store.name, dry_run=False)


@app.command()
def template(file: Annotated[Path, typer.Argument(help="CSV to write.")]) -> None:
    """Write an empty table with the columns that an import takes.

    Examples:
        yuetone kb template faq.csv
    """
    if file.exists():
        raise SettingsError(f"{file} is there already")
    try:
        file.write_text("\ufeff" + ",".join(TEMPLATE) + "\n", "utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written ({error.strerror})") from error
    typer.echo(f"{file}; further columns: {', '.join(name for name in COLUMNS if name not in TEMPLATE)}")


# ------------------------------------------------------------------ what is wrong, what is missing


@app.command()
def check(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only this company's own articles.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find missing languages, old entries, contradictions and doubles; exit status 1 if there is something.

    Examples:
        yuetone kb check

        yuetone kb check --json | jq 'select(.kind == "contradiction")'
    """
    errors = Console(stderr=True)
    with opened(context) as base:
        count = base.store.count()
        found = 0
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
            task = progress.add_task("checking", total=count)
            articles = base.store.all(None if tenant is None else (tenant,))
            for finding in base.check(articles, today(), lambda: progress.advance(task)):
                found += 1
                if as_json:
                    fields = {
                        "kind": finding.kind,
                        "articles": list(finding.articles),
                        "tenant": finding.tenant,
                        "message": finding.message,
                    }
                    sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")
                else:
                    typer.echo(f"{finding.kind}: {' and '.join(finding.articles)}: {finding.message}")
    if not as_json:
        typer.echo(f"{found} findings in {count} articles")
    sys.exit(1 if found else 0)


@app.command()
def gaps(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="How far back: 12h, 7d or 4w.")] = "7d",
    out: Annotated[Path, typer.Option(help="Folder for gaps.html and gaps.csv.")] = Path(),
    tenant: Annotated[str | None, typer.Option(help="Only this company's calls.")] = None,
) -> None:
    """Report what customers asked and nothing answered: the list of what to write next.

    Texts are masked. The CSV has the columns of the template, to be filled in and imported.

    Examples:
        yuetone kb gaps --since 7d --out report
    """
    span = _SPAN.match(since)
    if not span:
        raise SettingsError("--since must be a number and h, d or w, such as 7d")
    hours = int(span[1]) * {"h": 1, "d": 24, "w": 168}[span[2]]
    until = datetime.now(UTC)
    begin = until - timedelta(hours=min(hours, 24 * 3650))
    with opened(context, index=False) as base:
        asked = list(base.record.questions(begin, tenant))
        told = list(base.record.feedback(begin, tenant))
        groups = grouped(asked, base.lexicon)
        words = words_of(asked, base.lexicon)
    html = page(groups, words, told, since=begin, until=until, tenant=tenant)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "gaps.html").write_text(html, "utf-8")
        (out / "gaps.csv").write_text(table(groups), "utf-8", newline="")
    except OSError as error:
        raise SettingsError(f"{out} cannot be written ({error.strerror})") from error
    typer.echo(f"{len(asked)} questions without a good answer in {len(groups)} groups: {out / 'gaps.html'}")
