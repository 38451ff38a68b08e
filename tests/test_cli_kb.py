"""``yuetone kb`` as its users run it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from suggest.store.knowledge import KnowledgeStore
from suggest.store.record import Question, Record
from tests.processes import run_program

PROGRAM = str(Path(sys.executable).with_name("yuetone"))
DEMO = Path(__file__).parents[1] / "pipeline" / "demo" / "knowledge.csv"
HEADER = "id,category,question_zh,answer_zh,question_en,answer_en\n"


class Kb:
    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, str(folder / "kb.db")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_program("yuetone", "kb", "--store", self.store, *words, cwd=self.folder)

    def good(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def kb(tmp_path: Path) -> Kb:
    return Kb(tmp_path)


def test_from_a_table_to_an_answer(kb: Kb) -> None:
    assert "48 would be added" in kb.good("import", str(DEMO), "--dry-run")
    assert "0 articles" in kb.good("list")
    assert "48 added, 0 changed, 0 removed, 0 unchanged" in kb.good("import", str(DEMO))
    assert "0 added, 0 changed, 0 removed, 48 unchanged" in kb.good("import", str(DEMO))
    found = json.loads(kb.good("search", "點解今個月張單貴咗咁多呀", "--json", "--top", "2"))
    assert (found["query"], found["answered"]) == ("點解今個月張單貴咗咁多呀", True)
    assert found["hits"][0]["id"] == "t01"
    assert len(found["hits"]) <= 2
    assert 0.5 < found["hits"][0]["confidence"] <= 1
    (kb.folder / "queries.txt").write_text("我想重切密馬\n\n唔該晒\n")
    lines = [json.loads(line) for line in kb.good("search", "--batch", "queries.txt").splitlines()]
    assert [(line["query"], line["answered"]) for line in lines] == [
        ("我想重切密馬", True),
        ("", False),
        ("唔該晒", False),
    ]
    assert "t01" in kb.good("search", "點解張單咁貴", "--explain")
    assert "no answer" in kb.good("search", "今日天氣點呀")


def test_changes_are_kept_and_can_be_taken_out_and_in(kb: Kb) -> None:
    table = kb.folder / "faq.csv"
    table.write_text(
        HEADER + "a,甲,如何繳費？,轉數快。,How to pay?,FPS.\nb,甲,如何退款？,致電。,Refund?,Call.\n"
    )
    kb.good("import", "faq.csv")
    table.write_text(HEADER + "a,甲,如何繳費？,便利店。,How to pay?,FPS.\n")
    assert "0 added, 1 changed, 1 removed" in kb.good("import", "faq.csv", "--prune")
    assert "changed: answer_zh" in kb.good("history", "a")
    assert "removed" in kb.good("history", "b")
    assert "便利店" in kb.good("show", "a")
    assert [json.loads(line)["id"] for line in kb.good("list", "--json").splitlines()] == ["a"]
    kb.good("export", "all.csv")
    (row,) = csv.DictReader((kb.folder / "all.csv").read_text("utf-8-sig").splitlines())
    assert row["answer_zh"] == "便利店。"
    assert "1 unchanged" in kb.good("import", "all.csv")
    kb.good("export", "all.jsonl")
    assert "1 unchanged" in kb.good("import", "all.jsonl")
    kb.good("remove", "a")
    assert "0 articles" in kb.good("list")
    kb.good("template", "new.csv")
    assert (kb.folder / "new.csv").read_text("utf-8-sig") == HEADER


def test_one_wrong_cell_and_nothing_is_imported(kb: Kb) -> None:
    (kb.folder / "faq.csv").write_text(HEADER + "a,甲,問,答,,\n,乙,問,答,,\nc,丙,問,,,\n")
    done = kb.run("import", "faq.csv")
    assert done.returncode == 1
    assert "faq.csv: row 3, id" in done.stderr
    assert "faq.csv: row 4, answer_zh" in done.stderr
    assert "nothing was imported" in done.stderr
    assert "0 articles" in kb.good("list")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["import", "none.csv"], "no such file"),
        (["import", "."], "no file in it"),
        (["import", "x.csv", "--map", "wrong"], "ours=theirs"),
        (["search"], "give a query"),
        (["search", "--batch", "none.txt"], "cannot be read"),
        (["show", "none"], "no article has the id"),
        (["history", "none"], "no article ever had"),
        (["remove", "none"], "nothing was removed"),
        (["export", "x.doc"], ".csv or .jsonl"),
        (["gaps", "--since", "soon"], "7d"),
    ],
)
def test_mistakes_are_one_clear_line(kb: Kb, words: list[str], told: str) -> None:
    if "x.csv" in words:
        (kb.folder / "x.csv").write_text(HEADER + "a,甲,問,答,,\n")
    done = kb.run(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_store_that_cannot_be_reached(tmp_path: Path) -> None:
    kb = Kb(tmp_path)
    kb.store = "postgresql://127.0.0.1:1/nothing"
    done = kb.run("list")
    assert done.returncode == 2
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_and_gaps(kb: Kb) -> None:
    (kb.folder / "faq.csv").write_text(HEADER + "a,甲,如何繳費？,轉數快。,,\n")
    kb.good("import", "faq.csv")
    done = kb.run("check", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["kind"] == "missing-language"
    store = KnowledgeStore(kb.store)
    asked = Question(
        at=datetime.now(UTC),
        tenant="",
        call_id="c",
        utterance_id="0-1",
        text="可唔可以分期付款",
        language="zh-Hant",
        confidence=0.1,
        nearest="a",
        outcome="unanswered",
    )
    Record(store.engine).add([], [asked])
    store.close()
    assert "1 questions" in kb.good("gaps", "--since", "7d", "--out", "report")
    assert "分期付款" in (kb.folder / "report" / "gaps.html").read_text("utf-8")
    assert "0 questions" in kb.good("gaps", "--since", "7d", "--tenant", "other", "--out", "report")


def test_help_has_examples() -> None:
    done = subprocess.run([PROGRAM, "kb", "import", "--help"], capture_output=True, text=True, check=True)
    assert "yuetone kb import faq.csv" in done.stdout
