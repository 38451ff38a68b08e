"""Files into articles, and what is wrong with them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from docx import Document

from suggest.base import Article, KnowledgeError
from suggest.reading.base import Options, Reading
from suggest.reading.files import find_files, read_files
from suggest.reading.sections import LONGEST_ANSWER

HEADER = "id,category,question_zh,answer_zh,question_en,answer_en\n"
ROW = "a1,帳單,如何繳費？,請用轉數快。,How to pay?,Use FPS.\n"


def read(path: Path, **options: Any) -> Reading:
    return read_files(find_files([path]), Options(**options))


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "big5hkscs"])
def test_a_table_in_every_encoding_of_excel(tmp_path: Path, encoding: str) -> None:
    reading = read(written(tmp_path / "faq.csv", HEADER + ROW, encoding))
    assert not reading.problems
    assert reading.articles == [
        Article(
            id="a1", category="帳單", question_zh="如何繳費？", answer_zh="請用轉數快。",
            question_en="How to pay?", answer_en="Use FPS.", source="faq.csv", place="row 2",
        )
    ]  # fmt: skip


def test_every_wrong_cell_is_told_by_row_and_column(tmp_path: Path) -> None:
    rows = (
        "id,問題,答案,失效日期\n"
        ",無編號,答案,\n"
        "a2,,答案,\n"
        "a3,問題,,\n"
        "a4,問題,答案,31/02/2026\n"
        "a5,問題,答案,31/12/2026\n"
        "a5,又問,答案,\n"
    )
    reading = read(written(tmp_path / "faq.csv", rows))
    told = [str(problem) for problem in reading.problems]
    assert [line.split(":")[1].strip() for line in told] == [
        "row 2, id", "row 3, 問題", "row 4, 答案", "row 5, 失效日期", "row 7, id"
    ]  # fmt: skip
    assert "row 6" in told[-1]
    assert reading.articles[0].valid_until == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "", "no rows"),
        ("a.csv", HEADER, "no rows"),
        ("a.csv", "編號碼,x\n1,2\n", "needs the columns id"),
        ("a.csv", "id,id\n1,2\n", "two columns"),
        ("a.csv", "id,question,問題,title,答案\n1,2,3,4,5\n", "all mean question_en"),
        ("a.csv", HEADER + 'a1,"never closed\n', "not CSV near line"),
        ("a.csv", HEADER + "a1,b,c,d,e,f,g\n", "has 7 cells"),
        ("a.jsonl", "{", "line 1 is not JSON"),
        ("a.jsonl", "[1]\n", "not an object"),
        ("a.xlsx", "no workbook", "not an XLSX workbook"),
        ("a.docx", "no document", "not a Word document"),
        ("a.pdf", "no pdf", "not a PDF"),
        ("a.md", "", "has no text"),
    ],
)
def test_a_broken_file_is_one_clear_problem(tmp_path: Path, name: str, content: str, told: str) -> None:
    reading = read(written(tmp_path / name, content))
    assert told in str(reading.problems[0])
    assert str(reading.problems[0]).startswith(name)
    assert not reading.articles


def test_bytes_of_no_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id\xff\xfe\x80\x81\n\x00\xff")
    assert "save it as 'CSV UTF-8'" in str(read(tmp_path / "a.csv").problems[0])


def test_paths_that_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="no such file"):
        find_files([tmp_path / "none.csv"])
    with pytest.raises(KnowledgeError, match="no file in it"):
        find_files([tmp_path])
    with pytest.raises(KnowledgeError, match="must end in"):
        find_files([written(tmp_path / "a.exe", "x")])


def test_the_same_id_in_two_files_is_a_problem(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", HEADER + ROW)
    written(tmp_path / "b.csv", HEADER + ROW)
    assert "/a.csv has, too" in str(read(tmp_path).problems[0])


def test_files_of_one_name_and_headings_that_look_alike(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "faq.csv", HEADER + ROW)
        written(tmp_path / name / "guide.md", "# Guide\n\na\n\n# Guide\n\nb\n\n# Guide 2\n\nc\n")
    both = read_files(find_files([tmp_path / "one" / "faq.csv", tmp_path / "two" / "faq.csv"]), Options())
    assert "which faq.csv has, too" in str(both.problems[0])
    manual = read(tmp_path / "one" / "guide.md")
    assert len({article.id for article in manual.articles}) == len(manual.articles) == 3
    found = read_files(find_files([tmp_path / "one" / "guide.md", tmp_path / "two"]), Options())
    assert {article.source for article in found.articles} == {"guide.md", "two/faq.csv", "two/guide.md"}


def test_damaged_documents_are_told_by_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "問題", "答案"])
    book.active.append(["a", "b" * 5000, "c"])
    book.save(tmp_path / "a.xlsx")
    raw = bytearray((tmp_path / "a.xlsx").read_bytes())
    for at in range(len(raw) // 3, len(raw) // 3 + 400):
        raw[at] ^= 0x5A
    (tmp_path / "a.xlsx").write_bytes(bytes(raw))
    written(tmp_path / "deep.html", "<div>" * 3000 + "<p>x</p>" + "</div>" * 3000)
    for name in ("a.xlsx", "deep.html"):
        problems = read(tmp_path / name).problems
        assert len(problems) == 1
        assert str(problems[0]).startswith(name)


def test_a_mapping_that_fits_nothing_is_told_and_one_that_fits_wins(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id,title,question,answer\n1,T,Q,A\n")
    assert read(path, columns={"question": "question_en"}).articles[0].question_en == "Q"
    assert "no column 提問" in str(read(path, columns={"提問": "question_zh"}).problems[0])
    wide = written(tmp_path / "b.csv", "id,問法（中）,答案\n1,問,答\n")
    assert read(wide, columns={"問法（中）": "question_zh"}).articles[0].question_zh == "問"


def test_lists_and_links(tmp_path: Path) -> None:
    header = "id,問題,答案,關鍵字,網址\n"
    rows = header + '1,問,答,"a, b; c",https://x.example\n2,問,答,"a, b、c",javascript:alert(1)\n'
    reading = read(written(tmp_path / "a.csv", rows))
    assert reading.articles[0].keywords == ("a, b", "c")
    assert "row 3, 網址" in str(reading.problems[0])


def test_columns_are_mapped_and_unknown_ones_noted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "Ref No\tAsk\tSay\tOwner\n7\t問\t答\tme\n")
    reading = read(path, columns={"Ref No": "id", "Ask": "question_zh", "Say": "answer_zh"})
    assert (reading.articles[0].id, reading.articles[0].question_zh) == ("7", "問")
    assert "Owner" in str(reading.notes[0])


def test_workbooks_with_numbers_days_and_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "舊"
    sheet = book.create_sheet("新")
    sheet.append(["編號", "問題", "答案", "到期日", "關鍵字"])
    sheet.append([17.0, "問", "答", date(2026, 1, 2), "甲; 乙；丙"])
    book.save(tmp_path / "a.xlsx")
    article = read(tmp_path / "a.xlsx", sheet="新").articles[0]
    assert (article.id, article.valid_until, article.keywords) == ("17", date(2026, 1, 2), ("甲", "乙", "丙"))
    assert "there are: 舊, 新" in str(read(tmp_path / "a.xlsx", sheet="無").problems[0])


MANUAL = """---
title: x
---
# 退貨政策

