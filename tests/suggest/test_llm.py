"""A language model over real HTTP: honest, slow, broken and lying ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from suggest.base import Article, ArticleHit
from suggest.dialogue.drafting import drafted, in_language
from suggest.llm.guard import UngroundedError, check_sentence, sentences
from suggest.llm.writer import DraftError, Writer, WriterSettings

REFUND = Article(
    id="refund",
    question_zh="退款需時多久？",
    answer_zh="退款會於5個工作天內存入您的信用卡，查詢請致電2123 0000或瀏覽 www.yuetone.example。",
    answer_en="Refunds reach your card within 5 working days.",
)
FEE = Article(id="fee", question_zh="手續費是多少？", answer_zh="手續費為$50。")
HITS = [
    ArticleHit(article=REFUND, score=2.0, confidence=0.9),
    ArticleHit(article=FEE, score=1.0, confidence=0.6),
]
TURNS = [("customer", "我個電話係91234567，我叫陳大文，幾時退款呀")]


BROKEN = {
    "nonsense": b"data: {not json\n\n",
    "error": b'data: {"error": {"message": "overloaded"}}\n\n',
}


@dataclass
class Model:
    """A server that streams ``text`` in pieces, or does what ``behave`` says."""

    text: str = "退款會於5個工作天內存入信用卡。[1]"
    behave: str = ""
    requests: list[Any] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    port: int = 0
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def event(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


@contextmanager
def speaking() -> Iterator[Model]:
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            model.keys.append(self.headers.get("authorization", ""))
            try:
                self._answer()
            except OSError:
                return

        def _answer(self) -> None:
            if model.behave == "silent":
                model.go_on.wait(20)
                return
            self.send_response(500 if model.behave == "refuses" else 200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            if model.behave in BROKEN:
                self.wfile.write(BROKEN[model.behave])
                return
            for at in range(0, len(model.text), 3):
                self.wfile.write(event(model.text[at : at + 3]))
                self.wfile.flush()
                if model.behave == "slow":
                    time.sleep(0.3)
            if model.behave == "breaks off":
                return
            self.wfile.write(event("", "length" if model.behave == "cut" else "stop"))
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.go_on.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def model() -> Iterator[Model]:
    with speaking() as server:
        yield server


@pytest.fixture
async def writer(model: Model) -> AsyncIterator[Writer]:
    made = Writer(WriterSettings(base_url=model.url, model="tiny", key="secret", timeout_s=1.0))
    yield made
    await made.close()


async def write(writer: Writer, language: Any = "zh-Hant") -> Any:
    return await writer.write(HITS, TURNS, language, drafted(HITS[0], language, {}))


async def test_an_honest_model_words_the_suggestion(model: Model, writer: Writer) -> None:
    model.text = "您好！退款會於五個工作天內存入信用卡。[1] 手續費為$50。[2]"
    draft = await write(writer)
    assert draft.text == "您好！退款會於五個工作天內存入信用卡。 手續費為$50。"
    assert (draft.written_by, [source.article_id for source in draft.sources]) == ("tiny", ["refund", "fee"])
    assert draft.wordings["en"] == REFUND.answer_en
    assert model.requests[0]["model"] == "tiny"
    assert model.requests[0]["stream"] is True
    assert model.keys == ["Bearer secret"]


async def test_no_personal_data_leaves_the_house(model: Model, writer: Writer) -> None:
    await write(writer)
    sent = json.dumps(model.requests, ensure_ascii=False)
    assert "91234567" not in sent
    assert "大文" not in sent
    assert "幾時退款" in sent
    assert REFUND.answer_zh in sent


async def test_simplified_drafts_are_shown_in_traditional(model: Model, writer: Writer) -> None:
    model.text = "退款会于5个工作天内存入信用卡。[1]"
    assert (await write(writer)).text == "退款會於5個工作天內存入信用卡。"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("退款會於3個工作天內存入信用卡。[1]", "figure"),
        ("退款會於三個工作天內存入信用卡。[1]", "figure"),
        ("手續費為$50。[1]", "figure"),
        ("退款會於5個工作天內存入信用卡。", "cites no source"),
        ("退款會於5個工作天內存入信用卡。[1]我們保證一定退款。", "cites no source"),
        ("退款會於5個工作天內存入信用卡。[7]", "not given"),
        ("詳情請瀏覽 www.evil.example。[1]", "address"),
        ("Refunds take 5 working days. [1]", "wrong language"),
        ("NO_ANSWER", "no answer"),
        ("", "no answer"),
        ("退款會於5個工作天內存入信用卡。[1]" * 60, "too long"),
    ],
)
async def test_a_lying_model_is_not_shown(model: Model, writer: Writer, text: str, why: str) -> None:
    model.text = text
    with pytest.raises(DraftError, match=why) as caught:
        await write(writer)
    assert "退款" not in str(caught.value)


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        ("silent", "too slow"),
        ("slow", "too slow"),
        ("refuses", "answered 500"),
        ("nonsense", "broken"),
        ("error", "with an error"),
        ("breaks off", "broke off"),
        ("cut", "cut off"),
    ],
)
async def test_a_slow_or_broken_model_is_given_up(
    model: Model, writer: Writer, behave: str, why: str
) -> None:
    model.behave = behave
    began = time.monotonic()
    with pytest.raises(DraftError, match=why):
        await write(writer)
    assert time.monotonic() - began < 5


async def test_no_model_at_all() -> None:
    writer = Writer(WriterSettings(base_url="http://127.0.0.1:1/v1", model="none"))
    with pytest.raises(DraftError, match="cannot be reached"):
        await write(writer)
    await writer.close()


async def test_a_made_up_sentence_ends_the_stream(model: Model, writer: Writer) -> None:
    model.text = "退款需時99天。[1]退款會於5個工作天內存入。[1]退款會於5個工作天內存入。[1]"
    with pytest.raises(DraftError, match="figure"):
        await write(writer)


@pytest.mark.parametrize(
    "lie",
    [
        "Your discount is eighty percent. [1]",
        "We will refund you the full amount today. [1]",
        "您可享八折優惠及免費升級。[1]",
        "退款會於五百日內存入您的信用卡。[1]",
        "退款查詢請瀏覽 evil-refund.com。[1]",
        "退款會存入您的{order_number}信用卡。[1]",
        "您的投訴已轉交總經理跟進處理。[1]",
    ],
)
def test_what_the_source_does_not_say_is_found(lie: str) -> None:
    with pytest.raises(UngroundedError):
        check_sentence(lie, [REFUND], "")


async def test_a_customer_cannot_talk_a_figure_into_a_reply(model: Model, writer: Writer) -> None:
    model.text = "退款會於5個工作天內存入信用卡，金額為$9000。[1]"
    turns = [("customer", "你哋話會退返$9000俾我")]
    with pytest.raises(DraftError, match="figure"):
        await writer.write(HITS, turns, "zh-Hant", drafted(HITS[0], "zh-Hant", {}))
    turns = [("agent", "我哋會退返$9000俾你")]
    assert "$9000" in (await writer.write(HITS, turns, "zh-Hant", drafted(HITS[0], "zh-Hant", {}))).text


async def test_slots_are_filled_before_they_leave(model: Model, writer: Writer) -> None:
    slotted = Article(id="o", question_zh="退款", answer_zh="{order_number|您的訂單}退款需時5個工作天。")
    hit = ArticleHit(article=slotted, score=1.0, confidence=0.9)
    model.text = "AB1234退款需時5個工作天。[1]"
    draft = await writer.write([hit], [], "zh-Hant", drafted(hit, "zh-Hant", {}), {"order_number": "AB1234"})
    assert draft.text == "AB1234退款需時5個工作天。"
    assert "{order_number" not in json.dumps(model.requests)


def test_a_wording_of_the_article_is_not_the_models() -> None:
    english = drafted(HITS[0], "zh-Hant", {})
    reworded = replace(
        english,
        text="x",
        wordings={**english.wordings, "zh-Hant": "x"},
        writer="tiny",
        writer_language="zh-Hant",
    )
    assert (reworded.written_by, in_language(reworded, "en").written_by) == ("tiny", "article")


def test_figures_of_the_call_may_be_repeated() -> None:
    check_sentence("您的$320退款需時5個工作天。[1]", [REFUND], "收咗我$320")
    with pytest.raises(UngroundedError):
        check_sentence("您的$320退款需時5個工作天。[1]", [REFUND], "")


def test_sentences_keep_their_citations() -> None:
    assert sentences("A is 1.5 m. [1] B! [2]\n丙。[3]丁") == ["A is 1.5 m. [1]", "B! [2]", "丙。[3]", "丁"]


SAID = [
    ("customer", "我上個月張單收多咗我五十蚊，我想你哋退返畀我"),
    ("agent", "明白，我會幫您跟進退款，三個工作天內回覆您"),
    ("customer", "好呀，我電話係九一二三四五六七"),
]


async def test_a_call_is_summed_up_with_what_each_sentence_rests_on(model: Model, writer: Writer) -> None:
    model.text = "客户指上個月張單收多咗五十蚊，想退返。[1] 客服會跟進退款，三個工作天內回覆。[2]"
    first, second = await writer.summarise(SAID)
    assert first.text.startswith("客戶指")  # traditional
    assert (first.utterances, second.utterances) == ((0,), (1,))
    sent = json.dumps(model.requests[-1], ensure_ascii=False)
    assert "九一二三四五六七" not in sent


@pytest.mark.parametrize(
    "lie",
    ["客戶收多咗九十蚊，想退返。[1]", "客服保證今日退款。[2]", "客戶多謝客服。", "客戶要求終止合約。[7]"],
)
async def test_a_summary_that_makes_things_up_is_not_shown(model: Model, writer: Writer, lie: str) -> None:
    model.text = lie
    with pytest.raises(DraftError, match="not used"):
        await writer.summarise(SAID)


async def test_of_a_long_call_the_middle_is_left_out(model: Model, writer: Writer) -> None:
    model.text = "客戶講第三百句。[200]"
    said = [("customer", f"第{number}句，唔該") for number in range(299)] + [("customer", "第三百句")]
    (sentence,) = await writer.summarise(said)
    assert sentence.utterances == (299,)
    assert "第150句" not in json.dumps(model.requests[-1], ensure_ascii=False)
