"""``yuetone kb search``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipeline.cli.kb import JsonOption, TenantOption, app, opened
from pipeline.errors import SettingsError
from suggest.base import ArticleHit, SearchResult, today
from suggest.retrieval.searcher import Search


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="Question or keywords, in any language.")] = None,
    batch: Annotated[
        Path | None, typer.Option(help="File with a query on each line; one JSON line for each.")
    ] = None,
    as_json: JsonOption = False,
    top: Annotated[int, typer.Option(min=1, max=50, help="Most hits.")] = 3,
    before: Annotated[str, typer.Option(help="What the customer had asked before.")] = "",
    tenant: TenantOption = "",
    explain: Annotated[bool, typer.Option("--explain", help="Show the signals of each hit.")] = False,
) -> None:
    """Look something up, as a live call does.

    Examples:
        yuetone kb search '點解今個月張單貴咗咁多呀'

        yuetone kb search 'how do I reset my password' --json --top 3

        yuetone kb search --batch queries.txt > hits.jsonl
    """
    if (query is None) == (batch is None):
        raise SettingsError("kb search: give a query, or --batch FILE")
    lines = [query] if query is not None else _lines(batch)
    with opened(context) as base:
        day = today()
        for line in lines:
            wanted = Search(text=line, before=before, tenant=tenant, day=day, limit=top)
            result = base.search(wanted)
            if as_json or batch is not None:
                sys.stdout.write(
                    json.dumps(as_object(line, result, explain=explain), ensure_ascii=False) + "\n"
                )
            else:
                _print(result, base.threshold, explain=explain)


def _lines(path: Path | None) -> list[str]:
    try:
        return (path or Path()).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--batch: {path} cannot be read as UTF-8 ({type(error).__name__})") from error


def as_object(query: str, result: SearchResult, *, explain: bool = False) -> dict[str, Any]:
    """Return a search as a JSON object."""
    hits = []
    for hit in result.hits:
        article = hit.article
        entry: dict[str, Any] = {
            "id": article.id,
            "confidence": round(hit.confidence, 4),
            "category": article.category,
            "question_zh": article.question_zh,
            "answer_zh": article.answer_zh,
            "question_en": article.question_en,
            "answer_en": article.answer_en,
            "source": article.source,
            "place": article.place,
        }
        if explain:
            entry["signals"] = {name: round(value, 4) for name, value in hit.features.items() if value}
        hits.append(entry)
    return {"query": query, "answered": result.answered, "hits": hits}


def _print(result: SearchResult, threshold: float, *, explain: bool) -> None:
    console = Console()
    if not result.answered:
        console.print(f"no answer (nothing reaches {threshold:.0%})", style="yellow")
    for place, hit in enumerate(result.hits, 1):
        style = "bold" if result.answered and place == 1 else "dim"
        console.print(
            f"{place}. {hit.confidence:.0%}  {hit.article.id}  {_title(hit)}", style=style, markup=False
        )
        for answer in filter(None, (hit.article.answer_zh, hit.article.answer_en)):
            console.print(f"   {answer}", style=None if style == "bold" else style, markup=False)
        if explain:
            strong = sorted(hit.features.items(), key=lambda item: -item[1])
            console.print(
                "   " + "  ".join(f"{name} {value:.2f}" for name, value in strong if value), style="cyan"
            )


def _title(hit: ArticleHit) -> str:
    return " / ".join(filter(None, (hit.article.question_zh, hit.article.question_en)))
