"""Keys, pronunciation, lexicon, tokens, masking, figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggest import KnowledgeError
from suggest.dialogue.entities import entities, filled, unknown_slots
from suggest.dialogue.figures import figures
from suggest.text.analysis import analyse
from suggest.text.jyutping import char_reading, loose
from suggest.text.keys import hong_kong_traditional, key_form
from suggest.text.lexicon import read_lexicon
from suggest.text.masking import masked

LEXICON = read_lexicon()


def tokens(text: str, letter: str) -> set[str]:
    return {token[1:] for token in analyse(text, LEXICON).tokens if token[0] == letter}


def test_scripts_widths_and_spellings_have_one_key() -> None:
    assert key_form("漫遊數據") == key_form("漫游数据")
    assert key_form("ＳＩＭ卡") == "sim卡"
    assert key_form("畀錢") == key_form("俾钱")


@given(st.text(max_size=60))
def test_any_text_can_be_analysed(text: str) -> None:
    analysis = analyse(text, LEXICON, spots=True)
    assert all(0 <= weight <= 1 and not token.isspace() for token, weight in analysis.tokens.items())
    assert all(" " not in token for token in analysis.tokens)
    assert analysis.mass >= 0


def test_what_sounds_alike_shares_its_syllables() -> None:
    assert tokens("漫遊", "j") == tokens("慢遊", "j")
    assert tokens("漫遊", "t") == tokens("慢遊", "t")
    assert tokens("漫遊", "c").isdisjoint(tokens("慢遊", "c"))
    assert tokens("重設", "j") & tokens("重切", "j")


def test_lazy_sounds_are_one() -> None:
    assert loose("nei5") == loose("lei5")
    assert loose("ngo5") == loose("o5")
    assert loose("gwok3") == loose("gok3")
    assert loose("hang4") == loose("han4")
    assert loose("baak3") == loose("baat3")
    assert loose("maan6") != loose("mun6")
    assert char_reading("漫") == "maan6"


def test_spoken_words_bring_their_written_form_and_meaning() -> None:
    assert tokens("點解", "c") >= tokens("為什麼", "c")
    for spoken, written in (("唔見咗", "遺失"), ("俾錢", "繳費"), ("幾錢", "收費")):
        assert tokens(spoken, "k") & tokens(written, "k"), spoken
    assert tokens("我想 cancel 個 plan", "k") & tokens("取消計劃", "k")
    assert tokens("lost my card", "k") & tokens("遺失", "k")


def test_a_greeting_has_nothing_to_be_answered() -> None:
    greeting, question = (
        analyse(text, LEXICON, spots=True).mass for text in ("唔該晒，你等我一陣", "點樣重設密碼")
    )
    assert greeting < 0.25
    assert question > 1.5


def test_a_company_adds_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text(
        '[fold]\n"飛線" = "來電轉駁"\n[[concept]]\nname = "star-plan"\n'
        'zh = ["星星計劃"]\nen = ["star plan"]\n'
    )
    own = read_lexicon((path,))
    assert "k" + "star-plan" in analyse("我想轉星星計劃", own).tokens
    assert "k" + "star-plan" in analyse("the Star Plan please", own).tokens
    assert "c来电" in analyse("點樣飛線", own).tokens


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[fold\n", "not TOML"),
        ("[[concept]]\nname='A B'\n", "concept.0.name"),
        ("[folds]\n", "folds"),
        ("[fold]\na=1\n", "fold.a"),
    ],
)
def test_a_wrong_table_is_told_by_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "words.toml"
    path.write_text(text)
    with pytest.raises(KnowledgeError, match=told):
        read_lexicon((path,))
    with pytest.raises(KnowledgeError, match="cannot be read"):
        read_lexicon((tmp_path / "none.toml",))


def test_simplified_answers_are_shown_in_hong_kong_traditional() -> None:
    assert hong_kong_traditional("请致电热线查询") == "請致電熱線查詢"
    assert hong_kong_traditional("你部電話郁唔到，唔該晒") == "你部電話郁唔到，唔該晒"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("我嘅電話號碼係91234567", "我嘅電話號碼係〔號碼〕"),
        ("九一二三，四五六七", "〔號碼〕"),
        ("nine one two three four five", "〔號碼〕"),
        ("身份證 A123456(7)", "身份證 〔號碼〕"),
        ("我叫陳大文", "我叫〔姓名〕"),
        ("多謝你，陳小姐", "多謝你，〔姓名〕小姐"),
        ("Mr Chan called", "〔姓名〕 called"),
        ("my email is a.b@c.com", "my email is 〔電郵〕"),
        ("住沙田廣場3座12樓B室", "住〔地址〕"),
        ("卡號 4111-1111-1111-1111", "卡號 〔號碼〕"),
        ("退款要5個工作天，收$1,280", "退款要5個工作天，收$1,280"),
        ("2026年嘅收費點計", "2026年嘅收費點計"),
        ("9, 1, 2, 3, 4, 5, 6, 7", "〔號碼〕"),
        ("電話,91234567", "電話,〔號碼〕"),
        ("nine one, two. three four", "〔號碼〕"),
        ("john dot chan at gmail dot com", "〔電郵〕"),
        ("我係陳大文", "我係〔姓名〕"),
        ("this is not working", "this is not working"),
        ("收費12,000元", "收費12,000元"),
    ],
)
def test_personal_data_is_masked(said: str, kept: str) -> None:
    assert masked(said) == kept


def test_figures_are_the_same_in_every_writing() -> None:
    assert figures("五個工作天") == figures("5個工作天") == figures("five working days") == {"5"}
    assert figures("百分之十二，$1,280.50") == {"12", "1280.5"}
    assert figures("三十五日內八成") - {"8"} == {"35"}
    assert figures("一般一個月") == set()
    assert figures("8成") == figures("80%")
    assert figures("五百港元") == {"500"}
    assert figures("eighty dollars") == {"80"}
    assert figures("八折") == {"8"}
    assert figures("十分抱歉，統一處理，第一次") == set()


def test_slots_are_filled_from_the_call() -> None:
    known = entities("我張訂單號碼係 AB12345，十五號收咗我$320，我住沙田，下晝3:30有人")
    assert known["order_number"] == "AB12345"
    assert known["amount"] == "$320"
    assert known["district"] == "沙田"
    assert known["time"] == "下晝3:30"
    assert filled("就{amount|該筆收費}提出爭議", known, "zh-Hant") == "就$320提出爭議"
    assert filled("就{amount|該筆收費}提出爭議", {}, "zh-Hant") == "就該筆收費提出爭議"
    assert filled("about {order_number}", {}, "en") == "about your order"
    assert unknown_slots("{amount} {nobody}") == ["nobody"]
