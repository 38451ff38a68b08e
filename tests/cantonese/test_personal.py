from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cantonese.personal import (
    Category,
    DialogueRedactor,
    PersonalSpan,
    Style,
    dialogue_spans,
    has_luhn_check_digit,
    hide_digits,
    mask_personal_data,
    masked,
    personal_data_kinds,
    personal_spans,
)
from cantonese.personal.checks import has_hkid_check_digit, has_mainland_check_digit, has_octopus_check_digit
from cantonese.personal.finding import find
from cantonese.personal.reading import Reading


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("我嘅電話號碼係91234567", "我嘅電話號碼係〔電話〕"),
        ("九一二三，四五六七", "〔電話〕"),
        ("九孖三 零 三條七 二", "〔電話〕"),
        ("九十一 二十三 四十五 六十七", "〔電話〕"),
        ("電話係九洞洞三四五六七", "電話係〔電話〕"),
        ("nine one two three four five", "〔號碼〕"),
        ("身份證 A123456(7)", "身份證 〔身份證〕"),
        ("係 A for Apple 一二三 四五六 括號三", "係 〔身份證〕"),
        ("我叫陳大文", "我叫〔姓名〕"),
        ("多謝你，陳小姐", "多謝你，〔姓名〕小姐"),
        ("我姓鄧，耳東陳", "我姓〔姓名〕，〔姓名〕"),
        ("Mr Chan called", "Mr 〔姓名〕 called"),
        ("my email is a.b@c.com", "my email is 〔電郵〕"),
        ("住沙田廣場3座12樓B室", "住〔地址〕"),
        ("三十座廿二樓B", "〔地址〕"),
        ("卡號 4111-1111-1111-1111", "卡號 〔卡號〕"),
        ("信用卡4111111111111112啊", "信用卡〔卡號〕啊"),
        ("退款要5個工作天，收$1,280", "退款要5個工作天，收$1,280"),
        ("月費一百九十八蚊，十五號下晝三點半", "月費一百九十八蚊，十五號下晝三點半"),
        ("訂單號碼係一零二九三八四七五六", "訂單號碼係一零二九三八四七五六"),
        ("型號係 WH-1000，有三點九厘", "型號係 WH-1000，有三點九厘"),
        ("2026年嘅收費點計", "2026年嘅收費點計"),
        ("9, 1, 2, 3, 4, 5, 6, 7", "〔電話〕"),
        ("電話,91234567", "電話,〔電話〕"),
        ("john dot chan at gmail dot com", "〔電郵〕"),
        ("chan tai man at gmail 點 com", "〔電郵〕"),
        ("我係陳大文", "我係〔姓名〕"),
        ("this is not working", "this is not working"),
        ("收費12,000元", "收費12,000元"),
        ("CVV 219，密碼係 apple 一二三", "CVV 〔安全碼〕，密碼係 〔密碼〕"),
        ("我一九八零年五月三號出世", "我〔出生日期〕出世"),
        ("車牌 W K 三零八七", "車牌 〔車牌〕"),
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


def hidden(*turns: tuple[str, str]) -> list[str]:
    """Return what is masked of each turn, as it stands at the end."""
    found = dialogue_spans(turns)
    return [masked(text, spans) for (_role, text), spans in zip(turns, found, strict=True)]


def test_what_one_side_asks_for_is_hidden_in_the_others_answer() -> None:
    asked = ("agent", "請講你卡背面嗰三個數字")
    assert hidden(asked, ("customer", "等等，七零四")) == [asked[1], "等等，〔安全碼〕"]
    price = ("agent", "月費幾多？")
    assert hidden(price, ("customer", "一九八")) == [price[1], "一九八"]


def test_a_number_goes_on_in_later_turns_and_on_the_other_side() -> None:
    turns = [
        ("customer", "九一二"), ("agent", "嗯"), ("customer", "三四五"), ("agent", "係"),
        ("customer", "六七"), ("agent", "九一二三 四五六七，係唔係？"), ("customer", "唔係，最尾係八"),
    ]  # fmt: skip
    said = "".join(hidden(*turns))
    assert not re.search("[一二三四五六七八九]", said)


def test_three_digits_that_nothing_goes_on_with_are_shown_again() -> None:
    redactor = DialogueRedactor(frozenset({1}))
    first = redactor.turn("a", 0, "我要一二三", 0.0, 1.0)
    assert [span.provisional for span in first.spans] == [True]
    assert [changed.spans for changed in redactor.advance(30.0)] == [()]


def test_an_order_number_that_was_asked_for_stays_and_so_does_its_repetition() -> None:
    turns = [
        ("agent", "訂單號碼係？"), ("customer", "一零二九三八四七五六"),
        ("agent", "一零二九三八四七五六，收到"),
        ("agent", "電話號碼呢？"), ("customer", "九一二三四五六七"),
    ]  # fmt: skip
    assert hidden(*turns)[1:3] == ["一零二九三八四七五六", "一零二九三八四七五六，收到"]
    assert hidden(*turns)[4] == "〔電話〕"


