"""The list of what to write next, and what is wrong with what is there."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from suggest.base import Article
from suggest.checking import Finding
from suggest.gaps.clusters import grouped, words_of
from suggest.gaps.report import page, table
from suggest.knowledge import KnowledgeBase
from suggest.store.record import Question
from suggest.text.lexicon import read_lexicon

LEXICON = read_lexicon()
NOW = datetime(2026, 11, 22, tzinfo=UTC)
ASKED = Question(
    at=NOW, tenant="", call_id="c0", utterance_id="0-1", text="", language="zh-Hant", confidence=0.2,
    nearest="t01", outcome="unanswered",
)  # fmt: skip
TEXTS = (
    ("c1", "手機可唔可以分期付款呀"),
    ("c2", "想問下買部電話分期付款點計"),
    ("c3", "phone on installments please"),
    ("c1", "泳池有冇游水班㗎"),
    ("c4", "游水班喺泳池上堂㗎嘛，我姓〔姓名〕"),
    ("c5", "<script>alert(1)</script> 寵物保險"),
)


def questions() -> list[Question]:
    return [replace(ASKED, call_id=call, text=text) for call, text in TEXTS]


def test_questions_that_mean_the_same_come_together() -> None:
    gaps = grouped(questions(), LEXICON)
    by_text = {text: number for number, gap in enumerate(gaps) for text in gap.examples}
    assert by_text[TEXTS[0][1]] == by_text[TEXTS[1][1]] == by_text[TEXTS[2][1]]
    assert by_text[TEXTS[3][1]] == by_text[TEXTS[4][1]]
    assert len(gaps) == 3
    assert (gaps[0].calls, len(gaps[0].questions), gaps[0].nearest) == (3, 3, ("t01",))
    assert grouped(questions(), LEXICON) == gaps
    assert grouped([replace(ASKED, text="")], LEXICON) == []


def test_the_page_shows_texts_as_texts_and_the_table_can_be_imported() -> None:
    gaps, words = grouped(questions(), LEXICON), words_of(questions(), LEXICON)
    html = page(gaps, words, [], since=NOW, until=NOW, tenant=None)
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert "分期付款" in html
    assert any("分期" in word for word, _count in words)
    rows = list(csv.DictReader(io.StringIO(table(gaps).removeprefix("\ufeff"))))
    assert [row["gap_calls"] for row in rows] == ["3", "2", "1"]
    assert list(rows[0])[:6] == ["id", "category", "question_zh", "answer_zh", "question_en", "answer_en"]
    formula = grouped([replace(ASKED, text="=cmd|' /C calc'!A0 分期")], LEXICON)
    assert "'=cmd" in table(formula)


def test_no_questions_no_gaps() -> None:
    html = page([], [], [], since=NOW, until=NOW, tenant="acme")
    assert "No gaps" in html


_ROWS = (
    ("fine", "如何重設密碼？", "按重設。", "Reset?", "Tap reset."),
    ("zh", "如何退貨？", "請於7天內退貨。", "", ""),
    ("en", "", "", "Where are you?", "Central."),
    ("fee1", "送貨費用是多少？", "送貨費用為$50。", "Delivery fee?", "$50."),
    ("fee2", "送貨費用是多少？", "送貨費用為$80。", "Delivery fee now?", "$80."),
    ("fee3", "送貨費用是多少呢？", "送貨費用為$50。", "The delivery fee", "$50."),
    ("off", "退款要多久？", "5天。", "Refund time?", "7 days."),
    ("slot", "訂單去到哪裡？", "{order_number}已寄出，{nonsense}。", "Where?", "Sent."),
    ("old", "夏日優惠？", "有優惠。", "How much is the box?", "HK$50."),
    ("soon", "冬日優惠？", "有優惠。", "Winter?", "Yes."),
)
_DAYS = {"old": date(2026, 8, 31), "soon": date(2026, 11, 30)}
CHECKED = [
    Article(
        id=name,
        question_zh=ask,
        answer_zh=say,
        question_en=english,
        answer_en=answer,
        valid_until=_DAYS.get(name),
    )
    for name, ask, say, english, answer in _ROWS
]


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("missing-language", {("zh",), ("en",)}),
        ("expired", {("old",)}),
        ("expiring", {("soon",)}),
        ("contradiction", {("fee1", "fee2"), ("fee2", "fee3"), ("off",)}),
        ("duplicate", {("fee1", "fee3")}),
        ("slot", {("slot",)}),
    ],
)
def test_what_is_wrong_is_found_and_nothing_else(kind: str, ids: set[tuple[str, ...]]) -> None:
    base = KnowledgeBase(":memory:")
    base.store.write(CHECKED)
    base.sync()
    found: list[Finding] = list(base.check(base.store.all(), date(2026, 11, 22)))
    assert {finding.articles for finding in found if finding.kind == kind} == ids
    assert not any("fine" in finding.articles for finding in found)
    base.close()
