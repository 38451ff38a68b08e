"""Tables as people save them: covers, titles, merged cells, any encoding; and files built to do harm."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles.numbers import FORMAT_PERCENTAGE

from suggest.reading.base import Options, Reading
from suggest.reading.bounded import BoundedReader
from suggest.reading.files import find_files, read_file
from suggest.reading.tables import as_cell
from tests.suggest.test_reading import HEADER, ROW, read, written

TRADITIONAL = "id,category,question_zh,answer_zh\nt1,帳單,點樣查上個月嘅帳單？,您可登入網上客戶中心查閱。\n"
SIMPLIFIED = "id,category,question_zh,answer_zh\nt1,账单,怎样查账单？,您可登入网上客户中心查阅账单。\n"


def texts(reading: Reading) -> list[tuple[str, str, str]]:
    assert not reading.problems, [str(problem) for problem in reading.problems]
    return [(article.id, article.question_zh, article.answer_zh) for article in reading.articles]


def notes(reading: Reading) -> str:
    return "\n".join(map(str, reading.notes))


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        (SIMPLIFIED, "gbk", "GBK"),
        (TRADITIONAL, "gbk", "GBK"),
        (TRADITIONAL, "big5hkscs", "Big5"),
        (TRADITIONAL, "utf-8", ""),
        (SIMPLIFIED, "utf-16", ""),
    ],
)
def test_an_english_header_hides_no_encoding(text: str, encoding: str, told: str, tmp_path: Path) -> None:
    reading = read(written(tmp_path / "faq.csv", text, encoding))
    (article,) = reading.articles
    assert (article.question_zh, article.answer_zh) == tuple(text.split("\n")[1].split(",")[2:])
    assert ("was read as" in notes(reading)) == bool(told)
    assert told in notes(reading)


@pytest.mark.parametrize(
    ("above", "skipped"),
    [
        ("sep=,\r\n", 0),
        ("客戶服務常見問題 2026,,,,,\n,,,,,\n", 1),
        (",,,,,\n", 0),
        ("公司,某某,,,,\n版本,3,,,,\n日期,2026-01-01,,,,\n", 3),
    ],
)
def test_what_stands_above_the_header_is_left_out_and_told(above: str, skipped: int, tmp_path: Path) -> None:
    reading = read(written(tmp_path / "faq.csv", above + HEADER + ROW, "utf-8-sig"))
    assert texts(reading) == [("a1", "如何繳費？", "請用轉數快。")]
    assert (f"{skipped} rows above" in notes(reading)) == bool(skipped)
    row = 2 + above.count("\n")
    assert reading.articles[0].place == f"row {row}"


def test_a_stated_separator_counts_and_headers_may_have_stars(tmp_path: Path) -> None:
    rows = "sep=;\n編號*;問題 *;答案（必填）:\na1;甲,乙？;丙,丁\n\n ; ; \na2;戊？;己\n"
    assert texts(read(written(tmp_path / "a.csv", rows))) == [
        ("a1", "甲,乙？", "丙,丁"),
        ("a2", "戊？", "己"),
    ]


def book(path: Path, sheets: dict[str, list[list[Any]]], **more: Any) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for merged in more.get(name, ()):
            sheet.merge_cells(merged)
    for name in more.get("hidden", ()):
        made[name].sheet_state = "hidden"
    made.save(path)
    return path


TABLE = [["id", "類別", "問題", "答案"]]


def test_every_sheet_with_a_table_is_read_and_the_others_are_told(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        {
            "封面": [["客戶服務常見問題"], ["版本", 3]],
            "帳單": [*TABLE, ["t1", "帳單", "點樣查？", "登入"]],
            "漫遊": [["漫遊常見問題"], *TABLE, ["t2", "漫遊", "點收費？", "$98"]],
            "舊": [*TABLE, ["t3", "", "舊？", "舊"]],
        },
        hidden=["舊"],
    )
    reading = read(path)
    assert texts(reading) == [("t1", "點樣查？", "登入"), ("t2", "點收費？", "$98")]
    assert [article.place for article in reading.articles] == ["sheet 帳單, row 2", "sheet 漫遊, row 3"]
    for told in ("sheet 封面 has no table", "sheet 舊 is hidden", "sheet 漫遊: 1 rows above the header"):
        assert told in notes(reading)
    assert texts(read(path, sheet="舊")) == [("t3", "舊？", "舊")], "one that is asked for is read"


def test_merged_cells_mean_what_people_see(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        {
            "FAQ": [
                ["id", "類別", "中文", None, "英文", None],
                [None, None, "問題", "答案", "問題", "答案"],
                ["t1", "帳單", "查？", "登入", "How?", "Log in"],
                ["t2", None, "交？", "轉數快", "Pay?", "FPS"],
                ["t3", "漫遊", "收費？", "$98", "Fee?", "$98"],
            ]
        },
        FAQ=["A1:A2", "B1:B2", "C1:D1", "E1:F1", "B3:B4"],
    )
    reading = read(path)
    assert [(a.id, a.category, a.question_zh, a.answer_en) for a in reading.articles] == [
        ("t1", "帳單", "查？", "Log in"), ("t2", "帳單", "交？", "FPS"), ("t3", "漫遊", "收費？", "$98")
    ]  # fmt: skip


def test_cells_are_what_they_look_like(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.append(["id", "問題", "答案", "失效日期"])
    sheet.append(["003", "a？", 98, datetime(2026, 12, 31)])
    sheet.append([4.0, "b？", 0.05, 46387])
    sheet["C3"].number_format = FORMAT_PERCENTAGE
    sheet.append([5, "c？", True, "31-12-2026"])
    sheet.append([6, "d？", "步驟一_x000D_\n步驟二", "1/2/26"])
    made.save(path)
    reading = read(path)
    assert texts(reading) == [
        ("003", "a？", "98"), ("4", "b？", "5%"), ("5", "c？", "TRUE"), ("6", "d？", "步驟一\n步驟二")
    ]  # fmt: skip
    assert [article.valid_until for article in reading.articles] == [
        date(2026, 12, 31), date(2026, 12, 31), date(2026, 12, 31), date(2026, 2, 1)
    ]  # fmt: skip


def test_a_formula_without_a_saved_value_is_named(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"S": [["id", "問題", "答案"], ["t1", "幾錢？", '="日費$"&98']]})
    (problem,) = read(path).problems
    assert "row 2, 答案: a formula without a saved value" in str(problem)


# ------------------------------------------------------------------ harm


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", {"S": [*TABLE, ["t1", "", "a？", "b"]]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", bytes(100 * 1024 * 1024))
    assert path.stat().st_size < 200_000
    (problem,) = read(path).problems
    assert "unpacks to 1" in str(problem)
    wide = book(tmp_path / "b.xlsx", {"S": [["id", "問題", "答案", *range(3000)], ["t1", "a？", "b"]]})
    (problem,) = read(wide).problems
    assert "more than 200 columns" in str(problem)


def test_a_merge_of_everything_costs_nothing(tmp_path: Path) -> None:
    plain = book(tmp_path / "plain.xlsx", {"S": [*TABLE, ["t1", "", "a？", "b"]]})
    path = tmp_path / "a.xlsx"
    merge = b'</sheetData><mergeCells count="1"><mergeCell ref="F1:GR200000"/></mergeCells>'
    with zipfile.ZipFile(plain) as whole, zipfile.ZipFile(path, "w") as changed:
        for name in whole.namelist():
            changed.writestr(name, whole.read(name).replace(b"</sheetData>", merge))
    assert texts(read(path)) == [("t1", "a？", "b")]


def slow(_file: Path, _options: Options) -> Reading:
    time.sleep(60)
    return Reading()


def greedy(file: Path, options: Options) -> Reading:
    if file.suffix == ".html":
        kept = [bytes(64 * 1024 * 1024) for _ in range(100)]
        return Reading(articles=kept)  # type: ignore[arg-type]
    return read_file(file, options)


def test_what_takes_too_long_or_too_much_is_a_line_and_the_next_file_is_read(tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.html", "<p>x</p>")
    good = book(tmp_path / "good.xlsx", {"S": [*TABLE, ["t1", "", "a？", "b"]]})
    with BoundedReader(slow, seconds=0.5) as reader:
        (problem,) = reader.read(bad, Options()).problems
        assert "took more than" in str(problem)
    with BoundedReader(greedy, memory=1 << 30) as reader:
        (problem,) = reader.read(bad, Options()).problems
        assert "takes more than 1024 MB" in str(problem)
        assert texts(reader.read(good, Options())) == [("t1", "a？", "b")]


def test_nested_and_unclosed_html_is_read_or_told_in_time(tmp_path: Path) -> None:
    for name, text in (
        ("a.html", "<div>" * 20_000),
        ("b.html", "<ul><li>" * 1_000 + "x"),
        ("c.html", "<table>" * 2_000),
    ):
        began = time.monotonic()
        reading = read(written(tmp_path / name, text))
        assert time.monotonic() - began < 90
        assert all("\n" not in str(problem) for problem in reading.problems)


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    written(outside / "secret.csv", HEADER + ROW)
    folder = tmp_path / "kb"
    folder.mkdir()
    written(folder / "mine.csv", HEADER + ROW)
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "away").symlink_to(outside)
    (folder / "same.csv").symlink_to(folder / "mine.csv")
    assert [file.name for file, _root in find_files([folder])] == ["mine.csv", "same.csv"]


@pytest.mark.parametrize("text", ["=1+1", "+852 2123 4567", "-5", "@here", "\t=1", "normal", "'quoted'"])
def test_what_is_exported_is_no_formula_and_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "問題", "答案"])
    writer.writerow(["a1", "q？", as_cell(text)])
    assert as_cell(text)[0] not in "=+-@\t"
    (article,) = read(written(tmp_path / "a.csv", out.getvalue())).articles
    assert article.answer_zh == text.strip()