一般貨品可於 **7天** 內退貨。

## 不可退貨

- 內衣
- 特價品

| 項目 | 費用 |
|---|---|
| 運費 | $50 |

# Warranty

One year. See [the site](http://x.example).
"""


def test_a_manual_is_cut_at_its_headings_and_keeps_lists_and_tables(tmp_path: Path) -> None:
    first, second, third = read(written(tmp_path / "manual.md", MANUAL)).articles
    assert (first.question_zh, first.answer_zh) == ("退貨政策", "一般貨品可於 7天 內退貨。")
    assert second.question_zh == "退貨政策 › 不可退貨"
    assert second.answer_zh == "- 內衣\n- 特價品\n項目 | 費用\n運費 | $50"
    assert (third.question_en, third.answer_en) == ("Warranty", "One year. See the site.")
    assert second.id == "manual.md#退貨政策-不可退貨"
    assert "line 13" in first.place or "line" in first.place


def test_html_without_its_furniture(tmp_path: Path) -> None:
    page = (
        "<html><head><title>t</title><script>bad()</script></head><body><nav>menu</nav><div><h1>Returns</h1>"
        "<div>Within <b>7</b> days.</div><table><tr><th>Item</th><th>Fee</th></tr>"
        "<tr><td>Box</td><td>$5</td></tr></table><h2>Exceptions</h2><ul><li>Food</li></ul></div><footer>imprint</footer></body></html>"
    )
    first, second = read(written(tmp_path / "page.html", page)).articles
    assert (first.question_en, first.answer_en) == ("Returns", "Within 7 days.\nItem | Fee\nBox | $5")
    assert (second.question_en, second.answer_en) == ("Returns › Exceptions", "- Food")


def test_word_documents(tmp_path: Path) -> None:
    document = Document()
    document.add_heading("保養", 1)
    document.add_paragraph("保養期為一年。")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "電池", "六個月"
    document.save(str(tmp_path / "a.docx"))
    article = read(tmp_path / "a.docx").articles[0]
    assert (article.question_zh, article.answer_zh) == ("保養", "保養期為一年。\n電池 | 六個月")


def pdf(lines: list[tuple[int, str]]) -> bytes:
    """A PDF of one page by hand: sizes and texts, from top to bottom."""
    body, top = "", 760
    for size, text in lines:
        body += f"BT /F1 {size} Tf 72 {top} Td ({text}) Tj ET\n"
        top -= 30
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(body)} >>\nstream\n{body}endstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(out)
    out += (
        f"xref\n0 6\n0000000000 65535 f \n{table}trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF"
    )
    return out.encode()


def test_pdf_by_the_size_of_its_letters(tmp_path: Path) -> None:
    lines = [
        (20, "Refunds"),
        (11, "Refunds take five days."),
        (11, "By card only."),
        (20, "Fees"),
        (11, "None."),
    ]
    (tmp_path / "a.pdf").write_bytes(pdf(lines))
    first, second = read(tmp_path / "a.pdf").articles
    assert (first.question_en, first.answer_en) == ("Refunds", "Refunds take five days.\nBy card only.")
    assert (second.question_en, second.answer_en, second.place) == ("Fees", "None.", "Fees, page 1")
    (tmp_path / "b.pdf").write_bytes(pdf([]))
    assert "OCR" in str(read(tmp_path / "b.pdf").problems[0])


def test_a_long_section_is_cut_between_sentences(tmp_path: Path) -> None:
    text = "# 條款\n\n" + "這是一句說明文字。" * 500
    articles = read(written(tmp_path / "a.md", text)).articles
    assert len(articles) > 1
    assert all(len(article.answer_zh) <= LONGEST_ANSWER for article in articles)
    assert "".join(article.answer_zh for article in articles) == "這是一句說明文字。" * 500
    assert len({article.id for article in articles}) == len(articles)
