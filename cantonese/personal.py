"""Personal data in a text: hidden before the text is stored or leaves the house, or named by kind. Pure.

Three things that must not be taken for each other: :func:`mask_personal_data` replaces numbers, names and
addresses, :func:`hide_digits` hides digits and nothing else, :func:`personal_data_kinds` changes nothing and
tells what is there.

Masking is deliberately generous: a masked word in a report costs little. What no rule can know (a name alone,
a street without a number) stays; docs/knowledge-base.md says so.
"""

from __future__ import annotations

import re

from cantonese.reading import reading_form

NUMBER, NAME, EMAIL, PLACE = "〔號碼〕", "〔姓名〕", "〔電郵〕", "〔地址〕"
_DIGIT = "零〇一幺二三四五六七八九"
_HKID = r"[A-Za-z]{1,2} ?\d{6} ?[（(]?[0-9Aa][)）]?"
_CARD = re.compile(r"\d(?:[ -]?\d){12,18}")
_PHONE = re.compile(r"(?<!\d)[235679]\d{3}[ -]?\d{4}(?!\d)")
_EMAIL = re.compile(r"[\w.+-]+\s?(?:@|at)\s?[\w-]+(?:\.|\s?dot\s?)\w+", re.IGNORECASE)
_ANY_DIGIT = re.compile(r"[0-9０-９]")
_SURNAMES = (
    "陳黃李張梁王林吳劉何葉鄭楊周蔡謝馮羅馬徐朱蘇胡曾鄧許郭趙余麥關盧譚潘鍾蕭方龍黎杜江袁彭莫伍莊施石冼溫"
    "陸陶高程廖姚范曹沈韓歐區布古古甘白丘司古洪孔湯熊翁柯倪嚴霍尹易邱崔唐任柳雷房龐"
)
_TITLES = "先生|小姐|太太|女士|太|生(?![病日意產效活育])|師奶|姑娘|醫生|經理"
_SPOKEN = "zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple"
_RULES = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), EMAIL),
    (re.compile(r"\b\w+(?: dot \w+)* at \w+(?: dot \w+)+", re.IGNORECASE), EMAIL),
    (re.compile(_HKID), NUMBER),
    (re.compile(r"(?<![\d$])(?<!\d[.,])(?:[A-Za-z]{1,4}-?)?"
                r"(?!(?:19|20)\d\d年)(?!\d{1,3}(?:,\d{3})+(?!\d))"  # a year, 12,000
                r"\d(?:(?:[ \-–.]|[,，、] ?)?\d){3,}(?![\d%])"), NUMBER),
    (re.compile(rf"[{_DIGIT}](?:[ ，,、]?[{_DIGIT}]){{3,}}"), NUMBER),
    (re.compile(rf"\b(?:{_SPOKEN})(?:[ ,.-]+(?:{_SPOKEN})){{3,}}", re.IGNORECASE), NUMBER),
    (re.compile(rf"[{_SURNAMES}](?:[\u4e00-\u9fff]{{0,2}}?)(?={_TITLES})"), NAME),
    (re.compile(r"(?<=我叫)(?!你|佢|做)[\u4e00-\u9fff]{2,4}|(?<=我姓)[\u4e00-\u9fff]|(?<=我個名係)[\u4e00-\u9fff]{2,4}"
                r"|(?<=名叫)[\u4e00-\u9fff]{2,4}"
                rf"|(?<=我係)[{_SURNAMES}][\u4e00-\u9fff]{{2}}(?=[，。！？ ]|$)"), NAME),
    (re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr)\.? [A-Z][a-z]+(?: [A-Z][a-z]+)?"), NAME),
    (re.compile(r"(?:(?<=my name is )|(?<=My name is ))\w+(?: [A-Z]\w+)*|(?<=[Tt]his is )[A-Z]\w+ [A-Z]\w+"
                r"|(?:(?<=I am )|(?<=I'm ))[A-Z][a-z]+ [A-Z][a-z]+"), NAME),
    (re.compile(rf"[\u4e00-\u9fff]{{1,4}}(?:邨|苑|大廈|花園|中心)?[\d{_DIGIT}十百]+(?:號|座|樓|室)"
                rf"(?:[\d{_DIGIT}十百A-Z]+(?:號|座|樓|室))*"), PLACE),
)  # fmt: skip


def mask_personal_data(text: str) -> str:
    """Return ``text`` with numbers, names, addresses and e-mail addresses replaced by what they are."""
    for pattern, mark in _RULES:
        text = pattern.sub(mark, text)
    return text


def hide_digits(text: str) -> str:
    """Return ``text`` with every digit replaced by ``*``; names and spoken numerals stay."""
    return _ANY_DIGIT.sub("*", text)


def has_luhn_check_digit(digits: str) -> bool:
    """Tell whether a card number's check digit is right (ISO/IEC 7812-1)."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def personal_data_kinds(spoken: str) -> list[str]:
    """Return the kinds of personal data in verbatim ``spoken``: hkid, card, phone, email."""
    text = reading_form(spoken)
    joined = re.sub(r"(?<=\d)[，, -]+(?=\d)", "", text)
    cards = (re.sub(r"\D", "", match.group()) for match in _CARD.finditer(joined))
    found = {
        "hkid": re.search(_HKID, re.sub(r"[ ，]", "", text)) is not None,
        "card": any(map(has_luhn_check_digit, cards)),
        "phone": bool(_PHONE.search(text) or _PHONE.search(joined)),
        "email": _EMAIL.search(text) is not None,
    }
    return [kind for kind, there in found.items() if there]
