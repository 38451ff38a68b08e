"""Search in a record of many utterances: time, size, and what is found."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.facts import spread
from benchmarks.record.archive_of import DAY_S, call_of, record_id, sentences, spoken
from cantonese.keys import key_form
from pipeline.record.archive import Archive
from pipeline.record.entries import RecordEntry
from pipeline.record.indexing import Indexer
from pipeline.record.key_store import KeyStore
from pipeline.record.master_keys import new_line, parsed
from pipeline.record.search import SearchWanted, UtteranceIndex
from pipeline.record.store import RecordStore
from pipeline.record.stores import RecordStores

A_CALL = 60
"""Utterances of a call."""
AT_ONCE = 100
"""Calls that are written in one transaction."""
QUERIES = 200


def finding(utterances: int, seed: int) -> dict[str, Any]:
    """Fill a record, index it, and search it.

    Args:
        utterances: how many.
        seed: of what is said and asked.
    """
    rng, texts = random.Random(seed), sentences()
    with tempfile.TemporaryDirectory(prefix="yuetone-record-") as name:
        folder = Path(name)
        keys = KeyStore(folder / "keys.db", parsed(new_line("benchmark"), "record.key"))
        store = RecordStores(folder / "record").of(None)
        said, began = _fill(store, keys, rng, texts, utterances // A_CALL), time.monotonic()
        indexer = Indexer(store, keys, None)
        while indexer.step():
            pass
        indexed_s = time.monotonic() - began
        result = {
            "utterances": utterances,
            "index_us_an_utterance": round(indexed_s / utterances * 1e6),
            "index_bytes_an_utterance": round(_size(store.folder / "index") / utterances),
            **_searched(Archive(None, store, keys), indexer.index, rng, said),
            "recall": _recall(indexer.index, rng, said),
        }
        store.close()
        keys.close()
    return result


def _fill(
    store: RecordStore, keys: KeyStore, rng: random.Random, texts: list[str], calls: int
) -> list[list[str]]:
    said: list[list[str]] = []
    for first in range(0, calls, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, calls))
        ciphers = keys.create([(record_id(number), None) for number in numbers])
        entries: list[RecordEntry] = []
        for number in numbers:
            said.append(spoken(rng, texts, A_CALL))
            entries += call_of(number, said[-1], started_at=1.7e9 + number * DAY_S / 1000)
        store.write(entries, ciphers)
    return said


def _queries(rng: random.Random, said: list[list[str]], length: int) -> list[str]:
    """Return pieces of what was said: so many Chinese characters each."""
    found: list[str] = []
    while len(found) < QUERIES:
        text = rng.choice(rng.choice(said))
        place = rng.randrange(max(1, len(text) - length + 1))
        piece = text[place : place + length]
        if len(piece) == length and all("\u4e00" <= char <= "\u9fff" for char in piece):
            found.append(piece)
    return found


def _searched(
    archive: Archive, index: UtteranceIndex, rng: random.Random, said: list[list[str]]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for length in (2, 4):
        times = []
        for query in _queries(rng, said, length):
            began = time.perf_counter()
            archive.search(index, SearchWanted(text=query), 20)
            times.append(time.perf_counter() - began)
        result[f"query_of_{length}"] = spread(times)
    return result


def _recall(index: UtteranceIndex, rng: random.Random, said: list[list[str]]) -> dict[str, Any]:
    """Compare what is found with what a look at every utterance finds, for rare and for common queries."""
    keyed = [[key_form(text) for text in call] for call in said]
    there = found = 0
    for query in _queries(rng, said, 2)[:40]:
        key = key_form(query)
        expected = {
            (record_id(number), place + 1)
            for number, call in enumerate(keyed)
            for place, text in enumerate(call)
            if key in text
        }
        hits = {
            (hit.record_id, hit.seq) for hit in index.search(SearchWanted(text=query), len(said) * A_CALL)
        }
        there += len(expected)
        found += len(expected & hits)
    return {"queries": 40, "occurrences": there, "found": round(found / max(1, there), 6)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
