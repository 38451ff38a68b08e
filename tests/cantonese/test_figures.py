"""What agents read: every kind of spoken number, and the words that only look like one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cantonese.characters import fold_variants, to_traditional
from cantonese.figures import with_figures
from cantonese.numerals import amount_value, numeral_value
from cantonese.read_out import read_out
from cantonese.reading import reading_form


def check(spoken: str, expected: str) -> None:
    assert reading_form(spoken) == expected


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("個月萬六蚊", "個月$16,000"),
        ("罰咗百五蚊", "罰咗$150"),
        ("藥費百零八蚊", "藥費$108"),
        ("扣咗千三蚊", "扣咗$1,300"),
        ("供咗四萬一千二百蚊", "供咗$41,200"),
        ("總數五十一萬一千元", "總數$511,000"),
        ("八蚊四毫", "$8.4"),
        ("二十五蚊七", "$25.7"),
        ("六百蚊半", "$600.5"),
        ("二點五萬蚊", "$25,000"),
        ("零點八元", "$0.8"),
        ("港幣七千二百元", "$7,200"),
        ("四十到六十蚊", "$40到$60"),
        ("兩千蚊一季", "$2,000一季"),
        ("五百蚊十日", "$500 10日"),
    ],
)
def test_money(spoken: str, expected: str) -> None:
    check(spoken, expected)


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("六點廿分", "6:20"),
        ("八點五十分開門", "8:50開門"),
        ("五點四", "5:20"),
        ("四點踏八", "4:40"),
        ("七點三個骨", "7:45"),
        ("九點零八分", "9:08"),
        ("廿二點十五分", "22:15"),
        ("禮拜四六點半", "禮拜四6:30"),
        ("夜晚九點到十一點", "夜晚9點到11點"),
        ("下晝兩點半到四點", "下晝2:30到4點"),
        ("今晚七點六位", "今晚7點六位"),
        ("九點十分之前", "9:10之前"),
        ("九月中到十一月尾", "九月中到十一月尾"),
        ("二零二七年四月至六月", "2027年4月至6月"),
        ("一九九五年二月廿八號", "1995年2月28號"),
        ("零三年九月", "03年9月"),
        ("做咗四五年", "做咗四五年"),
        ("有三點要講", "有三點要講"),
        ("利率二點八", "利率二點八"),
    ],
)
def test_times_and_dates(spoken: str, expected: str) -> None:
    check(spoken, expected)


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("驗證碼八零四四一七，十分鐘內有效", "驗證碼804417，10分鐘內有效"),
        ("電話六三孖九一二零四", "電話63991204"),
        ("尾數孖六", "尾數66"),
        ("打一八三，二零零四", "打183 2004"),
        ("我電話六兩八八七七幺零", "我電話62887710"),
        ("尾數三條七", "尾數777"),
        ("八樓八一六室", "8樓816室"),
        ("撳一三五", "撳一三五"),
        ("分機一三五", "分機135"),
        ("車牌 M K 六二", "車牌 MK62"),
        ("身份證 K 五五一二三四括號七", "身份證 K551234(7)"),
        ("八二八三一十七", "八二八三一十七"),
    ],
)
def test_digit_by_digit(spoken: str, expected: str) -> None:
    check(spoken, expected)


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("百分之十二點五", "12.5%"),
        ("百分之五至八", "5%至8%"),
        ("百分之二到百分之四", "2%到4%"),
        ("百分之廿幾", "百分之廿幾"),
        ("三分之二", "三分之二"),
        ("七十五折", "75折"),
        ("一點八倍", "1.8倍"),
        ("六點五厘", "6.5厘"),
        ("八至十五個工作天", "8至15個工作天"),
        ("兩至三日", "兩至三日"),
        ("五十 M", "50 M"),
        ("二點四 G", "2.4 G"),
        ("八十萬個客", "80萬個客"),
    ],
)
def test_shares_and_counts(spoken: str, expected: str) -> None:
    check(spoken, expected)


@pytest.mark.parametrize(
    "spoken",
    [
        "六千一個月",
        "四百一晚",
        "九萬一部",
        "百零個",
        "四千零蚊",
        "三百幾蚊",
        "兩三百蚊",
        "成萬蚊",
        "十次八次",
        "十蚊八蚊",
        "十年八載",
        "三三兩兩",
        "七七八八",
        "逢二四六送貨",
        "星期二至六",
        "禮拜一三五休息",
        "萬一壞咗",
        "千萬唔好",
        "十分感謝",
        "九成半",
        "一樓一",
        "年三十晚",
        "二十兩金",
        "五千一期",
        "一層膠",
    ],
)
def test_what_stays_words(spoken: str) -> None:
    check(spoken, spoken)


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("一點一分廿", "1:01 廿"),
        ("三點零五分千", "3:05 千"),
        ("三點半十個人", "3:30 10個人"),
        ("七點半十分感謝", "7:30 十分感謝"),
    ],
)
def test_a_number_behind_figures_stays_apart(spoken: str, written: str) -> None:
    check(spoken, written)


@given(st.text(alphabet="零一二三四五六七八九十百千萬億兩廿孖幺點分半號年月個字至到", max_size=14))
@example("一點一分廿")
def test_a_numeral_is_converted_as_a_whole_or_not_at_all(text: str) -> None:
    written = with_figures(text)
    for left, right in pairwise(written):
        assert not (left.isdigit() and right in "十百千廿"), written


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("萬二", 12_000),
        ("億二", 120_000_000),
        ("千二百", 1200),
        ("百八", 180),
        ("百九八", 198),
        ("三百九八", 398),
        ("二千九八", 2980),
        ("百零三", 103),
        ("三萬一千", 31_000),
    ],
)
def test_amounts_leave_the_first_one_out(numeral: str, value: int) -> None:
    assert amount_value(numeral) == value


@pytest.mark.parametrize("numeral", ["百八十", "千", "萬", "三千零", "十兩", "萬零", "一二百", "三百三四"])
def test_vague_numerals_have_no_value(numeral: str) -> None:
    assert amount_value(numeral) is None
    assert numeral_value(numeral) is None


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("全場75折", "全場七五折"),
        ("2張單", "兩張單"),
        ("3月2日", "三月二日"),
        ("2號風球", "二號風球"),
        ("1406室", "一四零六室"),
        ("98年開始", "九八年開始"),
        ("80年代", "八十年代"),
        ("500GB", "五百 GB"),
        ("5-7日", "五至七日"),
        ("2-4個", "兩至四個"),
        ("3/4", "四分之三"),
        ("US$30", "美金三十蚊"),
        ("$50萬", "五十萬蚊"),
        ("$0.3", "三毫"),
        ("-8度", "負八度"),
        ("+852 2345 6789", "八五二，二三四五，六七八九"),
    ],
)
def test_read_out(written: str, spoken: str) -> None:
    assert read_out(written).strip() == spoken


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("佢系咪唔系度", "佢係咪唔係度"),
        ("系统同埋联系方法", "系統同埋聯繫方法"),
        ("开个户口要签名", "開個戶口要簽名"),
        ("抽签定签约", "抽籤定簽約"),
        ("帮我转台", "幫我轉台"),
        ("于小姐同余生", "于小姐同余生"),
        ("关于余额", "關於餘額"),
        ("食碗云吞面", "食碗雲吞麵"),
        ("手表同水表", "手錶同水錶"),
        ("等咗两个钟，钟小姐", "等咗兩個鐘，鍾小姐"),
        ("汇丰同汇率", "滙豐同匯率"),
        ("晒太阳晒黑晒，换晒衫", "曬太陽曬黑晒，換晒衫"),
        ("秘書台有張人名表", "秘書台有張人名表"),
        ("郁手，唔好忧郁", "郁手，唔好憂鬱"),
        ("一套系統，學系", "一套系統，學系"),
    ],
)
def test_script_of_hong_kong(typed: str, expected: str) -> None:
    assert fold_variants(to_traditional(typed)) == expected