def test_a_card_number_is_hidden_although_an_order_was_asked_for() -> None:
    turns = [("agent", "訂單號碼係？"), ("customer", "五四一二七七三三零九一八二二六零")]
    assert hidden(*turns)[1] == "〔卡號〕"


def test_a_name_is_known_again() -> None:
    turns = [("customer", "我叫林樂瑤"), ("agent", "樂瑤幾大呀"), ("agent", "林樂瑤想改期")]
    assert hidden(*turns) == ["我叫〔姓名〕", "〔姓名〕幾大呀", "〔姓名〕想改期"]


def test_the_last_four_digits_may_stay_but_never_those_of_a_secret() -> None:
    assert mask_personal_data("卡號 4111 1111 1111 1234", Style.LAST_FOUR) == "卡號 〔卡號…1234〕"
    assert mask_personal_data("驗證碼 881234", Style.LAST_FOUR) == "驗證碼 〔驗證碼〕"
    assert mask_personal_data("電話 91234567", Style.STARS) == "電話 ＊＊＊"


def test_check_digits() -> None:
    assert has_luhn_check_digit("4111111111111111")
    assert not has_luhn_check_digit("4111111111111112")
    for letters, digits, check in (("A", "123456", "3"), ("AB", "987654", "3"), ("Z", "683365", "A")):
        assert has_hkid_check_digit(letters, digits, check)
        assert not has_hkid_check_digit(letters, digits, "5")
    assert has_octopus_check_digit("30123456", "3")
    assert has_mainland_check_digit("44030619800503123X")


@given(st.from_regex("[0-9]{11,18}", fullmatch=True))
def test_one_wrong_digit_breaks_a_check_digit(digits: str) -> None:
    right = [check for check in "0123456789" if has_luhn_check_digit(digits + check)]
    assert len(right) == 1


def test_hiding_digits_is_not_masking() -> None:
    """An alert may name a person and must not name a number; a stored question must name neither."""
    said = "陳小姐，你要俾３百20蚊"
    assert hide_digits(said) == "陳小姐，你要俾*百**蚊"
    assert "陳" not in mask_personal_data(said)


_CHINESE = "零一二三四五六七八九十百千萬廿孖洞兩條個座樓室號年月日點蚊電話密碼身份證姓陳小姐沙田邨街"
_SOUP = st.text(st.sampled_from(_CHINESE + "ABCxyz at.@0123456789 ，。？（）()"), max_size=120)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["agent", "customer"]), _SOUP), max_size=6))
def test_spans_lie_within_their_text_in_order(turns: list[tuple[str, str]]) -> None:
    for (_role, text), spans in zip(turns, dialogue_spans(turns), strict=True):
        ends = [0]
        for span in spans:
            assert ends[-1] <= span.start < span.end <= len(text)
            ends.append(span.end)


@settings(max_examples=200)
@given(st.from_regex("[2-9][0-9]{7}", fullmatch=True), st.lists(st.integers(1, 7), max_size=4), st.booleans())
def test_a_telephone_number_is_hidden_however_it_is_split_over_turns(
    number: str, cuts: list[int], spoken: bool
) -> None:
    places = sorted({0, 8, *cuts})
    parts = [number[a:b] for a, b in pairwise(places)]
    if spoken:
        parts = [part.translate(str.maketrans("0123456789", "零一二三四五六七八九")) for part in parts]
    turns = [("agent", "請問電話號碼？")]
    for part in parts:
        turns += [("customer", part), ("agent", "嗯")]
    said = "".join(hidden(*turns))
    assert not re.search("[0-9零一二三四五六七八九]", said)


def test_text_without_end_is_hidden_crudely_and_fast() -> None:
    spans = find(Reading("一二三" * 2_000))
    assert spans == [PersonalSpan(0, 6_000, Category.NUMBER)]
    assert personal_spans("啊" * 5_000 + "電話91234567") == [PersonalSpan(5_002, 5_010, Category.PHONE)]


@pytest.mark.parametrize(
    "said",
    [
        "我電話係９１２３４５６７",
        "我電話係٩١٢٣٤٥٦٧",
        "我電話係9\u200b1\u200b2\u200b3\u200b4\u200b5\u200b6\u200b7",
        "我電話係9‑1‑2‑3‑4‑5‑6‑7",
        "我電話係玖壹貳叁肆伍陸柒",
        "身份證Ａ１２３４５６（７）",
        "電郵ｃｈａｎ＠ｇｍａｉｌ．ｃｏｍ",
    ],
)
def test_digits_and_letters_of_every_form_are_read(said: str) -> None:
    shown = mask_personal_data(said)
    assert re.fullmatch("(?:我電話係|身份證|電郵)?〔[^〕]*〕", shown), shown


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("安全碼 $331", "331"),
        ("OTP is 123,456", "123"),
        ("驗證碼係12.34", "12"),
        ("密碼 1,234", "234"),
        ("HK$4111111111111111", "4111"),
        ("電話 91,234,567", "234"),
        ("卡號 4111.1111.1111.1111", "1111"),
    ],
)
def test_what_is_written_like_an_amount_is_hidden_where_a_word_says_what_it_is(said: str, left: str) -> None:
    assert left not in mask_personal_data(said)


