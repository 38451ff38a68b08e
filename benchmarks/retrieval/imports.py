"""What searches of one company take while another one's articles are taken up, with rest and without it."""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.retrieval.speed import write_articles
from client import quantile
from suggest.base import today
from suggest.knowledge import KnowledgeBase
from suggest.reading.tables import read_table
from suggest.retrieval.searcher import Search

OWN = 200
"""Articles of the company that searches."""
QUERY = Search(text="漫遊點樣收費", tenant="searches", day=today(), limit=3)


def _searched(base: KnowledgeBase, until: threading.Event, times_ms: list[float]) -> None:
    while not until.is_set():
        began = time.perf_counter()
        base.search(QUERY)
        times_ms.append((time.perf_counter() - began) * 1000)
        time.sleep(0.02)


def measure(count: int, rest: float) -> dict[str, float]:
    """Return p50 and p95 of a search in ms while ``count`` articles are taken up, and how long that takes."""
    with tempfile.TemporaryDirectory() as folder:
        write_articles(Path(folder) / "kb.csv", count)
        articles = list(read_table(Path(folder) / "kb.csv").articles)
        base = KnowledgeBase(str(Path(folder) / "kb.db"))
        base.store.write([replace(article, tenant="searches") for article in articles[:OWN]])
        base.sync()
        base.search(QUERY)
        base.store.write([replace(article, tenant="imports") for article in articles])
        done, times_ms = threading.Event(), list[float]()
        searching = threading.Thread(target=_searched, args=(base, done, times_ms))
        searching.start()
        began = time.perf_counter()
        base.sync(rest=rest)
        took = time.perf_counter() - began
        done.set()
        searching.join()
        base.close()
    figures = {"p50_ms": quantile(times_ms, 0.5), "p95_ms": quantile(times_ms, 0.95), "import_s": took}
    return {name: round(value or 0.0, 1) for name, value in figures.items()}


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=5_000)
    wanted = parser.parse_args()
    for rest in (0.0, 1.0):
        print(json.dumps({"rest": rest, **measure(wanted.articles, rest)}))


if __name__ == "__main__":
    main()
