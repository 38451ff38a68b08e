from __future__ import annotations

from pathlib import Path

import pytest

from emotion.words import EmotionLexicon, LexiconError, load_lexicon, read_words

ANGRY = (
    """
我要投訴你哋公司|我去消委會告你|通訊局點睇先|叫你經理出嚟|你哋呃錢|真係好離譜|太過分喇|我等咗三個鐘|打咗五次電話|屌你老母
DLLM|on9|pk啦你|小你老母|仆街|杏加橙|你係咪聾㗎|廢柴|你哋態度好差|有冇搞錯呀|唔收貨|冚家剷
this is unacceptable|I want to complain|f**k you|you are a liar
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
CALM = (
    """
我想問下投訴部電話幾多號|我唔係投訴，我想問下|我冇投訴過|撚手小菜|斑鳩|我收到詐騙電話|唔該等我陣|我想查數|冇問題|唔緊要
我個老母雞煲湯|今日天氣好差|請問經理辦公室幾樓|我想取消聽日嘅預約|I'm not complaining
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@pytest.fixture(scope="module")
def lexicon() -> EmotionLexicon:
    return load_lexicon()


@pytest.mark.parametrize("text", ANGRY)
def test_complaints_and_anger_are_heard(lexicon: EmotionLexicon, text: str) -> None:
    assert read_words(text, lexicon).negative >= 0.4


@pytest.mark.parametrize("text", CALM)
def test_ordinary_sentences_are_not(lexicon: EmotionLexicon, text: str) -> None:
    assert read_words(text, lexicon).negative <= 0.3


def test_an_intensifier_strengthens_and_a_negation_takes_away(lexicon: EmotionLexicon) -> None:
    plain, strong = (read_words(text, lexicon).negative for text in ("佢過分", "佢真係好過分"))
    assert strong > plain > read_words("佢唔算過分", lexicon).negative


def test_full_width_and_capitals_do_not_matter(lexicon: EmotionLexicon) -> None:
    assert read_words("ＤＬＬＭ", lexicon).negative == read_words("dllm", lexicon).negative > 0.5


def test_rude_words_are_never_shown(lexicon: EmotionLexicon) -> None:
    hits = read_words("屌你老母你個廢柴", lexicon).hits
    assert {hit.text for hit in hits} == {"〔粗口〕", "〔辱罵〕"}


def test_thanks_are_positive_and_not_negative(lexicon: EmotionLexicon) -> None:
    reading = read_words("太好喇，真係多謝晒你", lexicon)
    assert reading.positive > 0.6
    assert reading.negative == 0


def test_a_tenant_adds_words_and_categories(tmp_path: Path, lexicon: EmotionLexicon) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        '[complaint]\nterms = ["嗌救命"]\n[rival]\nname = "對手"\nweight = 0.4\nterms = ["Acme"]\n', "utf-8"
    )
    own = load_lexicon([file])
    assert read_words("嗌救命", own).negative > read_words("嗌救命", lexicon).negative == 0
    assert read_words("我轉 ACME", own).strength("rival") == pytest.approx(0.4)
    assert read_words("投訴", own).negative == read_words("投訴", lexicon).negative


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[x\n", "line 1"),
        ('[x]\nterms = "one"\n', "list of texts"),
        ("[x]\nweight = 2\n", "0 to 1"),
        ('[x]\npatterns = ["("]\n', r"\[x\]"),
        ("[x]\nbogus = 1\n", "bogus"),
        ('[x]\npolarity = "sad"\n', "polarity"),
        ('[x]\npatterns = ["a{99999999999}"]\n', r"\[x\]"),
        ('[x]\npatterns = ["(a+)+$"]\n', "for ever"),
        ('[x]\npatterns = ["(a)\\\\1"]\n', "refers back"),
        ("x = " + "9" * 5000 + "\n", "own.toml"),
        ("x = 1\n", "must be a table"),
    ],
)
def test_a_wrong_lexicon_is_one_clear_error(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(LexiconError, match=reason) as caught:
        load_lexicon([file])
    assert str(file) in str(caught.value)


def test_a_missing_lexicon_is_named(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"none\.toml"):
        load_lexicon([tmp_path / "none.toml"])


def test_only_terms_of_the_lexicon_are_ever_shown(lexicon: EmotionLexicon) -> None:
    hits = read_words("點解陳大文無端端扣我錢，等咗三個鐘，我要投訴", lexicon).hits
    shown = {hit.text for hit in hits}
    assert "投訴" in shown
    assert not any("陳" in text or "三" in text for text in shown)
    assert "〔等候過久〕" in shown


@pytest.mark.parametrize("text", ["你唔係呃人係咩", "唔好以為我唔會投訴", "This is not a joke"])
def test_a_negation_that_accuses_is_none(lexicon: EmotionLexicon, text: str) -> None:
    assert read_words(text, lexicon).negative >= 0.4


@pytest.mark.parametrize(
    "text",
    ["I don’t want to complain", "我唔嬲", "我冇話要投訴", "唔多滿意", "I am not very happy", "我想上網登記"],
)
def test_a_negation_that_denies_is_one(lexicon: EmotionLexicon, text: str) -> None:
    reading = read_words(text, lexicon)
    assert reading.negative <= 0.31
    assert reading.positive <= 0.35


def test_patterns_do_not_care_about_capitals(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[x]\npatterns = ["ABC台"]\n', "utf-8")
    assert read_words("我要轉abc台", load_lexicon([file])).strength("x") > 0
