from __future__ import annotations

import pytest

from cantonese.personal import has_luhn_check_digit, hide_digits, mask_personal_data, personal_data_kinds


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
    assert mask_personal_data(said) == kept


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("我身份證係 A 一二三四五六，括號七", ["hkid"]),
        ("張卡係四一一一一一一一一一一一一一一一", ["card"]),
        ("電話九一二三，四五六七", ["phone"]),
        ("我個 email係 amy at gmail dot com", ["email"]),
        ("我等咗三十日，收多咗我一千二百蚊", []),
    ],
)
def test_personal_data_is_found(text: str, kinds: list[str]) -> None:
    assert personal_data_kinds(text) == kinds


def test_card_numbers_have_a_check_digit() -> None:
    assert has_luhn_check_digit("4111111111111111")
    assert not has_luhn_check_digit("4111111111111112")


def test_hiding_digits_is_not_masking() -> None:
    """An alert may name a person and must not name a number; a stored question must name neither."""
    said = "陳小姐，你要俾３百20蚊"
    assert hide_digits(said) == "陳小姐，你要俾*百**蚊"
    assert "陳" not in mask_personal_data(said)
