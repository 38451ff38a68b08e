"""What is asked, in which language, and what is shown. Pure cores."""

from __future__ import annotations

import pytest

from suggest.base import Article, ArticleHit
from suggest.dialogue.active import ActiveSuggestions, Reason, State
from suggest.dialogue.conversation import Conversation
from suggest.dialogue.drafting import Draft, drafted, in_language
from suggest.dialogue.language import LanguageFollower
from suggest.text.lexicon import read_lexicon

LEXICON = read_lexicon()
REFUND = Article(
    id="refund",
    question_zh="退款需時多久？",
    answer_zh="退款會於5個工作天內存入您的信用卡。",
    question_en="How long does a refund take?",
    answer_en="Refunds reach your credit card within 5 working days.",
)


def draft(name: str, text: str = "答案", confidence: float = 0.9) -> Draft:
    article = Article(id=name, question_zh=name, answer_zh=text, answer_en=text + " en")
    return drafted(ArticleHit(article=article, score=1.0, confidence=confidence), "zh-Hant", {})


@pytest.mark.parametrize(
    ("turns", "language"),
    [
        (["我想問下張單", "how much is it for the new plan"], "en"),
        (["我想 cancel 個 plan，send 個 email 俾我"], "zh-Hant"),
        (["can you speak English please"], "en"),
        (["唔好意思，可唔可以講英文呀"], "en"),
        (["I want to know about my bill", "OK", "yes"], "en"),
        (["I want to know about my bill", "即係張單點解貴咗呀", "我上個月都冇用過"], "zh-Hant"),
        (["I want to know about my bill", "sorry 我想講返廣東話"], "zh-Hant"),
        (["OK", "yes", "OK thanks"], "zh-Hant"),
        (["我唔識講英文㗎，講返廣東話啦"], "zh-Hant"),
        (["Sorry I don't speak English, can you speak Cantonese"], "zh-Hant"),
    ],
)
def test_replies_follow_the_customer_with_patience(turns: list[str], language: str) -> None:
    follower = LanguageFollower()
    for turn in turns:
        follower.hear(turn)
    assert follower.language == language


def test_an_agent_can_lock_the_language() -> None:
    follower = LanguageFollower()
    follower.lock("zh-Hant")
    follower.hear("how do I pay my bill by card")
    assert (follower.language, follower.locked) == ("zh-Hant", True)
    follower.lock(None)
    assert follower.language == "en"


def test_a_question_that_goes_on_takes_the_one_before_along() -> None:
    conversation = Conversation(LEXICON)
    assert conversation.asked("我想申請退款").before == ""
    conversation.customer_said("我想申請退款")
    conversation.agent_said("好，我幫你睇睇。")
    asked = conversation.asked("咁要幾耐呀？")
    assert (asked.before, asked.telling, asked.question) == ("我想申請退款", True, True)
    assert conversation.asked("我想重設密碼").before == ""
    assert not conversation.asked("唔該晒").telling
    assert conversation.asked("and how long does that take").before == "我想申請退款"


def test_a_reaction_can_be_read_with_what_the_agent_has_just_said() -> None:
    conversation = Conversation(LEXICON)
    conversation.agent_said("我見到有一筆$320嘅漫遊費用。")
    assert "漫遊" in conversation.asked("點會呀？").answers
    conversation.customer_said("點會呀？")
    assert conversation.asked("咁點算").answers == ""


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("退款會喺五個工作天之內退返去你張信用卡。", True),
        ("退款會喺三個工作天之內退返去你張信用卡。", False),
        ("A refund reaches your credit card within 5 working days.", True),
        ("請等一等，我幫你查下。", False),
    ],
)
def test_what_the_agent_has_said_needs_no_suggestion(said: str, known: bool) -> None:
    conversation = Conversation(LEXICON)
    conversation.agent_said(said)
    assert conversation.has_said((REFUND.answer_zh, REFUND.answer_en)) is known


def test_a_draft_has_both_wordings_and_its_source() -> None:
    hit = ArticleHit(article=REFUND, score=1.0, confidence=0.9)
    english = drafted(hit, "en", {})
    assert (english.language, english.text) == ("en", REFUND.answer_en)
    assert english.wordings == {"zh-Hant": REFUND.answer_zh, "en": REFUND.answer_en}
    assert (english.sources[0].article_id, english.sources[0].title) == ("refund", REFUND.question_en)
    assert in_language(english, "zh-Hant").text == REFUND.answer_zh
    only = Article(id="x", question_zh="问", answer_zh="请致电热线")
    assert drafted(ArticleHit(article=only, score=1, confidence=1), "en", {}).text == "請致電熱線"


def test_the_board_tells_only_what_changes() -> None:
    board = ActiveSuggestions()
    first = board.show("0-1", [draft("a"), draft("b")])
    assert [(item.id, item.rank, item.revision) for item in first] == [("s1", 1, 1), ("s2", 2, 1)]
    assert board.show("0-1", [draft("a"), draft("b")]) == []
    changed = board.show("0-2", [draft("c"), draft("a")])
    assert [(item.id, item.state, item.rank, item.revision) for item in changed] == [
        ("s2", State.WITHDRAWN, 2, 2),
        ("s3", State.PROPOSED, 1, 1),
        ("s1", State.PROPOSED, 2, 2),
    ]
    assert [item.reason for item in board.said([("", "c"), ("", "b")])] == [Reason.SAID]
    assert len(board) == 1


def test_a_refused_article_never_comes_back() -> None:
    board = ActiveSuggestions()
    board.show("0-1", [draft("a")])
    assert [item.reason for item in board.reject(("", "a"))] == [Reason.REJECTED]
    assert board.show("0-2", [draft("a")]) == []
    assert len(board) == 0


def test_a_partial_adds_and_takes_nothing_away() -> None:
    board = ActiveSuggestions()
    board.show("0-1", [draft("a"), draft("b")])
    (added,) = board.add("0-2", draft("c"))
    assert (added.utterance_id, added.rank, len(board)) == ("0-2", 1, 3)
    assert board.add("0-2", draft("a")) == []
    assert [item.draft.article[1] for item in board.drop([("", "c")])] == ["c"]
    assert board.articles() == [("", "a"), ("", "b")]


def test_a_late_draft_changes_nothing_that_is_gone() -> None:
    board = ActiveSuggestions()
    board.show("0-1", [draft("a")])
    assert [item.revision for item in board.revise("s1", draft("a", "better"))] == [2]
    board.show("0-2", [draft("b")])
    assert board.revise("s1", draft("a", "late")) == []
