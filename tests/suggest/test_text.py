"""Keys, pronunciation, lexicon, tokens, masking, figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggest import KnowledgeError
from suggest.dialogue.entities import entities, filled, unknown_slots
from suggest.dialogue.quantities import quantities
from suggest.text.analysis import analyse
from suggest.text.lexicon import read_lexicon

LEXICON = read_lexicon()


def tokens(text: str, letter: str) -> set[str]:
    return {token[1:] for token in analyse(text, LEXICON).tokens if token[0] == letter}


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


def test_figures_are_the_same_in_every_writing() -> None:
    assert quantities("五個工作天") == quantities("5個工作天") == quantities("five working days") == {"5"}
    assert quantities("百分之十二，$1,280.50") == {"12", "1280.5"}
    assert quantities("三十五日內八成") - {"8"} == {"35"}
    assert quantities("一般一個月") == set()
    assert quantities("8成") == quantities("80%")
    assert quantities("五百港元") == {"500"}
    assert quantities("eighty dollars") == {"80"}
    assert quantities("八折") == {"8"}
    assert quantities("十分抱歉，統一處理，第一次") == set()


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