@pytest.mark.parametrize("said", ["信用卡年費 $1,200", "OTP 10分鐘有效", "2024-11-26 15:14:48", "密碼三次錯"])
def test_amounts_and_times_beside_such_words_stay(said: str) -> None:
    assert mask_personal_data(said) == said


@pytest.mark.parametrize(
    "said", ["四百一十一一一", "呢，係三百六六八三百四七年五。", "係零三一百二三七零二四"]
)
def test_dictated_digits_that_were_taken_for_numerals_are_hidden(said: str) -> None:
    spans = dialogue_spans([("agent", "請問銀行戶口號碼？"), ("customer", said)])[1]
    assert [span.category for span in spans] == [Category.BANK_ACCOUNT]


def test_numerals_stay_numerals() -> None:
    for said in ("三百二十蚊", "二零二六年十一月二十五號", "一千二百三十四個", "二零二六年十月"):
        assert dialogue_spans([("agent", "幾多錢，幾時？"), ("customer", said)])[1] == ()


@pytest.mark.parametrize("before", range(180, 320, 7))
def test_a_value_is_found_wherever_a_long_turn_is_cut(before: int) -> None:
    said = (
        "哈，" * (before // 2)
        + "安全碼係 3 3 1，我電郵係 chan@gmail.com，電話九一二三 四五六七"
        + "，哈" * 200
    )
    hidden = {
        place for span in dialogue_spans([("customer", said)])[0] for place in range(span.start, span.end)
    }
    for value in ("3 3 1", "chan@gmail.com", "九一二三 四五六七"):
        at = said.index(value)
        assert {place for place in range(at, at + len(value)) if said[place] != " "} <= hidden


@pytest.mark.parametrize(
    ("turns", "name"),
    [
        ([("customer", "細路譚朗，H22095587。")], "譚朗"),
        ([("customer", "我弟弟，龔偉，內地身份證四四零三零一一九五九一二二三四四七三")], "龔偉"),
        ([("agent", "兩位乘客，葛明輝同白雪兒")], "白雪兒"),
        ([("agent", "得，余翠珊，去歐洲九日")], "余翠珊"),
        ([("customer", "佢Kam Shing，身份證 D221046(8)。")], "Kam Shing"),
        ([("agent", "Anyway, you're verified, Oliver.")], "Oliver"),
        ([("customer", "my colleague Zhao Lei called")], "Zhao Lei"),
        ([("agent", "收件人係咪鄧先?")], "鄧"),
    ],
)
def test_names_that_no_title_tells(turns: list[tuple[str, str]], name: str) -> None:
    text, spans = turns[-1][1], dialogue_spans(turns)[-1]
    at = text.index(name)
    assert any(
        span.start <= at and span.end >= at + len(name) for span in spans if span.category is Category.NAME
    )


def test_a_whole_date_of_long_ago_is_a_birthday() -> None:
    assert mask_personal_data("安老院，1938年八月十五") == "安老院，〔出生日期〕"
    assert mask_personal_data("2026年八月十五開始") == "2026年八月十五開始"


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("安全馬幾多？", Category.SECURITY_CODE),
        ("短訊嘅驗正馬係？", Category.ONE_TIME_CODE),
        ("你重設密馬，講俾我聽", Category.PASSWORD),
        ("講返生份政號馬", Category.HKID),
        ("八達痛號碼幾多", Category.OCTOPUS),
        ("電話好碼呢", Category.PHONE),
    ],
)
def test_words_that_ask_are_known_as_recognisers_write_them(asked: str, kind: Category) -> None:
    (span,) = dialogue_spans([("agent", asked), ("customer", "係一七零")])[1]
    assert span.category is kind


def test_short_words_are_not_known_by_sound() -> None:
    assert not dialogue_spans([("agent", "張卡好靚"), ("customer", "係一七零")])[1]


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("倪陳麗芳 我全名", "倪陳麗芳"),
        ("張飛串錯，CHOY先啱", "CHOY"),
        ("地址係沙田碧波花園樓六零八", "沙田碧波花園樓六零八"),
        ("電話六一八孖", "六一八孖"),
        ("生日係1938年農曆八月十五", "1938年農曆八月十五"),
    ],
)
def test_forms_that_people_use(said: str, hidden: str) -> None:
    assert [said[span.start : span.end] for span in dialogue_spans([("customer", said)])[0]] == [hidden]
