from __future__ import annotations

from cantonese.jyutping import char_reading, loose
from cantonese.keys import key_form


def test_scripts_widths_and_spellings_have_one_key() -> None:
    assert key_form("漫遊數據") == key_form("漫游数据")
    assert key_form("ＳＩＭ卡") == "sim卡"
    assert key_form("畀錢") == key_form("俾钱")


def test_lazy_sounds_are_one() -> None:
    assert loose("nei5") == loose("lei5")
    assert loose("ngo5") == loose("o5")
    assert loose("gwok3") == loose("gok3")
    assert loose("hang4") == loose("han4")
    assert loose("baak3") == loose("baat3")
    assert loose("maan6") != loose("mun6")
    assert char_reading("漫") == "maan6"
