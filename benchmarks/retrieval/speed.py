"""How long a search takes and what articles cost, by how many there are; each size in its own process."""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from client import quantile
from scripts.finetune.retrieval.sets import read_set
from suggest.base import Article
from suggest.knowledge import KnowledgeBase
from suggest.reading.base import Options
from suggest.reading.files import find_files, read_files
from suggest.reading.tables import read_table
from suggest.retrieval.searcher import Search

SETS = Path(__file__).with_name("sets")
SEED = 6
QUERIES = 300


def write_articles(path: Path, count: int) -> None:
    """Write a table of articles: mixtures of the sentences of the sets, with names and numbers."""
    rng = random.Random(SEED)
    known = [article for file in sorted(SETS.glob("*/kb.csv")) for article in read_table(file).articles]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "category", "question_zh", "answer_zh", "question_en", "answer_en"])
        for number in range(count):
            one, other = rng.choice(known), rng.choice(known)
            plan = f"{rng.choice('ABCDEFGHJKLMN')}{rng.randint(1, 9999)}"
            writer.writerow(
                [
                    f"g{number}",
                    one.category,
                    f"{plan}系列：{one.question_zh}",
                    f"{one.answer_zh}{other.answer_zh[:60]}",
                    f"{plan} series: {one.question_en}",
                    f"{one.answer_en} {other.answer_en[:120]}",
                ]
            )


def resident_mib() -> float:
    """Return the memory of this process, MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(count: int) -> dict[str, object]:
    """Import, index and search ``count`` articles; return times in seconds and memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "articles.csv"
        write_articles(table, count)
        empty = resident_mib()
        base = KnowledgeBase(str(Path(folder) / "kb.db"))
        base.search(Search(text="點樣俾錢呀"))
        loaded = resident_mib()
        began = time.perf_counter()
        articles = read_files(find_files([table]), Options()).articles
        read = time.perf_counter()
        base.store.write(articles)
        stored = time.perf_counter()
        base.sync()
        indexed = time.perf_counter()
        del articles
        base.close()
        size = sum(
            file.stat().st_size for file in Path(folder).rglob("*") if file.is_file() and file != table
        )
        searched = _search(Path(folder) / "kb.db")
    return {
        "articles": count,
        "import_s": {
            "read": round(read - began, 2),
            "store": round(stored - read, 2),
            "index": round(indexed - stored, 2),
            "whole": round(indexed - began, 2),
        },
        "disk_mib": round(size / 2**20, 1),
        "memory_mib": {
            "lexicon_and_dictionary": round(loaded - empty, 1),
            "after_import": round(resident_mib(), 1),
        },
        **searched,
    }


def _search(store: Path) -> dict[str, object]:
    """Return latencies of queries of the sets and of taking up one new article."""
    began = time.perf_counter()
    base = KnowledgeBase(str(store))
    base.sync()
    opened = time.perf_counter() - began
    rng = random.Random(SEED)
    queries = [query.text for file in sorted(SETS.glob("*/*.jsonl")) for query in read_set(file)[1]]
    times = []
    for text in rng.sample(queries, QUERIES):
        start = time.perf_counter()
        base.search(Search(text=text))
        times.append(time.perf_counter() - start)
    fresh = []
    for number in range(5):
        start = time.perf_counter()
        base.store.write([Article(id=f"new{number}", question_zh=f"新文章{number}", answer_zh="內容")])
        base.sync()
        fresh.append(time.perf_counter() - start)
    base.close()
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    latency = {name: round((quantile(times, share) or 0.0) * 1000, 2) for name, share in shares.items()}
    return {
        "search": {"n": QUERIES, **latency},
        "open_s": round(opened, 2),
        "one_new_article_searchable_s": round(max(fresh), 3),
    }


def speed(sizes: list[int]) -> list[dict[str, object]]:
    """Return what was measured for each size, each in a fresh process."""
    out = []
    for size in sizes:
        command = [sys.executable, "-m", "benchmarks.retrieval.speed", str(size)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (ourselves)
        out.append(json.loads(answer.stdout))
    return out


def main() -> None:
    """Measure one size and print it; used by :func:`speed`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("articles", type=int)
    print(json.dumps(measure(parser.parse_args().articles)))


if __name__ == "__main__":
    main()
